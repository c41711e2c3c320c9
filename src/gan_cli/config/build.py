"""From configs to objects: the only way from a setting to what it stands for."""

import contextlib
import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from gan_cli.config.instantiate import build
from gan_cli.data.minibatches import Minibatches
from gan_cli.data.source import Data
from gan_cli.engines.captured import Captured
from gan_cli.engines.compiled import Compiled
from gan_cli.engines.cuda_graph import Graph
from gan_cli.engines.per_sample import judges_each_alone
from gan_cli.errors import UserError
from gan_cli.game.state import new_state
from gan_cli.game.updates import Game, alternating, simultaneous
from gan_cli.networks.layers import OUTPUTS
from gan_cli.networks.mlp import Generator
from gan_cli.rng import stream_seed
from gan_cli.runs import directory as runs
from gan_cli.sampling.samples import draw_z, generate, images_from
from gan_cli.training import checkpoints
from gan_cli.training.device import keep_freed_memory, multiply_in, pick_device
from gan_cli.training.trainer import Training

log = logging.getLogger(__name__)

CPU = torch.device("cpu")


def build_source(cfg: DictConfig) -> Any:
    """Return the data set's source. Its `epochs` are for the schedule, not for its class."""
    return build(cfg, "dataset", without=["epochs"])


def build_optimizers(cfg: DictConfig) -> tuple[Any, Any]:
    """Return what `optimizer` describes for G and for D: alike, but for G's rate, its `g_lr`."""
    of_d = build(cfg, "optimizer", without=["g_lr"])
    g_lr = cfg.optimizer.get("g_lr")
    if g_lr is None:
        return of_d, of_d
    for_g = cfg.copy()
    for_g.optimizer.lr = g_lr
    return build(for_g, "optimizer", without=["g_lr"]), of_d


def build_generator(cfg: DictConfig, source: Any, device: torch.device = CPU) -> nn.Module:
    """Return G with its initial weights, a function of the seed; checked against the data.

    On the device `meta` it has the sizes of its weights, and no memory for them. Raises UserError
    where its output has another shape or another range than the data.
    """
    generator = _seeded(cfg, "network.generator", device)
    z = draw_z(build(cfg, "prior"), 2, cfg.seed)
    with _fits(cfg, "network.generator", f"can't take z of prior.dim={z.shape[1]}"):
        shape = tuple(images_from(generator, z, cfg.seed, device).shape[1:])
    if shape != source.shape:
        raise UserError(
            f"network.generator gives images of shape {shape}; dataset.shape is {source.shape}."
        )
    # Only a bounded range can disagree; a user's own network need not say what it gives.
    low, high = getattr(generator, "output_range", (source.low, source.high))
    if (low, high) not in ((source.low, source.high), (float("-inf"), float("inf"))):
        fitting = [name for name, (_, r) in OUTPUTS.items() if r == (source.low, source.high)]
        output = cfg.network.generator.get("output")
        raise UserError(
            f"network.generator{f'.output is {output}, which' if output else ''} gives values in "
            f"({low:g}, {high:g}), but the data are in ({source.low:g}, {source.high:g}); it must "
            f"be {' or '.join(dict.fromkeys([*fitting, 'linear']))} for these."
        )
    return generator


def build_discriminator(cfg: DictConfig, images: Tensor) -> nn.Module:
    """Return D with its initial weights, a function of the seed, on the device of `images`.

    It has scored `images` (m, C, H, W) in model space, so that lazy layers know their sizes, and
    weights that are computed from others, as by weight_norm, can be copied. Raises UserError where
    it gives anything but a logit an image.
    """
    discriminator = _seeded(cfg, "network.discriminator", images.device).eval()
    with (
        torch.no_grad(),
        torch.random.fork_rng(devices=[]),
        _fits(cfg, "network.discriminator", f"can't score images {tuple(images.shape)}"),
    ):
        torch.manual_seed(stream_seed(cfg.seed, "lazy layers"))
        logits = discriminator(images)
    if not isinstance(logits, Tensor) or logits.shape != images.shape[:1]:
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(
            f"network.discriminator gives {given} for {len(images)} images; it must give a logit "
            f"each, a tensor of shape ({len(images)},)."
        )
    return discriminator.train()


