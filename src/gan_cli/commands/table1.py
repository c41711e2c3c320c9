"""`gan table1`: the log-likelihoods of a sweep's runs, beside those that the paper quotes."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig

from gan_cli.config.settings import CommandSettings
from gan_cli.errors import UserError
from gan_cli.figures.table1 import markdown
from gan_cli.files import make_directory, relative, write_atomically
from gan_cli.metrics.protocol import Protocol
from gan_cli.ranges import Count
from gan_cli.runs.collect import find, missing
from gan_cli.runs.directory import Run
from gan_cli.runs.load import load_data, load_weights
from gan_cli.runs.table1 import (
    WEIGHTS,
    Figure2,
    Figure3,
    draw_figures,
    finished_by_seed,
    table,
)
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings, Protocol):
    """Types and ranges of `gan table1`."""

    runs: str | list[str]
    results: str | None
    data_dir: str
    draws: Count
    figure2: Figure2
    figure3: Figure3


def run(cfg: DictConfig, out: Path) -> None:
    """Evaluate runs that differ by their seeds, and write the table to `cfg.results`, or `out`."""
    device = pick_device(cfg.device)
    # Before anything is written, so that what can't be read leaves nothing half done.
    jobs, absent = find(cfg)
    finished = finished_by_seed(jobs)
    trained = [load_weights(Run(job.path), list(WEIGHTS), device) for job in finished]
    folds = load_data(cfg.data_dir, trained[0]["raw"].config)
    if folds[0].train.x.dtype != torch.uint8:
        raise UserError(
            "gan table1 needs runs that were trained on images; these were trained on points."
        )
    where = Path(cfg.results or out)
    places = {"raw": where, "ema": where / "ema"}
    for place in places.values():
        make_directory(place, f"results is {cfg.results}")

    content, median = table(cfg, finished, trained, folds, missing(jobs, absent))
    text = markdown(content)
    for line in text.splitlines():
        log.info("%s", line)
    for which, place in places.items():
        draw_figures(cfg, trained[median][which], folds[0], place)
    write_atomically(where / "table1.json", json.dumps(content, indent=2).encode())
    write_atomically(where / "table1.md", text.encode())
    log.info("Results: %s, with table1.json and figures beside it.", relative(where / "table1.md"))
