"""A sweep's report: as tables, as CSV, and as one page of HTML that needs nothing beside it."""

import base64
import csv
import io
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from gan_cli.figures.curves import AXES, STYLES, WIDTH, draw, over_seeds
from gan_cli.figures.grid import png
from gan_cli.figures.plot import render
from gan_cli.figures.quality import Point, draw_two_measures
from gan_cli.files import relative
from gan_cli.metrics.paired import ALPHA, can_differ, compare
from gan_cli.metrics.summary import Summary, summarise
from gan_cli.runs import directory as runs
from gan_cli.runs import sweeps
from gan_cli.runs.aggregate import Group, by_seed, different
from gan_cli.runs.collect import LEAST_FIRST, METRICS, QUALITY, WEIGHTS, Job
from gan_cli.runs.environment import git_commit

STATES = ("finished", "failed", "interrupted", "running", "not begun")


class Table(NamedTuple):
    """Column heads, and as many cells in each row; the first `labels` columns are no numbers."""

    title: str
    caption: str
    heads: list[str]
    rows: list[list[str]]
    labels: int


class Grid(NamedTuple):
    """The last grid of samples of a run, as a data URI."""

    seed: int
    step: int
    png: str


def tables(groups: Sequence[Group], by: str) -> list[Table]:
    """Return the results, by the metric `by`, and what else there is: pairs of seeds, evaluations.

    The groups are in order, the best first.
    """
    return [_results(groups, by), *_paired(groups, by), *_evaluations(groups)]


def _results(groups: Sequence[Group], by: str) -> Table:
    """Return a row per group: the summary of the metric `by`, and the means of others."""
    labels = list(groups[0].key) or ["runs"]
    measured = {metric for group in groups for metric in group.summaries}
    others = [metric for metric in METRICS if metric != by and metric in measured]
    rows = []
    for group in groups:
        cells = ["0", *[""] * 4]
        if by in group.summaries:
            n, _, _, *quantiles = group.summaries[by]
            cells = [str(n), _mean(group.summaries[by]), *(f"{x:.4g}" for x in quantiles)]
        means = [f"{group.summaries[m].mean:.4g}" if m in group.summaries else "" for m in others]
        rows.append([*(group.key.values() or ["all"]), *cells, *means])
    heads = [*labels, "n", f"{by}: mean +- SE", "median", "min", "max", *others]
    first = "least" if by in LEAST_FIRST else "most"
    caption = (
        f"The finished runs, over seeds, by {by}, the {first} first: n runs, their mean with its "
        "standard error, median, least and most; of the other metrics the means. Each is a run's "
        "last value, of speed its median."
    )
    return Table("Results", caption, heads, rows, len(labels))


def _paired(groups: Sequence[Group], by: str) -> Iterator[Table]:
    """Yield a row per group but the first, which is compared with it over the seeds of both."""
    best, *others = ((group, by_seed(group, by)) for group in groups)
    shared = [[best[1][s] - x for s, x in values.items() if s in best[1]] for _, values in others]
    if max(map(len, shared), default=0) < 2:
        return
    rows = [
        [*group.key.values(), *_compared(differences, by in LEAST_FIRST)]
        for (group, _), differences in zip(others, shared, strict=True)
    ]
    caption = (
        f"The best group, {best[0].title}, minus each other one, over the n seeds that both have: "
        "the Hodges-Lehmann estimate of the difference, its interval with the level that n seeds "
        "reach (95 % and more from n = 6), and the two-sided p of Wilcoxon's signed-rank test. It "
        f"is called better where p < {ALPHA}, which takes 6 seeds. No p is corrected for the "
        "number of groups, nor for the choice of the best by the same values."
    )
    heads = [*best[0].key, "n", f"{by}: difference", "interval", "level", "p", "conclusion"]
    yield Table("The best against the others", caption, heads, rows, len(best[0].key))


