"""From configs to objects: the only way from a setting to what it stands for."""

import contextlib
import copy
import inspect
import logging
import warnings
from collections.abc import Iterator

import torch
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from gan_cli.config.instantiate import build
from gan_cli.data.labels import count_classes, labelled_rows
from gan_cli.data.minibatches import Minibatches, WithLabelled
from gan_cli.data.source import Data, Source, Split
from gan_cli.engines import one_pass
from gan_cli.engines.compiled import Compiled
from gan_cli.engines.cuda_graph import Graph
from gan_cli.engines.mixed_precision import in_precision
from gan_cli.errors import UserError
from gan_cli.game import updates
from gan_cli.game.conditions import Condition, UniformLabels, as_real
from gan_cli.game.schedules import iterations
from gan_cli.game.semi_supervised import feature_matching
from gan_cli.game.state import State, new_state
from gan_cli.game.updates import Game, Update
from gan_cli.networks.classifier import Classifier
from gan_cli.networks.layers import OUTPUTS
from gan_cli.networks.mlp import Generator
from gan_cli.rng import stream, stream_seed
from gan_cli.runs import directory as runs
from gan_cli.sampling.classes import Classes
from gan_cli.sampling.samples import draw_z, generate, images_from
from gan_cli.training import checkpoints
from gan_cli.training.device import autocast_type, keep_freed_memory, pick_device, round_float32
from gan_cli.training.optimizers import CapturableOptimizer, Optimizer
from gan_cli.training.trainer import Trainer

log = logging.getLogger(__name__)

CPU = torch.device("cpu")


def build_source(cfg: DictConfig) -> Source:
    """Return the data set's source."""
    source: Source = build(cfg, "dataset")
    return source


def settle(cfg: DictConfig, source: Source, data: Data | None) -> Classes:
    """Set what follows from the data in `cfg`; return the classes, none for an unconditional run.

    That is the images' shape, where the config leaves it open, and the number of classes. Without
    data, for a dry run, nothing follows. Raises UserError for labels that can't be a condition, and
    for another number of classes than they have.
    """
    if cfg.dataset.get("shape", source.shape) is None:
        # Known from here on: the networks follow it, and the run's own config has it.
        cfg.dataset.shape = list(source.shape)
    if (cfg.condition is None and cfg.labels is None) or data is None:
        return Classes({})
    what = "condition is label" if cfg.labels is None else f"labels is {cfg.labels}"
    counts = count_classes(data.train, what)
    if cfg.classes not in (None, len(counts)):
        raise UserError(
            f"classes is {cfg.classes}; it must be {len(counts)}, which these data have, or null."
        )
    cfg.classes = len(counts)
    if cfg.condition is None:
        return Classes({})
    named = source.class_names[: len(counts)]
    names = [*named, *map(str, range(len(named), len(counts)))]
    return Classes(dict(zip(names, counts, strict=True)))


def total_steps(cfg: DictConfig, per_epoch: float) -> int:
    """Return how many iterations a run has, with `per_epoch` of them to an epoch.

    Raises UserError where neither schedule.steps nor schedule.epochs is set.
    """
    n = iterations(cfg.schedule.steps, cfg.schedule.epochs, per_epoch)
    if n is None:
        raise UserError(
            "schedule.epochs and schedule.steps are both null; one of them must say how long the "
            "run is."
        )
    return n


def build_optimizers(cfg: DictConfig) -> tuple[Optimizer, Optimizer]:
    """Return the optimizers of G and of D, as their configs describe them."""
    return build(cfg, "optimizer.generator"), build(cfg, "optimizer.discriminator")


def build_generator(cfg: DictConfig, source: Source, device: torch.device = CPU) -> nn.Module:
    """Return G with its initial weights, a function of the seed; checked against the data.

    On the device `meta` it has the sizes of its weights, and no memory for them. Raises UserError
    where its output has another shape or another range than the data.
    """
    generator = _seeded(cfg, "network.generator", device)
    z = draw_z(build(cfg, "prior"), 2, cfg.seed)
    with _fits(cfg, "network.generator", f"can't take z of prior.dim={z.shape[1]}"):
        images = images_from(generator, z, cfg.seed, device, c=some_condition(cfg, 2))
    shape = tuple(images.shape[1:])
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


def some_condition(cfg: DictConfig, n: int, device: torch.device = CPU) -> Condition:
    """Return a condition for n examples, to try networks with: each class in turn, or ()."""
    return () if cfg.condition is None else (torch.arange(n, device=device) % cfg.classes,)


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
        logits = discriminator(images, *some_condition(cfg, len(images), images.device))
    if not isinstance(logits, Tensor) or logits.shape != images.shape[:1]:
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(
            f"network.discriminator gives {given} for {len(images)} images; it must give a logit "
            f"each, a tensor of shape ({len(images)},)."
        )
    return discriminator.train()


def build_networks(cfg: DictConfig, source: Source, images: Tensor) -> tuple[nn.Module, nn.Module]:
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
        c = some_condition(cfg, 1, images.device)
        for player, network, one in (
            ("generator", generator, z),
            ("discriminator", discriminator, images[:1]),
        ):
            with _fits(cfg, f"network.{player}", "can't be trained with schedule.batch_size=1"):
                copy.deepcopy(network).train()(one, *c)
    return generator, discriminator


