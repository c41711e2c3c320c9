"""A sweep's report: as a table, as CSV, and as one page of HTML that needs nothing beside it."""

import base64
import csv
import io
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from gan_cli.figures.curves import AXES, STYLES, WIDTH, draw, over_seeds
from gan_cli.files import relative
from gan_cli.metrics.summary import Summary
from gan_cli.runs import directory as runs
from gan_cli.runs import sweeps
from gan_cli.runs.aggregate import Group, different
from gan_cli.runs.collect import LEAST_FIRST, METRICS, Job
from gan_cli.runs.environment import git_commit

STATES = ("finished", "failed", "interrupted", "running", "not begun")


class Table(NamedTuple):
    """Column heads, and as many cells in each row; the first `labels` columns are no numbers."""

    heads: list[str]
    rows: list[list[str]]
    labels: int


class Grid(NamedTuple):
    """The last grid of samples of a run, as a data URI."""

    seed: int
    step: int
    png: str


def results(groups: Sequence[Group], by: str) -> Table:
    """Return a row per group: the summary of the metric `by`, and the means of all others."""
    labels = list(groups[0].key) or ["runs"]
    others = [metric for metric in METRICS if metric != by]
    rows = []
    for group in groups:
        cells = ["0", *[""] * 4]
        if by in group.summaries:
            n, mean, error, *quantiles = group.summaries[by]
            shown = f"{mean:.4g} +- {error:.2g}" if n > 1 else f"{mean:.4g}"
            cells = [str(n), shown, *(f"{x:.4g}" for x in quantiles)]
        means = [f"{group.summaries[m].mean:.4g}" if m in group.summaries else "" for m in others]
        rows.append([*(group.key.values() or ["all"]), *cells, *means])
    heads = [*labels, "n", f"{by}: mean +- SE", "median", "min", "max", *others]
    return Table(heads, rows, len(labels))


def markdown(table: Table) -> Iterator[str]:
    """Yield the lines of a table, aligned."""
    widths = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(f"{c:<{w}}" for c, w in zip(cells, widths, strict=True)) + " |"

    yield line(table.heads)
    yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    yield from map(line, table.rows)


def every_metric(groups: Sequence[Group]) -> str:
    """Return CSV with a row for each metric of each group."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*groups[0].key, "metric", *Summary._fields])
    for group in groups:
        for metric, summary in group.summaries.items():
            writer.writerow([*group.key.values(), metric, *summary])
    return text.getvalue()


def html(
    jobs: Sequence[Job],
    absent: Sequence[str],
    groups: Sequence[Group],
    table: Table,
    remarks: Sequence[str],
    by: str,
) -> str:
    """Return the page of `jobs` and of those not begun, with the `results` of groups by a metric.

    The charts have the best groups, as many as there are STYLES.
    """
    sweep = sweeps.named()
    what = Path(sweep).resolve().name if sweep else f"{len(jobs)} runs"
    finished = [job for group in groups for job in group.jobs]
    unfinished = [job for job in jobs if job.status != "finished"]
    environment = Environment(
        loader=PackageLoader("gan_cli.figures", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html").render(
        title=f"gan report: {what}",
        facts=_facts(jobs, absent),
        by=by,
        first="least" if by in LEAST_FIRST else "most",
        table=table,
        remarks=remarks,
        charts=list(_charts(groups[: len(STYLES)])),
        legend=list(zip(groups, STYLES, strict=False)),
        width=WIDTH,
        groups=groups,
        samples=[(group.title, list(_grids(group.jobs))) for group in groups],
        settings=_settings(finished),
        reruns=[job for job in [*finished, *unfinished] if job.command],
    )


def _facts(jobs: Sequence[Job], absent: Sequence[str]) -> list[tuple[str, str]]:
    """Return what is reported, when and by what, as name and text."""
    parents = dict.fromkeys(str(relative(job.path.parent)) for job in jobs)
    states = Counter([*(job.status for job in jobs), *("not begun" for _ in absent)])
    commit = git_commit()
    return [
        ("Runs in", ", ".join(parents)),
        ("Runs", ", ".join(f"{states[s]} {s}" for s in STATES if states[s])),
        ("Time", datetime.now().astimezone().isoformat(" ", "seconds")),
        ("Version", f"gan {version('gan-cli')}" + (f", commit {commit}" if commit else "")),
        # The first word is the command's name, of which a part is `gan`.
        ("Command", f"{sys.argv[0]} {shlex.join(sys.argv[1:])}"),
    ]


def _charts(groups: Sequence[Group]) -> Iterator[tuple[str, str]]:
    """Yield the title of each chart that has a curve, and its data URI."""
    for metric, axis in AXES.items():
        curves = {}
        for number, group in enumerate(groups):
            seeds = [
                {int(row["step"]): (row["epoch"], row[metric]) for row in job.rows if metric in row}
                for job in group.jobs
            ]
            if measured := [seed for seed in seeds if seed]:
                curves[number] = over_seeds(measured)
        if curves:
            yield axis.title, _data_uri(draw(axis, curves))


def _grids(jobs: Sequence[Job]) -> Iterator[Grid]:
    for job in jobs:
        for step, path in list(runs.Run(job.path).grids().items())[-1:]:
            yield Grid(job.seed, step, _data_uri(path.read_bytes()))


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _settings(jobs: Sequence[Job]) -> Table:
    """Return a row per run, with all the settings in which they differ."""
    columns = different(jobs)
    names = [job.name for job in jobs]
    rows = [list(row) for row in zip(names, *columns.values(), strict=True)] if columns else []
    return Table(["run", *columns], rows, len(columns) + 1)
