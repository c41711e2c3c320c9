"""What one sees of a run while it trains: terminal, log file, metrics.csv, TensorBoard."""

import codecs
import csv
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from annotated_types import Interval
from tqdm import tqdm

from gan_cli.errors import UserError
from gan_cli.figures.grid import Picture, save_png
from gan_cli.files import printable, write_atomically
from gan_cli.game.updates import TRAINING_METRICS
from gan_cli.metrics import registry
from gan_cli.ranges import Count
from gan_cli.training.monitor import DIVERSITY

log = logging.getLogger(__name__)

COLUMNS = (
    "step", "epoch", *TRAINING_METRICS, "learning_rate", "momentum", "images_per_second",
    *(metric.name for metric in registry.METRICS),
)  # fmt: skip
# V, at most 0, is above it where D recognises almost every generated image.
NEAR_ZERO = -0.2
# Where TensorBoard shows what is not of the game itself.
SECTIONS = {
    **dict.fromkeys(("learning_rate", "momentum"), "optimizer/"),
    "images_per_second": "speed/",
    **dict.fromkeys(DIVERSITY, "diversity/"),
}


@dataclass
class LogSettings:
    """When to log, and how many samples a grid has."""

    every_steps: Count
    grid_every_steps: Count
    grid: Annotated[int, Interval(ge=1, le=10_000)]