def build_networks(cfg: DictConfig, source: Any, images: Tensor) -> tuple[nn.Module, nn.Module]:
    """Return G and D with their initial weights, on the device of `images` (m, C, H, W).

    Those of a finished run, where `init_from` names one, are loaded. Raises UserError for networks
    that don't fit the data, each other or the minibatch, or have nothing to train.
    """
    generator = build_generator(cfg, source, images.device)
    discriminator = build_discriminator(cfg, images)
    for player, network in (("generator", generator), ("discriminator", discriminator)):
        if not any(p.requires_grad for p in network.parameters()):
            raise UserError(f"network.{player} has no parameters to train; it must have some.")
    if cfg.init_from is not None:
        _start_from(generator, runs.find(cfg.init_from, cfg.outputs, "init_from"))
    elif hasattr(generator, "start_from") and cfg.resume is None:
        log.warning("init_from is null: no part of G starts from a finished run.")
    if cfg.schedule.batch_size == 1:
        # As batch normalisation can't.
        z = draw_z(build(cfg, "prior"), 1, cfg.seed).to(images.device)
        for player, network, one in (
            ("generator", generator, z),
            ("discriminator", discriminator, images[:1]),
        ):
            with _fits(cfg, f"network.{player}", "can't be trained with schedule.batch_size=1"):
                copy.deepcopy(network).train()(one)
    return generator, discriminator


def warn_of_range(cfg: DictConfig, generator: nn.Module, source: Any) -> None:
    """Warn of a G of the user's whose first samples are outside of the data's range."""
    if hasattr(generator, "output_range"):
        return
    z = draw_z(build(cfg, "prior"), 100, cfg.seed)
    low, high = (v.item() for v in generate(generator, z, cfg.seed, torch.device("cpu")).aminmax())
    slack = 1e-3
    if low < source.low - slack or high > source.high + slack:
        log.warning(
            "network.generator gives values from %.3g to %.3g, and the data are from %g to %g: D "
            "can know its samples by that alone; its last layer should end in that range, or "
            "dataset.range be another.", low, high, source.low, source.high,
        )  # fmt: skip