def warn_of_range(cfg: DictConfig, generator: nn.Module, source: Source) -> None:
    """Warn of a G of the user's whose first samples are outside of the data's range."""
    if hasattr(generator, "output_range"):
        return
    z = draw_z(build(cfg, "prior"), 100, cfg.seed)
    images = generate(generator, z, cfg.seed, CPU, some_condition(cfg, len(z)))
    low, high = (v.item() for v in images.aminmax())
    slack = 1e-3
    if low < source.low - slack or high > source.high + slack:
        log.warning(
            "network.generator gives values from %.3g to %.3g, and the data are from %g to %g: D "
            "can recognise generated images by their range alone; G's last layer should end in "
            "that range, or dataset.range be another.", low, high, source.low, source.high,
        )  # fmt: skip


@contextlib.contextmanager
def _fits(cfg: DictConfig, key: str, sentence: str) -> Iterator[None]:
    """Make one sentence of PyTorch's error about tensors that do not fit one of our networks.

    A user's own may have a bug, whose traceback says more.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        ours = str(OmegaConf.select(cfg, key)._target_).startswith("gan_cli.")
        if not ours or "allocate" in str(error):  # explain_out_of_memory has a sentence for it
            raise
        reason = " ".join(str(error).splitlines()[:1])
        raise UserError(f"{key} {sentence} ({reason}).") from error


def _seeded(cfg: DictConfig, key: str, device: torch.device) -> nn.Module:
    with torch.random.fork_rng(devices=[]), device:
        torch.manual_seed(stream_seed(cfg.seed, key))
        network = build(cfg, key)
    if not isinstance(network, nn.Module):
        raise UserError(
            f"{key}._target_ gives a {type(network).__name__}; it must be a class derived from "
            "torch.nn.Module."
        )
    return network


def build_trainer(cfg: DictConfig, source: Source, data: Data) -> Trainer:
    """Return what a `gan train` config describes, before its first iteration.

    Raises UserError for what does not go together.
    """
    refuse_conflicts(cfg)
    device = pick_device(cfg.device)
    dtype = autocast_type(cfg.precision, device)
    round_float32(to_tf32=cfg.precision == "tf32")
    minibatches = _minibatches(cfg, source, data.train, device)
    few, *c = (x[:8].cpu() for x in minibatches[0])
    generator, discriminator = build_networks(cfg, source, few)
    warn_of_range(cfg, generator, source)
    parameters = [*generator.parameters(), *discriminator.parameters()]
    keep_freed_memory(max((p.nbytes for p in parameters), default=0))
    if cfg.init_from is None and isinstance(generator, Generator) and generator.marginal_bias:
        generator.set_mean(_mean_image(source, data.train.x))
    per_sample = cfg.labels is None and one_pass.is_per_sample(discriminator, few, *c)
    optimizers = build_optimizers(cfg)
    g_optimizer, d_optimizer = optimizers
    builds = (g_optimizer.build, d_optimizer.build)
    state = new_state(generator, discriminator, builds, cfg.seed, device)

    def set_hyperparameters(optimizer: torch.optim.Optimizer, n: int) -> None:
        rule = g_optimizer if optimizer is state.g_optimizer else d_optimizer
        rule.set_hyperparameters(optimizer, n, n // minibatches.per_epoch + 1)

    fake_condition = UniformLabels(cfg.classes) if cfg.fake_labels == "uniform" else as_real
    game = Game(
        build(cfg, "objective"), build(cfg, "prior"), set_hyperparameters, fake_condition
    )  # fmt: skip
    update: Update = UPDATES[cfg.schedule.updates, per_sample]
    if dtype is not None:
        update = in_precision(update, state, dtype)
    return Trainer(
        state, game, pick_engine(cfg, state, update, optimizers), minibatches, cfg.schedule.k,
        d_optimizer, cfg.ema_decay, cfg.ema_power,
    )  # fmt: skip


def _minibatches(
    cfg: DictConfig, source: Source, train: Split, device: torch.device
) -> Minibatches:
    settings = cfg.schedule.batch_size, cfg.seed, source.to_model, device
    if cfg.labels is None:
        return Minibatches(train, *settings, labelled=cfg.condition is not None)
    return WithLabelled(train, labelled(cfg, train), *settings)


def labelled(cfg: DictConfig, train: Split) -> Split:
    """Return the labelled examples of semi-supervised learning, which the seed draws."""
    assert train.y is not None
    return train.take(labelled_rows(train.y.long(), cfg.labels, stream(cfg.seed, "labels")))


# By the setting schedule.updates, and whether real and generated images can share D's pass.
UPDATES = {
    ("alternating", True): one_pass.alternating,
    ("alternating", False): updates.alternating,
    ("simultaneous", True): one_pass.simultaneous,
    ("simultaneous", False): updates.simultaneous,
    ("feature_matching", False): feature_matching,
}


def pick_engine(
    cfg: DictConfig, state: State, update: Update, optimizers: tuple[Optimizer, Optimizer]
) -> Update:
    """Return `update` as a CUDA graph or a compiled program, where that is asked for."""

    def set_from_tensor(optimizer: torch.optim.Optimizer, values: Tensor) -> None:
        rule = optimizers[optimizer is state.d_optimizer]
        assert isinstance(rule, CapturableOptimizer)
        rule.set_from_tensor(optimizer, values)

    # An optimizer of the user's own may have no set_from_tensor.
    if state.rng.device.type == "cuda":
        capturable = all(isinstance(rule, CapturableOptimizer) for rule in optimizers)
        return Graph(update, set_from_tensor) if cfg.cuda_graph and capturable else update
    return Compiled(update, set_from_tensor) if cfg.compile else update


def refuse_conflicts(cfg: DictConfig) -> None:
    """Raise UserError for settings of a `gan train` config that exclude each other."""
    if cfg.schedule.updates == "simultaneous" and cfg.schedule.k != 1:
        raise UserError(
            f"schedule.k is {cfg.schedule.k}; with schedule.updates=simultaneous it must be 1, as "
            "both players are updated at once."
        )
    if cfg.monitor.target is not None and cfg.monitor.every_epochs is None:
        raise UserError(
            f"monitor.target is {cfg.monitor.target:g} and monitor.every_epochs is null; an "
            "estimate that ends the run needs to be made, so monitor.every_epochs must be a number "
            "of epochs."
        )
    _refuse_labels_alone(cfg)
    if cfg.monitor.metric == "error" and cfg.labels is None:
        raise UserError(
            "monitor.metric is error, that of a D which classifies, and labels is null; it goes "
            "with semi-supervised learning, as in experiment=mnist_semi_supervised."
        )
    for name, default in (("classes", None), ("fake_labels", "data")):
        if cfg.condition is None and cfg.labels is None and cfg[name] != default:
            raise UserError(
                f"{name} is {cfg[name]} and condition is null; it goes with condition=label."
            )
    for player, inputs in (("generator", "z"), ("discriminator", "x")):
        _refuse_other_inputs(cfg, f"network.{player}", inputs)
    for player, rule in zip(("generator", "discriminator"), build_optimizers(cfg), strict=True):
        if cfg.compile and not isinstance(rule, CapturableOptimizer):
            raise UserError(
                f"compile is true, but optimizer.{player} is {type(rule).__name__}, without the "
                "`set_from_tensor` that a compiled update needs; compile must be false."
            )


def _refuse_labels_alone(cfg: DictConfig) -> None:
    """Raise UserError where settings of semi-supervised learning are given one without another."""
    target = _target(cfg, "network.discriminator")
    classifies = isinstance(target, type) and issubclass(target, Classifier)
    matching = cfg.schedule.updates == "feature_matching"
    if cfg.condition is not None and matching:
        raise UserError(
            f"condition is {cfg.condition} and schedule.updates is feature_matching, whose players "
            "get no labels; condition must be null."
        )
    if not (cfg.labels is not None) == classifies == matching:
        network = OmegaConf.select(cfg, "network.discriminator._target_")
        raise UserError(
            f"labels is {cfg.labels or 'null'}, schedule.updates is {cfg.schedule.updates} and "
            f"network.discriminator is {str(network).rpartition('.')[2]}; semi-supervised learning "
            "takes labels=100 or another number, schedule.updates=feature_matching and a D that is "
            "a Classifier, as network=semi_supervised_fc has; experiment=mnist_semi_supervised has "
            "all three."
        )


def _target(cfg: DictConfig, key: str) -> object:
    """Return the class that the config names, None where it can't be had: `build` says so."""
    try:
        return get_object(OmegaConf.select(cfg, key)._target_)
    except (AttributeError, ImportError, TypeError, ValueError):
        return None


