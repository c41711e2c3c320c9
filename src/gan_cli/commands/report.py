"""`gan report`: what the runs of a sweep came to."""

import csv
import io
import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.config.settings import CommandSettings
from gan_cli.errors import UserError
from gan_cli.figures.page import Table
from gan_cli.files import relative, write_atomically
from gan_cli.metrics.summary import Summary
from gan_cli.runs.aggregate import Group, best_first, confounded, kinds, repeated
from gan_cli.runs.collect import METRICS, find, missing, untimed
from gan_cli.runs.report_page import html

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan report`."""

    runs: list[str]
    by: str


def run(cfg: DictConfig, out: Path) -> None:
    """Log the table, and write it to `out` as Markdown, with every metric as CSV, and as a page."""
    if cfg.by not in METRICS:
        raise UserError(f"by is {cfg.by}; it must be one of {', '.join(METRICS)}.")
    jobs, absent = find(cfg)
    finished = [job for job in jobs if job.status == "finished"]
    if not finished:
        raise UserError(
            f"None of the {len(jobs)} runs there is finished; `gan train` finishes them."
        )
    names = kinds(finished)
    groups = best_first(finished, names, cfg.by)
    mixed = confounded(finished, names)
    table = _table(names, {name for some in mixed for name in some}, groups, cfg.by)
    lines = list(_markdown(table))
    remarks = [*missing(jobs, absent), *untimed(jobs), *repeated(groups)]
    remarks += [
        f"{' and '.join(some)} are confounded: they differ together in all runs, so which of them "
        "makes a difference can't be seen here"
        for some in mixed
    ]
    for line in [*lines, *remarks]:
        log.info("%s", line)
    markdown = "\n".join([*lines, "", *(f"- {line}" for line in remarks)]).rstrip() + "\n"
    write_atomically(out / "report.md", markdown.encode())
    write_atomically(out / "report.csv", _csv(names, groups).encode())
    page = html(cfg, jobs, absent, names, groups, table, remarks)
    write_atomically(out / "report.html", page.encode())
    log.info(
        "Results: %s, with curves and samples, and report.md and report.csv beside it.",
        relative(out / "report.html"),
    )


def _table(names: Sequence[str], mixed: Collection[str], groups: Sequence[Group], by: str) -> Table:
    others = [metric for metric in METRICS if metric != by]
    labels = [f"{name} (confounded)" if name in mixed else name for name in names] or ["runs"]
    heads = [*labels, "n", f"{by}: mean +- SE", "median", "min", "max", *others]
    rows = []
    for key, _, metrics in groups:
        first = metrics.get(by)
        if first is None:
            cells = ["0", *[""] * 4]
        else:
            error = f" +- {first.standard_error:.2g}" if first.n > 1 else ""
            cells = [str(first.n), f"{first.mean:.4g}{error}"]
            cells += [f"{x:.4g}" for x in (first.median, first.least, first.most)]
        means = [f"{metrics[m].mean:.4g}" if m in metrics else "" for m in others]
        rows.append([*(key or ("all",)), *cells, *means])
    return Table(heads, rows, len(labels))


def _markdown(table: Table) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(f"{c:<{w}}" for c, w in zip(cells, widths, strict=True)) + " |"

    yield line(table.heads)
    yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    yield from map(line, table.rows)


def _csv(names: Sequence[str], groups: Sequence[Group]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*names, "metric", *Summary._fields])
    for key, _, metrics in groups:
        for metric, summary in metrics.items():
            writer.writerow([*key, metric, *summary])
    return text.getvalue()
