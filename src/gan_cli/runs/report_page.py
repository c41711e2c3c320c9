"""What the page of a report shows of its runs."""

import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.figures.curves import AXES, STYLES, draw, over_seeds
from gan_cli.figures.page import Chart, Grid, Page, Rerun, Row, Table, render, within
from gan_cli.files import relative
from gan_cli.runs import directory as runs
from gan_cli.runs import sweeps
from gan_cli.runs.aggregate import Group, different
from gan_cli.runs.collect import LEAST_FIRST, Job
from gan_cli.runs.environment import git_commit

STATES = ("finished", "failed", "interrupted", "running", "not begun")
# Bytes of samples in a page; base64 adds a third.
SAMPLES = 6_000_000


def html(
    cfg: DictConfig,
    jobs: Sequence[Job],
    absent: Sequence[str],
    names: Sequence[str],
    groups: Sequence[Group],
    table: Table,
    remarks: Sequence[str],
) -> str:
    """Return the page of `jobs` and of those not begun; groups differ by the settings `names`.

    `remarks` say what is not in the table, or not as the others are, and why.
    """
    titles = [
        ", ".join(f"{name}={value}" for name, value in zip(names, group.key, strict=True)) or "all"
        for group in groups
    ]
    rows = [
        Row(title, list(_grids(group.jobs))) for title, group in zip(titles, groups, strict=True)
    ]
    samples, left_out = within(SAMPLES, rows)
    finished = [job for group in groups for job in group.jobs]
    unfinished = [job for job in jobs if job.status != "finished"]
    sweep = sweeps.named()
    what = Path(sweep).resolve().name if sweep else f"{len(jobs)} runs"
    return render(
        Page(
            title=f"gan report: {what}",
            facts=_facts(jobs, absent),
            ordered_by=cfg.by,
            first="least" if cfg.by in LEAST_FIRST else "most",
            table=table,
            remarks=list(remarks),
            charts=list(_charts(groups[: len(STYLES)])),
            drawn=titles[: len(STYLES)],
            groups=len(groups),
            samples=samples,
            left_out=left_out,
            settings=_settings(finished),
            reruns=[Rerun(job.name, job.status, job.command) for job in [*finished, *unfinished]],
        )
    )


def _facts(jobs: Sequence[Job], absent: Sequence[str]) -> list[tuple[str, str]]:
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


def _charts(groups: Sequence[Group]) -> Iterator[Chart]:
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
            yield Chart(axis.title, draw(axis, curves))


def _grids(jobs: Sequence[Job]) -> Iterator[Grid]:
    for job in jobs:
        last = runs.Run(job.path).last_grid()
        if last is not None:
            step, path = last
            yield Grid(int(job.settings["seed"]), step, path.read_bytes())


def _settings(jobs: Sequence[Job]) -> Table:
    """Return a row per run, with all the settings in which they differ."""
    columns = different(jobs)
    rows = [
        [job.name, *values]
        for job, *values in zip(jobs, *columns.values(), strict=True)
    ]  # fmt: skip
    return Table(["run", *columns], rows if columns else [], len(columns) + 1)