@contextlib.contextmanager
def _fits(cfg: DictConfig, key: str, sentence: str) -> Iterator[None]:
    """Make one sentence of what PyTorch says of tensors that do not fit one of our networks.

    A user's own may have a bug, whose traceback tells more.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        ours = str(OmegaConf.select(cfg, key)._target_).startswith("gan_cli.")
        if not ours or "allocate" in str(error):  # Memory that is not enough is told elsewhere.
            raise
        reason = " ".join(str(error).splitlines()[:1])
        raise UserError(f"{key} {sentence} ({reason}).") from error


def _seeded(cfg: DictConfig, key: str, device: torch.device) -> nn.Module:
    with torch.random.fork_rng(devices=[]), device:
        torch.manual_seed(stream_seed(cfg.seed, key))
        network = build(cfg, key)
    if not isinstance(network, nn.Module):
        raise UserError(
            f"{key}._target_ makes no network but {type(network).__name__}; it must be a class "
            "derived from torch.nn.Module."
        )
    return network


def assemble(cfg: DictConfig, source: Any, data: Data) -> Training:
    """Return the game that a `gan train` config describes, before its first step.

    Raises UserError for what does not go together.
    """
    device, autocast = pick_arithmetic(cfg)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    minibatches = Minibatches(
        data.train, cfg.schedule.batch_size, cfg.seed, source.to_model, device
    )
    few = minibatches[0][:8].cpu()
    generator, discriminator = build_networks(cfg, source, few)
    warn_of_range(cfg, generator, source)
    parameters = [*generator.parameters(), *discriminator.parameters()]
    keep_freed_memory(max((p.nbytes for p in parameters), default=0))
    if cfg.init_from is None and isinstance(generator, Generator) and generator.marginal_bias:
        generator.set_mean(_mean_image(source, data.train.x))
    joint = judges_each_alone(discriminator, few)
    g_optimizer, d_optimizer = build_optimizers(cfg)
    state = new_state(generator, discriminator, d_optimizer, cfg.seed, device)

    def set_rates(optimizer: torch.optim.Optimizer, t: int) -> None:
        at = g_optimizer if optimizer is state.g_optimizer else d_optimizer
        at.set(optimizer, t, t // minibatches.per_epoch + 1)

    game = Game(
        build(cfg, "objective"),
        build(cfg, "prior"),
        set_rates,
        joint,
        autocast,
        cfg.ema_decay,
        cfg.ema_power,
    )
    update = {"alternating": alternating, "simultaneous": simultaneous}[cfg.schedule.updates]
    captured = _capture(cfg, device, update, d_optimizer)
    return Training(state, game, update, cfg.schedule.k, minibatches, d_optimizer, captured)


def pick_arithmetic(cfg: DictConfig) -> tuple[torch.device, torch.dtype | None]:
    """Return where a `gan train` config computes, and the type that products are cast to, if any.

    Raises UserError for settings of its schedule, monitor, device or optimizer that exclude each
    other.
    """
    if cfg.schedule.updates == "simultaneous" and cfg.schedule.k != 1:
        raise UserError(
            f"schedule.k is {cfg.schedule.k}; with schedule.updates=simultaneous it must be 1, as "
            "both players move at once."
        )
    if cfg.monitor.target is not None and cfg.monitor.every is None:
        raise UserError(
            f"monitor.target is {cfg.monitor.target:g} and monitor.every is null; an estimate that "
            "ends the run needs to be made, so monitor.every must be a number of epochs."
        )
    if cfg.compile and not hasattr(build_optimizers(cfg)[1], "take"):
        raise UserError(
            f"compile is true, and {cfg.optimizer._target_} has no `take`, by which a compiled "
            "update tells it the rates; compile must be false."
        )
    device = pick_device(cfg.device)
    return device, multiply_in(cfg.precision, device)


def _capture(
    cfg: DictConfig, device: torch.device, update: Callable[..., Tensor], optimizer: Any
) -> Captured | None:
    # An optimizer of the user's own may not know how to take its rates from the device.
    takes = hasattr(optimizer, "take")
    if device.type == "cuda":
        return Graph(update, optimizer) if cfg.cuda_graph and takes else None
    return Compiled(update, optimizer) if cfg.compile else None


def _start_from(generator: nn.Module, finished: runs.Run) -> None:
    """Load a finished generator's weights, where G has a place for them or else as a whole."""
    saved = checkpoints.load_newest(finished.checkpoints)["generator"]
    load = getattr(generator, "start_from", generator.load_state_dict)
    # On the device `meta` only their shapes are compared, of which PyTorch warns.
    warnings.filterwarnings("ignore", "for .*: copying from a non-meta parameter", UserWarning)
    try:
        load(saved)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"init_from is {finished.path}, whose generator does not fit this one: {reason}"
        ) from error


def _mean_image(source: Any, x: Tensor) -> Tensor:
    # In parts: in float32 the whole of a large training set would take gigabytes, and parts that
    # malloc takes from fresh pages each time took three times as long.
    total = torch.zeros(x.shape[1:], dtype=torch.float64)
    for part in x.split(1000):
        total += source.to_model(part).sum(0, dtype=torch.float64)
    return total / len(x)


def relative(path: str | Path) -> Path:
    """Return `path` as seen from here where it lies below, for messages."""
    path = Path(path).absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
