"""A run at a glance: its curves, its samples while it trained, its settings, what to do next."""

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from gan_cli.figures.grid import Picture, save_animation, save_png
from gan_cli.figures.titles import side_by_side
from gan_cli.files import relative
from gan_cli.runs.collect import Job
from gan_cli.runs.directory import Run

# An animation of more frames says no more; of more pixels it takes seconds and much memory.
FRAMES = 60
PIXELS = 50_000_000


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