def _compared(differences: Sequence[float], least_first: bool) -> list[str]:
    """Return the cells that compare a group with the best one, less which it is."""
    if not differences:
        return ["0", "", "", "", "", "no seed in common"]
    found = compare(differences)
    if not can_differ(found.n):
        conclusion = "too few seeds to say"
    elif found.sign == 0:
        conclusion = "no difference shown"
    else:
        conclusion = "better" if (found.sign < 0) == least_first else "worse"
    return [
        str(found.n),
        f"{found.difference:.4g}",
        f"[{found.low:.4g}, {found.high:.4g}]",
        f"{100 * found.level:.3g} %",
        f"{found.p:.2g}",
        conclusion,
    ]


def _evaluations(groups: Sequence[Group]) -> Iterator[Table]:
    """Yield a row per group and weights, with what `gan evaluate` has measured of them."""
    found: list[tuple[Group, str, Mapping[str, Summary]]] = []
    for group in groups:
        for weights in WEIGHTS:
            names = {name: f"{name}_{weights}" for name in QUALITY}
            some = {k: group.summaries[v] for k, v in names.items() if v in group.summaries}
            if some:
                found.append((group, weights, some))
    metrics = [name for name in QUALITY if any(name in some for *_, some in found)]
    references = _references(groups)
    rows = [
        [
            *(group.key.values() or ["all"]),
            weights,
            str(max(summary.n for summary in some.values())),
            *(_mean(some[name]) if name in some else "" for name in metrics),
        ]
        for group, weights, some in found
    ]
    labels = list(groups[0].key) or ["runs"]
    rows += [
        [
            title,
            *[""] * (len(labels) + 1),
            *(f"{values[name]:.4g}" if name in values else "" for name in metrics),
        ]
        for title, values in references.items()
    ]
    if found:
        conditions = dict.fromkeys(
            evaluation["conditions"]
            for group in groups
            for job in group.jobs
            for evaluation in job.evaluations.values()
        )
        caption = (
            f"What gan evaluate last measured of n runs each, {'; '.join(conditions)}: the mean "
            "over runs with its standard error."
        )
        heads = [*labels, "weights", "n", *metrics]
        yield Table("Evaluations", caption, heads, rows, len(labels) + 1)


def _references(groups: Sequence[Group]) -> dict[str, dict[str, float]]:
    """Return what the last evaluation of any run measured of the references, by their titles."""
    found: dict[str, dict[str, float]] = {}
    for group in groups:
        for job in group.jobs:
            for evaluation in job.evaluations.values():
                for title, values in evaluation["references"].items():
                    found[title] = found.get(title, {}) | values
    return found


def two_measures(groups: Sequence[Group]) -> bytes | None:
    """Return log-likelihood against Fréchet distance as a PNG; None where nothing is evaluated."""
    points = {
        f"{group.title or 'all runs'}, {weights}": Point(
            group.summaries[f"frechet_{weights}"], group.summaries[f"parzen_{weights}"]
        )
        for group in groups
        for weights in WEIGHTS
        if f"frechet_{weights}" in group.summaries
    }
    if not points:
        return None
    references = {
        title: Point(summarise([values["frechet"]]), summarise([values["parzen"]]))
        for title, values in _references(groups).items()
    }
    return png(render(draw_two_measures(points, references)), {"command": " ".join(sys.argv)})


def _mean(summary: Summary) -> str:
    error = f" +- {summary.standard_error:.2g}" if summary.n > 1 else ""
    return f"{summary.mean:.4g}{error}"


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
    shown: Sequence[Table],
    remarks: Sequence[str],
    chart: bytes | None,
) -> str:
    """Return the page of `jobs` and of those not begun, with the tables of their groups.

    `chart` is of their `two_measures`, a PNG.

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
        tables=shown,
        remarks=remarks,
        chart=None if chart is None else _data_uri(chart),
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
    caption = "Every setting in which the finished runs differ; default: not given, or not there."
    return Table("Settings that differ", caption, ["run", *columns], rows, len(columns) + 1)