class MetricLogger:
    """Writes rows of metrics and grids of samples.

    `csv_path` gets a row with COLUMNS each time, those after `step` being dropped first, where a
    run is resumed; `tensorboard` is a directory for the scalars and grids. A grid is also written
    to `grid_path(step)`, with `origin` as its metadata. `settings` are what the run is known by in
    TensorBoard's table of hyperparameters. A row is due every `every` of all `steps`, and
    a grid every `grid_every`.
    """

    def __init__(
        self,
        csv_path: Path,
        tensorboard: Path,
        grid_path: Callable[[int], Path],
        origin: Mapping[str, object],
        settings: Mapping[str, bool | float | str],
        every: int,
        grid_every: int,
        step: int,
        steps: int,
    ) -> None:
        # Imported here: commands that train nothing need not wait for it.
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        self.every, self.grid_every, self._first = every, grid_every, step
        self._grid_path, self._origin = grid_path, origin
        truncate(csv_path, step)
        # Line buffered: a row is on its way to the disk as soon as it is whole.
        self._file = csv_path.open("a", newline="", buffering=1)
        self._csv = csv.DictWriter(self._file, COLUMNS)
        if csv_path.stat().st_size == 0:
            self._csv.writeheader()

        first = not tensorboard.exists()
        self._tensorboard = SummaryWriter(os.path.relpath(tensorboard), purge_step=step + 1)
        if first:
            # Without the message that says which settings there are TensorBoard gathers them from
            # all runs: it would believe one run's.
            text = {k: printable(v) if isinstance(v, str) else v for k, v in settings.items()}
            _, started, _ = hparams(text, {})
            self._tensorboard._get_file_writer().add_summary(started)

        # Those who start a daemon may have closed it.
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._bar = tqdm(
            total=steps, initial=step, disable=not self._terminal, dynamic_ncols=True,
            bar_format="{percentage:3.0f}%|{bar}| {n}/{total} [{elapsed}<{remaining}{postfix}]",
        )  # fmt: skip
        self._images, self._began = 0, time.perf_counter()
        self._since = self._began
        self._rate: float | None = None
        self._explained, self._estimate = False, ""

    def advance(self, images: int) -> None:
        """Count an iteration, which took so many training images."""
        self._images += images
        self._bar.update()

    def row(self, values: Mapping[str, float]) -> None:
        """Write a row: all COLUMNS but images_per_second, which is that of the last whole interval.

        Before the first whole one it is that of the time so far. A value of NaN was not measured,
        and is left out. A line is logged at the end of each interval, with the last estimate.
        """
        now = time.perf_counter()
        rate = self._images / (now - self._since)
        if values["step"] % self.every == 0:
            self._rate, self._images, self._since = rate, 0, now
        values = {**values, "images_per_second": self._rate or rate}
        values = {k: v for k, v in values.items() if not math.isnan(v)}

        self._csv.writerow({k: v if isinstance(v, int) else f"{v:.7g}" for k, v in values.items()})

        for name in COLUMNS[2:]:
            if name in values:
                tag = SECTIONS.get(name, "game/") + name
                self._tensorboard.add_scalar(tag, values[name], values["step"])
        # V at the game's solution, to see the curve against.
        self._tensorboard.add_scalar("game/value_at_equilibrium", -math.log(4), values["step"])

        criteria = [metric for metric in registry.CRITERIA.values() if metric.name in values]
        if criteria:
            self._estimate = "  " + ", ".join(one.shown(values[one.name]) for one in criteria)
        line = (
            f"epoch {values['epoch']:.1f}  step {values['step']}/{self._bar.total}  "
            f"D loss {values['d_loss']:.3f}  G loss {values['g_loss']:.3f}  "
            f"V {values['value']:.3f}  {values['images_per_second']:.0f} images/s  "
            f"{tqdm.format_interval(now - self._began)}<{self._remaining(values['step'], now)}"
            f"{self._estimate}"
        )
        if values["value"] > NEAR_ZERO and not self._explained:
            self._explained = True
            log.info(
                "V is %.3f, near 0, its upper bound: D recognises almost every generated image. In "
                "the first epochs that is usual, and G catches up; if V stays there, lower "
                "optimizer.discriminator.lr.", values["value"],
            )  # fmt: skip
        if values["step"] % self.every == 0 or values["step"] == self._bar.total:
            log.log(logging.DEBUG if self._terminal else logging.INFO, "%s", line)
        self._bar.set_postfix_str(
            f"epoch {values['epoch']:.1f} D {values['d_loss']:.2f} G {values['g_loss']:.2f} "
            f"V {values['value']:.2f} {values['images_per_second']:.0f}/s"
        )

    def _remaining(self, step: float, now: float) -> str:
        """Return how long the rest takes at the speed of this session so far."""
        done, left = step - self._first, self._bar.total - step
        return tqdm.format_interval((now - self._began) * left / done) if done else "?"

    def grid(self, step: int, picture: Picture) -> None:
        """Write a picture (H, W, 3) of samples."""
        save_png(self._grid_path(step), picture, {**self._origin, "step": step})
        self._tensorboard.add_image("samples", picture, step, dataformats="HWC")

    def sync(self) -> None:
        """Put every row on disk."""
        os.fsync(self._file.fileno())
        self._tensorboard.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Each is closed, whatever happens to another.
        with ExitStack() as stack:
            for part in (self._tensorboard, self._file, self._bar):
                stack.callback(part.close)


def refuse_other_columns(csv_path: Path) -> None:
    """Raise UserError where the metrics file is there and has other columns than COLUMNS."""
    content = csv_path.read_bytes() if csv_path.exists() else b""
    if content.startswith(codecs.BOM_UTF8):
        raise UserError(
            f"{csv_path} begins with a byte order mark, which Excel and other programs put before "
            "UTF-8; save it as UTF-8 without one, or move it away, to resume the run."
        )
    header = content.partition(b"\n")[0].decode(errors="replace").strip()
    if header not in ("", ",".join(COLUMNS)):
        raise UserError(
            f"{csv_path} has the columns {header}, and this version of gan writes "
            f"{','.join(COLUMNS)}; move the file away to resume the run."
        )


def truncate(csv_path: Path, step: int) -> None:
    """Drop the rows after `step`, and what is no row, from the metrics file if it is there."""
    if not csv_path.exists():
        return
    lines = csv_path.read_bytes().splitlines(keepends=True)
    header, *rows = [line for line in lines if line.endswith(b"\n")] or [b""]
    kept = [row for row in rows if _step_of(row) <= step]
    write_atomically(csv_path, b"".join([header, *kept]))


def _step_of(row: bytes) -> float:
    first = row.split(b",")[0]
    return int(first) if first.isdigit() else math.inf
