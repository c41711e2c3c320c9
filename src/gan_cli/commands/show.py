"""`gan show`: what a run is, how it went, and what can be done with it."""

import logging
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.config.settings import CommandSettings
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.runs.collect import job_at
from gan_cli.runs.directory import find
from gan_cli.runs.overview import draw, given, next_commands

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan show`."""

    run: str


def run(cfg: DictConfig, out: Path) -> None:
    """Log how `cfg.run` went; write its curves, and its grids as an animation, to `out`."""
    shown = find(cfg.run, cfg.outputs)
    where = relative(shown.path)
    job = job_at(str(where), shown.path)
    if not job.rows:
        raise UserError(f"run is {cfg.run}, which has logged nothing; there is nothing to show.")
    last = job.rows[-1]
    step = max(shown.step(), last["step"])
    log.info("%s: %s at step %d, last row at epoch %.1f.", where, job.status, step, last["epoch"])
    if job.reason:
        log.info("Why: %s", job.reason)
    log.info("Settings given (all others are the defaults): %s", given(job) or "none")
    log.info("Trained by: %s", job.command)
    log.info(
        "V %.3f (-log 4 = -1.386 at the optimum), D(x) %.3f, D(G(z)) %.3f.",
        last["value"], last["d_real"], last["d_fake"],
    )  # fmt: skip
    if job.best is not None:
        best, step = job.best
        log.info("Best estimate on validation: %s, at step %d.", job.criterion.shown(best), step)

    for what, path in draw(shown, out).items():
        log.info("%s: %s", what, relative(path))
    for command in next_commands(job):
        log.info("  %s", command)
