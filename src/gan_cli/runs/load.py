"""A run's generator, for the commands that read one."""

import copy
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gan_cli.config.build import build_generator, build_source
from gan_cli.config.instantiate import build
from gan_cli.data.source import Data
from gan_cli.files import relative
from gan_cli.runs import directory as runs
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
    source: Any
    prior: Any
    generator: nn.Module
    device: torch.device
    step: int
    weights: str

    def samples(self, n: int, seed: int) -> Tensor:
        """Return samples 0 .. n-1 of `seed` in model space, (n, C, H, W) on the CPU."""
        return generate(self.generator, draw_z(self.prior, n, seed), seed, self.device)

    def blocks(self, n: int, seed: int) -> Iterator[Tensor]:
        """Yield what `samples` returns in parts, for more than memory holds."""
        return sample_blocks(self.generator, self.prior, n, seed, self.device)

    def origin(self, seed: int) -> dict[str, object]:
        """Return what a picture says of where it comes from."""
        return {
            "run": relative(self.run.path),
            "step": self.step,
            "weights": self.weights,
            "seed": seed,
            "command": " ".join(sys.argv),
        }


def load_data(cfg: DictConfig, trained: Trained) -> list[Data]:
    """Return the folds of a run's data, read from `cfg.data_dir` if it is there."""
    config = trained.config
    if "data_dir" in config.dataset and Path(cfg.data_dir).is_dir():
        config = config.copy()
        config.dataset.data_dir = cfg.data_dir
    folds: list[Data] = build_source(config).folds()
    return folds


def load_trained(cfg: DictConfig) -> Trained:
    """Return the generator of `cfg.run`, with the weights that `cfg` chooses.

    Raises UserError where there is no such run or no whole checkpoint.
    """
    device = pick_device(cfg.device)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    run = runs.find(cfg.run, cfg.outputs)
    # The run's own config says what its generator is.
    config = run.config()
    saved = checkpoints.load_chosen(run.checkpoints, cfg.checkpoint)
    source = build_source(config)
    generator = build_generator(config, source)
    checkpoints.fit(generator, saved["generator"], run.checkpoints)
    if cfg.weights == "ema":
        average = copy.deepcopy(generator)
        checkpoints.fit(average, saved["average"], run.checkpoints)
        generator = current_average(
            average, generator, saved["step"], config.ema_decay, config.ema_power
        )
    log.info(
        "Run %s, %s, step %d, %s weights.",
        relative(run.path), run.status(), saved["step"], cfg.weights,
    )  # fmt: skip
    prior = build(config, "prior")
    return Trained(
        run, config, source, prior, generator.to(device), device, saved["step"], cfg.weights
    )
