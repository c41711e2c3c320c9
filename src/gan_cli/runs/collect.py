"""The runs that a report is of, from their directories."""

import math
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from gan_cli.config.differences import flatten
from gan_cli.errors import UserError
from gan_cli.files import HYDRA, relative
from gan_cli.metrics import registry
from gan_cli.runs import directory as runs
from gan_cli.runs import sweeps
from gan_cli.training.trainer import BEST_BY

SPEED, TIME = "images_per_second", "seconds"
_MONITORED = {metric.name: metric for metric in registry.METRICS}
METRICS = (*_MONITORED, "d_loss", "g_loss", "value", "epoch", TIME, SPEED)
# Of these the least is the best where a run has a target.
TO_TARGET = ("epoch", TIME)
# V is the least where G has won, and no less than -log 4 against a D that knows all.
LEAST_FIRST = (
    *TO_TARGET, "value",
    *(name for name, metric in _MONITORED.items() if not metric.higher_is_better),
)  # fmt: skip


class Job(NamedTuple):
    """A run, named in its sweep or by its path.

    `settings` has those `given` on the command line too, and of these `options` are the groups'.
    `reason` says why it failed or was interrupted, where that is known; `command` starts it anew,
    quoted for the shell, where Hydra recorded what it was. A row has what was
    measured at its `step`.
    """

    name: str
    path: Path
    settings: dict[str, Any]
    command: str | None
    status: str
    reason: str | None
    rows: list[dict[str, float]]
    options: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()

    @property
    def outcome(self) -> str:
        """The status, with the reason where there is one."""
        return f"{self.status}: {self.reason}" if self.reason else self.status

    @property
    def seconds(self) -> float:
        """How long training took, from its first step to its last row."""
        m, k = int(self.settings["schedule.batch_size"]), int(self.settings["schedule.k"])
        minibatches = 1 if self.settings["schedule.updates"] == "simultaneous" else k
        steps = [row["step"] for row in self.rows]
        images = [m * minibatches * (b - a) for a, b in zip([0.0, *steps], steps, strict=False)]
        # A last row may have been cut off before its speed.
        return sum(n / row[SPEED] for n, row in zip(images, self.rows, strict=True) if SPEED in row)

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric that was measured, of speed the median; and the time.

        A run that missed its target has no time to it.
        """
        values = {metric: [row[metric] for row in self.rows if metric in row] for metric in METRICS}
        metrics = {metric: seen[-1] for metric, seen in values.items() if seen}
        if SPEED in metrics:
            metrics[SPEED], metrics[TIME] = statistics.median(values[SPEED]), self.seconds
        if self.missed:
            metrics = {metric: x for metric, x in metrics.items() if metric not in TO_TARGET}
        return metrics

    @property
    def missed(self) -> str | None:
        """What a finished run's target was and how far it came, where that was not as far."""
        target = self.settings.get("monitor.target")
        best = max((row[BEST_BY] for row in self.rows if BEST_BY in row), default=-math.inf)
        if self.status != "finished" or target is None or best >= float(target):
            return None
        return f"monitor.target is {float(target):g}, and the best estimate was {best:.1f}"


def find(cfg: DictConfig) -> tuple[list[Job], list[str]]:
    """Return the jobs that there are, and the names of those that a sweep has yet to begin.

    Raises UserError where `cfg` names none, or a run's files can't be read.
    """
    sweep = sweeps.named()
    if (sweep is None) == (not cfg.runs):
        raise UserError(
            f"sweep is {sweep} and runs is {cfg.runs}; one of them must say what to report: "
            "sweep=NAME, or runs=[DIRECTORY,...]."
        )
    if sweep is None:
        found = [runs.find(path, cfg.outputs, "runs").path for path in cfg.runs]
        real = [path.resolve() for path in found]
        if again := [path for path in found if real.count(path.resolve()) > 1]:
            raise UserError(f"runs has {again[0]} more than once; each counts as one run.")
        return [_job(str(relative(path)), path) for path in found], []
    named = Path(sweeps.directory(cfg.outputs, sweep))
    directory = named if named.is_dir() else Path(sweep)
    names = {path.parent.name for path in directory.glob("*/.hydra")}
    planned = sweeps.planned(directory)
    # What could not even be composed has a word in the sweep's log, and no record of Hydra's.
    names |= {name for name in planned if sweeps.noted(directory / name)}
    if not names:
        raise UserError(
            f"sweep is {sweep}, but neither {named} nor {sweep} holds the jobs of a sweep."
        )
    return [_job(name, directory / name) for name in sorted(names)], sorted(planned - names)


def _job(name: str, path: Path) -> Job:
    overrides = _overrides(path)
    given_settings = {key: override.partition("=")[2] for key, override in overrides.items()}
    command = _command(path, list(overrides.values()))
    noted = sweeps.noted(path) or ""
    reason = noted.removeprefix("failed: ") if noted.startswith("failed: ") else None
    if not runs.Run.exists(path):
        return Job(
            name, path, given_settings, command, "failed" if reason else "interrupted", reason, []
        )
    found = runs.Run(path)
    status = found.status()
    if status != "failed" or reason is None:
        reason = found.reason()
    # First what was given; what that stands for, the run's own config has resolved.
    resolved = flatten(found.config())
    settings, options = (
        {**given_settings, **resolved},
        frozenset(given_settings.keys() - resolved.keys()),
    )
    given = frozenset(given_settings)
    return Job(name, path, settings, command, status, reason, found.rows(), options, given)


def _overrides(path: Path) -> dict[str, str]:
    """Return the overrides that made a run what it is, by the settings that they are for.

    Those that it was begun with, and what each later session added; of what has not begun, those
    that Hydra recorded.
    """
    sessions = runs.Run(path).sessions() if runs.Run.exists(path) else []
    given = [session["overrides"] for session in sessions if "overrides" in session]
    merged: dict[str, str] = {}
    for overrides in given or [list(_recorded(path / HYDRA / "overrides.yaml"))]:
        new = {override.partition("=")[0].lstrip("+"): override for override in overrides}
        # An experiment takes the place of all that the run's own config was.
        merged = new if "experiment" in new else {**merged, **new}
    merged.pop("resume", None)
    return merged


def _command(path: Path, overrides: list[str]) -> str | None:
    record = _recorded(path / HYDRA / "hydra.yaml")
    sources = OmegaConf.select(record, "hydra.runtime.config_sources")
    if sources is None:
        return None
    own = [source.path for source in sources if source.provider == "command-line"]
    return shlex.join(
        ["gan", "train", *(word for path in own for word in ("--config-dir", path)), *overrides]
    )


def _recorded(path: Path) -> Any:
    """Return one of Hydra's records, empty where it is not there or not whole."""
    try:
        return OmegaConf.load(path)
    except Exception:  # whatever a damaged file makes of the parsers
        return OmegaConf.create()


def missing(jobs: Sequence[Job], absent: Sequence[str]) -> list[str]:
    """Return a line for each job that is not finished, and why, and for each that is not begun."""
    unfinished = [f"{job.name}: {job.outcome}" for job in jobs if job.status != "finished"]
    return [*unfinished, *(f"{name}: not begun" for name in absent)]


def untimed(jobs: Sequence[Job]) -> list[str]:
    """Return a line for each job that has no time to its target, since it missed it."""
    without = " and ".join(TO_TARGET)
    return [f"{job.name}, as to {without}: {job.missed}" for job in jobs if job.missed]
