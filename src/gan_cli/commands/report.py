"""`gan report`: what the runs of a sweep came to."""

import csv
import io
import logging
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_cli import runs, sweeps
from gan_cli.commands.build import relative
from gan_cli.errors import UserError
from gan_cli.evaluation.summary import Summary, summarise
from gan_cli.files import write_atomically

log = logging.getLogger(__name__)

# In which runs differ without being of different kinds.
NOT_KINDS = (
    "seed",
    "outputs",
    "resume",
    "data_dir",
    "dataset.data_dir",
    "device",
    "threads",
)
SPEED = "images_per_second"
METRICS = ("parzen_valid", "d_loss", "g_loss", "value", "spread", "coverage", SPEED)


class Job(NamedTuple):
    """A run: its settings, those told on the command line too, its status, and its METRICS.

    Of each metric that is the last value that was measured, of speed the median.
    """

    path: Path
    settings: dict[str, Any]
    status: str
    metrics: dict[str, float]


def run(cfg: DictConfig, out: Path) -> None:
    """Log the table, and write it to `out` as Markdown and, with every metric, as CSV."""
    jobs, absent = _find(cfg)
    finished = [job for job in jobs if job.status == "finished"]
    if not finished:
        raise UserError(
            f"None of the {len(jobs)} runs there is finished; `gan train` finishes them."
        )
    kinds = _kinds(finished)
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in finished:
        key = tuple(str(job.settings.get(name, "default")) for name in kinds)
        groups.setdefault(key, []).append(job)
    by_group = {key: _summaries(members) for key, members in groups.items()}

    def order(group: tuple[tuple[str, ...], dict[str, Summary]]) -> float:
        return -group[1][cfg.by].mean if cfg.by in group[1] else math.inf

    best_first = dict(sorted(by_group.items(), key=order))
    table = list(_table(kinds, best_first, cfg.by))
    others = [*_unfinished(jobs), *(f"{name}: not begun" for name in absent)]
    for line in [*table, *others]:
        log.info("%s", line)
    markdown = "\n".join([*table, "", *(f"- {line}" for line in others)]).rstrip() + "\n"
    write_atomically(out / "report.md", markdown.encode())
    write_atomically(out / "report.csv", _csv(kinds, best_first).encode())
    log.info("Results: %s and report.csv beside it.", relative(out / "report.md"))


def _summaries(jobs: Sequence[Job]) -> dict[str, Summary]:
    values = {
        metric: [job.metrics[metric] for job in jobs if metric in job.metrics] for metric in METRICS
    }
    return {metric: summarise(some) for metric, some in values.items() if some}


def _find(cfg: DictConfig) -> tuple[list[Job], list[str]]:
    """Return the jobs that there are, and the names of those that a sweep has yet to begin."""
    sweep = HydraConfig.get().runtime.choices["sweep"]
    if (sweep is None) == (not cfg.runs):
        raise UserError(
            f"sweep is {sweep} and runs is {cfg.runs}; one of them must say what to report: "
            "sweep=NAME, or runs=[DIRECTORY,...]."
        )
    if sweep is None:
        return [_job(runs.find(path, cfg.outputs, "runs").path) for path in cfg.runs], []
    named = Path(sweeps.directory(cfg.outputs, sweep))
    directory = named if named.is_dir() else Path(sweep)
    paths = sorted(path.parent for path in directory.glob("*/.hydra"))
    if not paths:
        raise UserError(
            f"sweep is {sweep}, but neither {named} nor {sweep} holds the jobs of a sweep."
        )
    planned = sweeps.planned(directory)
    return [_job(path) for path in paths], sorted(planned - {path.name for path in paths})


def _job(path: Path) -> Job:
    record = path / ".hydra/overrides.yaml"
    overrides: Any = OmegaConf.load(record) if record.is_file() else []
    told = dict(str(override).split("=", 1) for override in overrides)
    if not runs.Run.exists(path):
        return Job(path, told, sweeps.noted(path) or "interrupted", {})
    found = runs.Run(path)
    text = found.metrics_path.read_text() if found.metrics_path.is_file() else ""
    rows = list(csv.DictReader(text.splitlines()))
    try:
        values = {
            metric: [float(row[metric]) for row in rows if row.get(metric)] for metric in METRICS
        }
    except ValueError as error:
        raise UserError(f"{found.metrics_path} is damaged: {error}.") from error
    metrics = {metric: seen[-1] for metric, seen in values.items() if seen}
    if SPEED in metrics:
        metrics[SPEED] = statistics.median(values[SPEED])
    status = found.status()
    if status == "failed":
        status = sweeps.noted(path) or status
    return Job(path, {**told, **runs.flatten(found.config()), **told}, status, metrics)


def _kinds(jobs: Sequence[Job]) -> list[str]:
    """Return the settings in which runs differ but for the seed; of those that go together, one.

    What was told on the command line comes first.
    """
    names = list(dict.fromkeys(name for job in jobs for name in job.settings))
    kept: dict[str, list[int]] = {}
    for name in names:
        values = [str(job.settings.get(name, "default")) for job in jobs]
        pattern = [values.index(value) for value in values]
        different = any(pattern) and not runs.is_one_of(name, NOT_KINDS)
        if different and pattern not in kept.values():
            kept[name] = pattern
    return list(kept)


def _table(
    kinds: Sequence[str], summaries: Mapping[tuple[str, ...], dict[str, Summary]], by: str
) -> Iterator[str]:
    others = [metric for metric in METRICS if metric != by]
    heads = [*(kinds or ["runs"]), "n", f"{by}: mean +- SE", "median", "min", "max", *others]
    rows = []
    for key, metrics in summaries.items():
        first = metrics.get(by)
        if first is None:
            told = ["0", *[""] * 4]
        else:
            error = f" +- {first.standard_error:.2g}" if first.n > 1 else ""
            told = [str(first.n), f"{first.mean:.4g}{error}"]
            told += [f"{x:.4g}" for x in (first.median, first.least, first.most)]
        means = [f"{metrics[m].mean:.4g}" if m in metrics else "" for m in others]
        rows.append([*(key or ("all",)), *told, *means])
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(f"{c:<{w}}" for c, w in zip(cells, widths, strict=True)) + " |"

    yield line(heads)
    yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    yield from map(line, rows)


def _unfinished(jobs: Sequence[Job]) -> Iterator[str]:
    for job in jobs:
        if job.status != "finished":
            yield f"{job.path.name}: {job.status}"


def _csv(kinds: Sequence[str], summaries: Mapping[tuple[str, ...], dict[str, Summary]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*kinds, "metric", *Summary._fields])
    for key, metrics in summaries.items():
        for metric, summary in metrics.items():
            writer.writerow([*key, metric, *summary])
    return text.getvalue()
