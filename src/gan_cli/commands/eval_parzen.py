"""`gan eval-parzen`: log-likelihood by a Parzen window, and what it is worth."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from gan_cli.config.settings import Node, TrainedSettings
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.metrics.protocol import Protocol
from gan_cli.ranges import Count
from gan_cli.runs.evaluation import evaluate_file, evaluate_run, record
from gan_cli.runs.load import load_data, load_trained


@dataclass
class Settings(TrainedSettings, Protocol):
    """Types and ranges of `gan eval-parzen`."""

    samples: str | None
    dataset: Node
    draws: Count
    refine: bool
    references: list[Literal["train", "kmeans"]]


def run(cfg: DictConfig, out: Path) -> None:
    """Evaluate a run's generator, or the samples of a file, and the references beside it."""
    _refuse(cfg)
    origin: dict[str, object]
    trained = None
    if cfg.samples is None:
        trained = load_trained(cfg)
        folds = load_data(cfg.data_dir, trained.config)
        evaluation = evaluate_run(cfg, trained, folds, cfg.references, cfg.draws, cfg.refine)
        origin = trained.origin(cfg.seed)
    else:
        evaluation = evaluate_file(cfg)
        origin = {"samples": relative(cfg.samples), "command": " ".join(sys.argv)}
    settings: Any = OmegaConf.to_container(cfg, resolve=True)
    record(out, evaluation, settings, origin, trained)


def _refuse(cfg: DictConfig) -> None:
    """Raise UserError for settings of a run and of a file of samples together."""
    if cfg.samples is None and cfg.dataset is not None:
        raise UserError(
            "dataset is given and samples is null; a run is scored on the data that it was "
            "trained with, and samples=FILE on those that dataset names."
        )
    if cfg.samples is not None and (cfg.dataset is None or cfg.draws != 1):
        raise UserError(
            f"samples is {cfg.samples}, so dataset=... must name what they are samples of, and "
            "draws must be 1."
        )
    if cfg.samples is not None and cfg.run != "latest":
        raise UserError(
            f"run is {cfg.run} and samples is {cfg.samples}; one of them is scored at a time, "
            "so the other must be left out."
        )
