"""`gan runs`: the runs there are, what each was given and how far it came."""

import logging
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.config.settings import CommandSettings
from gan_cli.errors import UserError
from gan_cli.ranges import Count
from gan_cli.runs.directory import Run, below
from gan_cli.runs.overview import table

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan runs`."""

    n: Count | None


def run(cfg: DictConfig, out: Path) -> None:  # noqa: ARG001
    """Log a line for each of the `cfg.n` newest runs below `cfg.outputs`, the newest last."""
    runs = sorted(below(cfg.outputs), key=Run.last_written)
    if not runs:
        raise UserError(
            f"outputs is {cfg.outputs}, which holds no run; `gan train` makes one, and "
            "outputs=DIRECTORY says where they are."
        )
    for line in table(runs[-(cfg.n or 0) :], Path(cfg.outputs)):
        log.info("%s", line)
