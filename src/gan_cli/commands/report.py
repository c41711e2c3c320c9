"""`gan report`: what the runs of a sweep came to."""

import logging
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.config.settings import CommandSettings
from gan_cli.errors import UserError
from gan_cli.files import relative, write_atomically
from gan_cli.runs.aggregate import best_first, remarks
from gan_cli.runs.collect import EVALUATED, METRICS, find
from gan_cli.runs.report import every_metric, html, markdown, tables, two_measures

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan report`."""

    runs: str | list[str]
    by: str


def run(cfg: DictConfig, out: Path) -> None:
    """Log the tables, and write them to `out` as Markdown, every metric as CSV, and a page."""
    if cfg.by not in (*METRICS, *EVALUATED):
        raise UserError(
            f"by is {cfg.by}; it must be one of {', '.join(METRICS)}, or a metric of gan evaluate "
            "with its weights, as in frechet_raw and frechet_ema."
        )
    jobs, absent = find(cfg)
    finished = [job for job in jobs if job.status == "finished"]
    if not finished:
        raise UserError(
            f"None of the {len(jobs)} runs there is finished; `gan train resume=...` finishes one."
        )
    groups = best_first(finished, cfg.by)
    if cfg.by in EVALUATED and not any(cfg.by in group.summaries for group in groups):
        raise UserError(
            f"by is {cfg.by}, which no finished run has; gan evaluate 'runs=[DIRECTORY,...]' "
            "measures it."
        )
    shown, limits = tables(groups, cfg.by), remarks(jobs, absent, groups)
    results, *others = shown
    lines = list(markdown(results))
    for table in others:
        lines += ["", table.caption, "", *markdown(table)]
    for line in [*lines, *limits]:
        log.info("%s", line)
    text = "\n".join([*lines, "", *(f"- {line}" for line in limits)]).rstrip() + "\n"
    write_atomically(out / "report.md", text.encode())
    write_atomically(out / "report.csv", every_metric(groups).encode())
    chart = two_measures(groups)
    if chart is not None:
        write_atomically(out / "two_measures.png", chart)
    page = html(jobs, absent, groups, shown, limits, chart)
    write_atomically(out / "report.html", page.encode())
    log.info(
        "Results: %s, with curves and samples, and report.md and report.csv beside it.",
        relative(out / "report.html"),
    )
