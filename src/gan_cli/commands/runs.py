"""`gan runs`: the runs there are, what each was given and how far it came."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.config.settings import CommandSettings
from gan_cli.errors import UserError
from gan_cli.ranges import Count
from gan_cli.runs.collect import Job, job_at
from gan_cli.runs.directory import Run, below
from gan_cli.runs.overview import given

log = logging.getLogger(__name__)

HEADS = ("run", "data", "settings given", "step", "status", "best estimate", "age")


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
    rows = [HEADS, *(_row(one, Path(cfg.outputs)) for one in runs[-(cfg.n or 0) :])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        log.info("%s", line.rstrip())


def _row(run: Run, outputs: Path) -> tuple[str, ...]:
    name = str(run.path.relative_to(outputs))
    age = _age(time.time() - run.last_written())
    try:
        job = job_at(name, run.path)
    except UserError:
        return name, "", "", "", "unreadable", "", age
    return (
        name,
        _data(job),
        given(job, without=["dataset"]),
        f"{max([run.step(), *(row['step'] for row in job.rows[-1:])]):.0f}",
        job.status,
        job.criterion.shown(job.best[0]) if job.best else "",
        age,
    )


def _data(job: Job) -> str:
    settings = job.settings
    return str(settings.get("dataset.name") or settings["dataset._target_"].rpartition(".")[2])


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
