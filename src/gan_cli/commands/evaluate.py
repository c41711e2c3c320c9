"""`gan evaluate`: how good samples are, in the features of a classifier of the data."""

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import Interval
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.build import build_source
from gan_cli.config.settings import Node, TrainedSettings
from gan_cli.errors import UserError
from gan_cli.figures.grid import save_png
from gan_cli.figures.plot import render
from gan_cli.figures.quality import draw_quality
from gan_cli.files import relative, write_atomically
from gan_cli.metrics.features import feature_space
from gan_cli.metrics.inception import FILE, InceptionSpace
from gan_cli.metrics.quality import ReferenceName, measure
from gan_cli.metrics.views import Space
from gan_cli.ranges import Count, Sigmas
from gan_cli.runs.environment import git_commit
from gan_cli.runs.evaluation import record_quality
from gan_cli.runs.load import Trained, load_alike, load_data
from gan_cli.sampling.arrays import read_samples
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


@dataclass
class Settings(TrainedSettings):
    """Types and ranges of `gan evaluate`."""

    runs: str | list[str] | None
    samples: str | None
    dataset: Node
    features: Literal["own", "inception"]
    path: str | None
    n: Annotated[int, Interval(ge=2, le=1_000_000)]
    draws: Count
    references: list[ReferenceName]
    sigmas: Sigmas


def run(cfg: DictConfig, out: Path) -> None:
    """Measure runs' generators, or the samples of a file, and the references beside them."""
    device = pick_device(cfg.device)
    inception = _inception(cfg, device)
    if (cfg.samples is None) != (cfg.dataset is None):
        raise UserError(
            f"samples is {cfg.samples} and dataset is {cfg.dataset}; samples=FILE takes "
            "dataset=NAME, and a run has its own data."
        )
    origin: dict[str, object]
    trained: list[Trained] = []
    if cfg.samples is None:
        trained = load_alike(cfg, device)
        source, data = trained[0].source, load_data(cfg.data_dir, trained[0])[0]
        sets = {
            f"{relative(one.run.path)}, {one.weights}": [
                one.samples(cfg.n, cfg.seed + i) for i in range(cfg.draws)
            ]
            for one in trained
        }
        origin = trained[0].origin(cfg.seed)
    else:
        source = build_source(cfg)
        data = source.load()
        samples = read_samples(Path(cfg.samples), source)[: cfg.n]
        if (samples == samples[0]).all():
            raise UserError(f"samples is {cfg.samples}, whose images are all the same.")
        sets = {Path(cfg.samples).name: [samples]}
        origin = {"samples": relative(cfg.samples), "command": " ".join(sys.argv)}

    cache = Path(cfg.outputs) / "cache"
    space = inception or feature_space(source, data, cache)
    quality = measure(
        sets, source, data, space, cfg.references, cfg.n, cfg.seed,
        cfg.sigmas, cache, bootstrap=cfg.samples is not None,
    )  # fmt: skip
    log.info("Against %d training images, in %s.", quality.n_reference, quality.space)
    lines = [*quality.table(), "", *(f"- {line}" for line in quality.legend())]
    for line in lines:
        log.info("%s", line)
    settings: Any = OmegaConf.to_container(cfg, resolve=True)
    content = {
        **quality.content(),
        "origin": {key: str(value) for key, value in origin.items()},
        "git_commit": git_commit(),
        "settings": settings,
    }
    write_atomically(out / "evaluation.json", json.dumps(content, indent=2).encode())
    write_atomically(out / "evaluation.md", "\n".join([*lines, ""]).encode())
    save_png(out / "evaluation.png", render(draw_quality(quality)), origin)
    for row, one in zip(sets, trained, strict=False):
        try:
            record_quality(one, quality, row, settings)
        except UserError as error:
            log.warning("gan report won't have %s: %s", row, error)
    where = relative(out / "evaluation.png")
    log.info("Results: %s, with evaluation.json and evaluation.md beside it.", where)


def _inception(cfg: DictConfig, device: torch.device) -> Space | None:
    """Return the space of published FIDs where `cfg` names it."""
    if (cfg.features == "inception") != (cfg.path is not None):
        raise UserError(
            f"features is {cfg.features} and path is {cfg.path}; features=inception takes "
            f"path=FILE, the published weights {FILE}: 91 MB, which don't ship with gan and are in "
            "the releases of torch-fidelity on GitHub."
        )
    return None if cfg.path is None else InceptionSpace(Path(cfg.path), device)
