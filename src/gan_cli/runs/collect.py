"""The runs that a report or a table is of, read from their directories."""

import shlex
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from gan_cli.config.differences import flatten
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.metrics import registry
from gan_cli.runs import directory as runs
from gan_cli.runs import sweeps

SPEED, TIME = "images_per_second", "seconds"
METRICS = (
    *(metric.name for metric in registry.METRICS),
    "d_loss", "g_loss", "value", "epoch", TIME, SPEED,
)  # fmt: skip
# What `gan evaluate` measures, and of which weights of G.
QUALITY, WEIGHTS = tuple(registry.DESCRIBED), ("raw", "ema")
EVALUATED = tuple(f"{name}_{weights}" for weights in WEIGHTS for name in QUALITY)
# Of these the least is the best where a run has a target.
TO_TARGET = ("epoch", TIME)
# V is the least where G has won, and no less than -log 4 against an optimal D.
LEAST_FIRST = (
    *TO_TARGET, "value",
    *(metric.name for metric in registry.METRICS if not metric.higher_is_better),
    *(
        f"{name}_{weights}"
        for name, metric in registry.DESCRIBED.items()
        for weights in WEIGHTS
        if metric.higher_is_better is False
    ),
)  # fmt: skip


class Job(NamedTuple):
    """A run, named in its sweep or by its path.

    `reason` is why it failed or was interrupted, where that is known. `settings` are those of its
    resolved config, `given` those of its command lines, as text. `command` trains it again, quoted
    for the shell. Each of `rows` is what was measured at its `step`. `evaluations` are the last of
    `gan evaluate`, by WEIGHTS. What failed before it was a run has none of these five.
    """

    name: str
    path: Path
    status: str
    reason: str | None
    settings: dict[str, Any]
    given: dict[str, str]
    command: str | None
    rows: list[dict[str, float]]
    evaluations: dict[str, dict[str, Any]]

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.settings["seed"])

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
        """The last value of each of METRICS that was measured, of speed the median; and the time.

        A run that missed its target has no time to it. Those of EVALUATED are here, too.
        """
        values = {metric: [row[metric] for row in self.rows if metric in row] for metric in METRICS}
        metrics = {metric: measured[-1] for metric, measured in values.items() if measured}
        if SPEED in metrics:
            metrics[SPEED], metrics[TIME] = statistics.median(values[SPEED]), self.seconds
        if self.missed:
            metrics = {metric: x for metric, x in metrics.items() if metric not in TO_TARGET}
        for weights, evaluation in self.evaluations.items():
            metrics |= {f"{name}_{weights}": x for name, x in evaluation["metrics"].items()}
        return metrics

    @property
    def criterion(self) -> registry.Metric:
        """The metric of the monitor's estimates, by which one is the best."""
        return registry.CRITERIA[self.settings.get("monitor.metric", "parzen")]

    @property
    def best(self) -> tuple[float, int] | None:
        """The best of the monitor's estimates, the first of equals, and its step."""
        name = self.criterion.name
        estimates = {row[name]: int(row["step"]) for row in reversed(self.rows) if name in row}
        return (best := self.criterion.best(*estimates), estimates[best]) if estimates else None

    @property
    def missed(self) -> str | None:
        """The target of a finished run that did not reach it, and how far it came."""
        target = self.settings.get("monitor.target")
        if self.status != "finished" or target is None or self.best is None:
            return None
        best, _ = self.best
        if self.criterion.best(best, float(target)) == best:
            return None
        return (
            f"monitor.target is {float(target):g}, and the best estimate was "
            f"{self.criterion.shown(best)}"
        )


def find(cfg: DictConfig) -> tuple[list[Job], list[str]]:
    """Return the jobs that there are, and the names of those that a sweep has yet to begin.

    Raises UserError where `cfg` names none, or a run's files can't be read.
    """
    sweep = sweeps.named()
    if (sweep is None) == (not cfg.runs):
        fault = "No runs are given" if sweep is None else "sweep and runs are both given"
        raise UserError(f"{fault}; say which runs: sweep=NAME, or runs=[DIRECTORY,...].")
    if sweep is None:
        given = [cfg.runs] if isinstance(cfg.runs, str) else cfg.runs
        paths = [runs.find(path, cfg.outputs, "runs").path for path in given]
        if len({path.resolve() for path in paths}) < len(paths):
            raise UserError(
                f"runs is {cfg.runs}, which has a run more than once; each counts once."
            )
        return [job_at(str(relative(path)), path) for path in paths], []
    named = Path(sweeps.directory(cfg.outputs, sweep))
    directory = named if named.is_dir() else Path(sweep)
    # Each job has a log, even one whose config could not be composed.
    names = {path.parent.name for path in directory.glob("*/train.log")}
    if not names:
        raise UserError(
            f"sweep is {sweep}, but neither {named} nor {sweep} holds the jobs of a sweep."
        )
    absent = sweeps.planned(directory) - names
    return [job_at(name, directory / name) for name in sorted(names)], sorted(absent)


def job_at(name: str, path: Path) -> Job:
    """Return what is known of the run, or of the job that became none, at `path`."""
    if not runs.Run.exists(path):
        reason = sweeps.failure(path)
        status = "failed" if reason else "interrupted"
        return Job(name, path, status, reason, {}, {}, None, [], {})
    run = runs.Run(path)
    # Each session adds to, or replaces, the settings of those before.
    overrides = sweeps.by_setting(
        override for session in run.sessions() for override in session.get("overrides", [])
    )
    overrides.pop("resume", None)
    given = {name: override.partition("=")[2] for name, override in overrides.items()}
    command = _command(run, overrides.values()) if run.sessions() else None
    settings = flatten(run.config())
    known = {weights: runs.read_json(run.quality_path(weights), dict) for weights in WEIGHTS}
    evaluations = {weights: content for weights, content in known.items() if content}
    return Job(
        name, path, run.status(), run.reason(), settings, given, command, run.rows(), evaluations
    )


def _command(run: runs.Run, overrides: Iterable[str]) -> str:
    own = [path for session in run.sessions() for path in session.get("config_dirs", ())]
    directories = [word for path in dict.fromkeys(own) for word in ("--config-dir", path)]
    return shlex.join(["gan", "train", *directories, *overrides])


def missing(jobs: Sequence[Job], absent: Sequence[str]) -> list[str]:
    """Return a line for each job that is not finished, and why, and for each that is not begun."""
    unfinished = [
        f"{job.name}: {job.status}" + (f": {job.reason}" if job.reason else "")
        for job in jobs
        if job.status != "finished"
    ]
    return [*unfinished, *(f"{name}: not begun" for name in absent)]
