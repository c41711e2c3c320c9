"""A run's generator, for the commands that read one."""

import copy
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gan_cli.config.build import build_generator, build_source
from gan_cli.config.differences import differences
from gan_cli.config.instantiate import build
from gan_cli.data.source import Data, Source
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.game.priors import Prior
from gan_cli.metrics.references import training_images
from gan_cli.runs import directory as runs
from gan_cli.runs import own_modules, sweeps
from gan_cli.runs.collect import find
from gan_cli.sampling.arrays import write_samples
from gan_cli.sampling.samples import draw_z, generate, sample_blocks
from gan_cli.training import checkpoints
from gan_cli.training.averaging import current_average
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A trained generator on its device, with the prior and the data that it was trained with."""

    run: runs.Run
    config: DictConfig
    source: Source
    prior: Prior
    generator: nn.Module
    device: torch.device
    step: int
    weights: str

    def samples(self, n: int, seed: int) -> Tensor:
        """Return samples 0 .. n-1 of `seed` in model space, (n, C, H, W) on the CPU."""
        return generate(self.generator, draw_z(self.prior, n, seed), seed, self.device)

    def save(self, save: str, n: int, seed: int) -> None:
        """Write what `samples` returns, which memory need not hold, to the .npy file `save`."""
        path, shape = Path(f"{save.removesuffix('.npy')}.npy"), (n, *self.source.shape)
        blocks = sample_blocks(self.generator, self.prior, n, seed, self.device)
        write_samples(path, blocks, shape)
        log.info("Samples %s of float32: %s", shape, relative(path))

    def training_images(self, n: int, seed: int, data_dir: str) -> Tensor:
        """Return n of the images that G was trained on, in model space, (n, C, H, W).

        `seed` draws them, none twice: all where there are fewer.
        """
        x = load_data(data_dir, self)[0].train.x
        return self.source.to_model(training_images(x, n, seed))

    def images(self, z: Tensor, seed: int) -> Tensor:
        """Return G(z), for z (a, b, dim), in model space, (a, b, C, H, W) on the CPU."""
        samples = generate(self.generator, z.flatten(0, 1), seed, self.device)
        return samples.unflatten(0, z.shape[:2])

    def origin(self, seed: int) -> dict[str, object]:
        """Return where samples come from, for the metadata of a picture."""
        return {
            "run": relative(self.run.path),
            "step": self.step,
            "weights": self.weights,
            "seed": seed,
            "command": " ".join(sys.argv),
        }


def load_data(data_dir: str, trained: Trained) -> list[Data]:
    """Return the folds of a run's data, read from `data_dir` if that is a directory."""
    config = trained.config
    if "data_dir" in config.dataset and Path(data_dir).is_dir():
        config = config.copy()
        config.dataset.data_dir = data_dir
    folds: list[Data] = build_source(config).folds()
    return folds


def load_trained(cfg: DictConfig) -> Trained:
    """Return the generator of `cfg.run`, with the weights that `cfg` chooses.

    Raises UserError where there is no such run or no whole checkpoint.
    """
    device = pick_device(cfg.device)
    run = runs.find(cfg.run, cfg.outputs)
    return load_weights(run, [cfg.weights], device, cfg.checkpoint)[cfg.weights]


def load_alike(cfg: DictConfig, device: torch.device) -> list[Trained]:
    """Return the generators of a sweep, of `cfg.runs` or of `cfg.run`, with the weights of `cfg`.

    Raises UserError as `load_trained` does, where no run of a sweep is finished, and where they
    were trained on different data.
    """
    sweep = sweeps.named()
    if sweep is None and cfg.runs is None:
        found = [runs.find(cfg.run, cfg.outputs, "run")]
    else:
        jobs, _ = find(cfg)
        found = [runs.Run(j.path) for j in jobs if sweep is None or j.status == "finished"]
    if not found:
        raise UserError(f"sweep is {sweep}, none of whose runs is finished.")
    trained = [
        load_weights(run, [cfg.weights], device, cfg.checkpoint)[cfg.weights] for run in found
    ]
    first = trained[0]
    for other in trained[1:]:
        pair = (first.config.dataset, other.config.dataset)
        if different := differences(*pair, ("data_dir", "cache"), ("in one", "in the other")):
            raise UserError(
                f"{first.run.path.name} and {other.run.path.name} were trained on different data "
                f"({'; '.join(different)}); a table is of runs on the same."
            )
    return trained


def load_weights(
    run: runs.Run, weights: Sequence[str], device: torch.device, checkpoint: str = "newest"
) -> dict[str, Trained]:
    """Return the generator of a run on `device`, by its weights `raw` and `ema`, from one reading.

    checkpoint: `newest` or `best`. Raises UserError where there is no whole one.
    """
    own_modules.look_where_trained(run)
    # Which generator it is, is in the run's own config.
    config = run.config()
    saved = checkpoints.load_chosen(run.checkpoints, checkpoint)
    source, prior = build_source(config), build(config, "prior")
    raw = build_generator(config, source)
    checkpoints.fit(raw, saved["generator"], run.checkpoints)
    generators = {"raw": raw}
    if "ema" in weights:
        average = copy.deepcopy(raw)
        checkpoints.fit(average, saved["average"], run.checkpoints)
        generators["ema"] = current_average(
            average, raw, saved["step"], config.ema_decay, config.ema_power
        )
    log.info(
        "Run %s, %s, step %d, %s weights.",
        relative(run.path), run.status(), saved["step"], " and ".join(weights),
    )  # fmt: skip
    return {
        name: Trained(
            run, config, source, prior, generators[name].to(device), device, saved["step"], name
        )
        for name in weights
    }
