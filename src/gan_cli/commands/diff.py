"""`gan diff A B`: the settings in which two runs differ."""

import logging
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.config.differences import flatten
from gan_cli.config.settings import CommandSettings
from gan_cli.files import relative
from gan_cli.runs.directory import find

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan diff`."""

    a: str
    b: str


def run(cfg: DictConfig, out: Path) -> None:  # noqa: ARG001
    """Log a line for each setting that differs, with the value of `cfg.a` and that of `cfg.b`."""
    runs = [find(cfg[name], cfg.outputs, name) for name in ("a", "b")]
    a, b = (flatten(run.config()) for run in runs)
    different = sorted(key for key in {*a, *b} if a.get(key, "absent") != b.get(key, "absent"))
    if not different:
        log.info("%s and %s have the same settings.", *(relative(run.path) for run in runs))
        return
    rows = [("setting", *(str(relative(run.path)) for run in runs))]
    rows += [(key, str(a.get(key, "absent")), str(b.get(key, "absent"))) for key in different]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        log.info("%s", line.rstrip())
