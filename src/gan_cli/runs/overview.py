"""A run at a glance: its curves, its samples while it trained, its settings, what to do next."""

import logging
import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gan_cli.errors import UserError
from gan_cli.figures.grid import Picture, save_animation, save_png
from gan_cli.figures.titles import side_by_side
from gan_cli.files import relative
from gan_cli.runs.collect import Job, job_at
from gan_cli.runs.directory import Run

log = logging.getLogger(__name__)

# An animation of more frames says no more; of more pixels it takes seconds and much memory.
FRAMES = 60
PIXELS = 50_000_000

HEADS = ("run", "data", "settings given", "step", "status", "best estimate", "age")


def table(runs: Sequence[Run], outputs: Path) -> list[str]:
    """Return a line for each run, named by its path below `outputs`, under HEADS."""
    rows = [HEADS, *(_row(run, str(run.path.relative_to(outputs))) for run in runs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(run: Run, name: str) -> tuple[str, ...]:
    age = _age(time.time() - run.last_written())
    try:
        job = job_at(name, run.path)
    except UserError:
        return name, "", "", "", "unreadable", "", age
    data = job.settings.get("dataset.name") or job.settings["dataset._target_"].rpartition(".")[2]
    step = max([run.step(), *(row["step"] for row in job.rows[-1:])])
    given_to = given(job, without=["dataset"])
    score = "" if job.best is None else job.criterion.shown(job.best[0])
    return name, str(data), given_to, f"{step:.0f}", job.status, score, age


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def draw(run: Run, out: Path) -> dict[str, Path]:
    """Write the run's curves, and its grids as an animation, to `out`; return what there is to see.

    Those are files by what they show, the last grid among them. A single row makes no curves, and a
    single grid no animation. Raises UserError or OSError for files that can't be written or read.
    """
    # Imported here: a third of a second, which nobody should wait for before a run begins.
    from gan_cli.figures.curves import draw_run
    from gan_cli.figures.plot import render

    shown, rows, grids = {}, run.rows(), run.grids()
    if len(rows) > 1:
        shown["Curves"] = out / "curves.png"
        origin = {"run": relative(run.path), "step": int(rows[-1]["step"])}
        save_png(shown["Curves"], render(draw_run(rows)), origin)
    if len(frames := _frames(grids)) > 1:
        shown["Samples while it trained"] = out / "samples.webp"
        save_animation(shown["Samples while it trained"], frames)
    if grids:
        shown["The last grid"] = grids[max(grids)]
    return shown


def show_finished(run: Run) -> None:
    """Draw a run that has finished, into it, and log its settings and what to do next."""
    try:
        shown = draw(run, run.path)
    except (OSError, UserError) as error:
        log.warning("The run is whole, but no pictures can be drawn of it: %s", error)
    else:
        names = ", ".join(str(path.relative_to(run.path)) for path in shown.values())
        log.info("Pictures in it: %s", names or "none")
    job = job_at(str(run.path), run.path)
    log.info("Settings given (all others are the defaults): %s", given(job) or "none")
    for command in next_commands(job):
        log.info("  %s", command)


def given(job: Job, without: Collection[str] = ()) -> str:
    """Return the settings of the run's command lines, by which it differs from the defaults."""
    omitted = ("outputs", *without)
    return " ".join(f"{key}={value}" for key, value in job.given.items() if key not in omitted)


def next_commands(job: Job) -> list[str]:
    """Return the commands, quoted for the shell, that resume, sample and evaluate the run."""
    where = relative(job.path)
    longer = _longer(job) if job.status == "finished" else []
    return [
        shlex.join(["gan", "train", f"resume={where}", *longer]),
        *(shlex.join(["gan", use, f"run={where}"]) for use in ("sample", "eval-parzen")),
    ]


def _longer(job: Job) -> list[str]:
    """Return settings that make a finished run twice as long: it has nothing to resume for else."""
    steps = job.settings["schedule.steps"] is not None
    length = "schedule.steps" if steps else "schedule.epochs"
    settings = [f"{length}={2 * job.settings[length]:g}"]
    if job.settings["monitor.target"] is not None and not job.missed:
        settings.append("monitor.target=null")
    return settings


def _frames(grids: Mapping[int, Path]) -> list[Picture]:
    """Return grids with their steps at even distances, the last among them.

    They are FRAMES, and PIXELS in all, at most.
    """
    if not grids:
        return []
    steps = sorted(grids)
    with Image.open(grids[steps[-1]]) as image:
        n = min(len(steps), FRAMES, PIXELS // (image.width * image.height))
    chosen = np.linspace(len(steps) - 1, 0, n).round().astype(int)[::-1]
    return [_frame(steps[i], grids[steps[i]]) for i in chosen]


def _frame(step: int, path: Path) -> Picture:
    with Image.open(path) as image:
        return side_by_side({f"step {step}": np.array(image.convert("RGB"))})