def _refuse_other_inputs(cfg: DictConfig, key: str, first: str) -> None:
    """Raise UserError for a network whose forward does not take `first` and the condition."""
    target = _target(cfg, key)
    if not isinstance(target, type) or not issubclass(target, nn.Module):
        return  # `build` says so
    inputs = inspect.signature(target.forward)
    y = [] if cfg.condition is None else ["y"]
    try:
        inputs.bind("self", first, *y)
    except TypeError as error:
        own = f"a network of your own has forward({first}, y)"
        remedy = (
            f"with condition=null it must take {first} alone, and condition=label gives it labels"
            if cfg.condition is None
            else f"network=conditional_fc or conditional_dcgan takes labels, and {own}"
        )
        raise UserError(
            f"condition is {cfg.condition or 'null'}, but {key} is {target.__name__}, whose "
            f"forward takes {', '.join([*inputs.parameters][1:])}; {remedy}."
        ) from error


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


def _mean_image(source: Source, x: Tensor) -> Tensor:
    # In parts: in float32 the whole of a large training set would take gigabytes, and parts that
    # malloc takes from fresh pages each time took three times as long.
    total = torch.zeros(x.shape[1:], dtype=torch.float64)
    for part in x.split(1000):
        total += source.to_model(part).sum(0, dtype=torch.float64)
    return total / len(x)
