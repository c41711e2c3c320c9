"""`gan report`: what the runs of a sweep came to."""

import logging
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.config.settings import CommandSettings
from gan_cli.errors import UserError
from gan_cli.files import relative, write_atomically
from gan_cli.runs.aggregate import best_first, remarks
from gan_cli.runs.collect import METRICS, find
from gan_cli.runs.report import every_metric, html, markdown, results

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan report`."""

    runs: str | list[str]
    by: str


def run(cfg: DictConfig, out: Path) -> None:
    """Log the table, and write it to `out` as Markdown, with every metric as CSV, and as a page."""
    if cfg.by not in METRICS:
        raise UserError(f"by is {cfg.by}; it must be one of {', '.join(METRICS)}.")
    jobs, absent = find(cfg)
    finished = [job for job in jobs if job.status == "finished"]
    if not finished:
        raise UserError(
            f"None of the {len(jobs)} runs there is finished; `gan train resume=...` finishes one."
        )
    groups = best_first(finished, cfg.by)
    table, limits = results(groups, cfg.by), remarks(jobs, absent, groups)
    lines = list(markdown(table))
    for line in [*lines, *limits]:
        log.info("%s", line)
    text = "\n".join([*lines, "", *(f"- {line}" for line in limits)]).rstrip() + "\n"
    write_atomically(out / "report.md", text.encode())
    write_atomically(out / "report.csv", every_metric(groups).encode())
    page = html(jobs, absent, groups, table, limits, cfg.by)
    write_atomically(out / "report.html", page.encode())
    log.info(
        "Results: %s, with curves and samples, and report.md and report.csv beside it.",
        relative(out / "report.html"),
    )
