"""What one sees of a run while it trains: terminal, log file, metrics.csv, TensorBoard."""

import csv
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from gan_cli.errors import UserError
from gan_cli.figures.grid import Picture
from gan_cli.files import printable, write_atomically
from gan_cli.game.updates import TRAINING_METRICS
from gan_cli.metrics import registry
from gan_cli.training.collapse import MEASURES

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

COLUMNS = (
    "step", "epoch", *TRAINING_METRICS, "learning_rate", "momentum", "images_per_second",
    *(metric.name for metric in registry.METRICS),
)  # fmt: skip


class MetricLogger:
    """Writes rows of metrics and grids of samples; goes on after `step` where a run is resumed.

    `settings` are what the run is known by in TensorBoard's table of hyperparameters. `csv_path`
    gets a row with COLUMNS each time, `tensorboard` is a directory for the scalars and grids,
    `save_grid(step, picture)` keeps a grid as a file.
    """

    def __init__(
        self,
        csv_path: Path,
        tensorboard: Path,
        save_grid: Callable[[int, Picture], None],
        settings: Mapping[str, bool | float | str],
        step: int,
        steps: int,
    ) -> None:
        truncate(csv_path, step)
        # Line buffered: a row is on its way to the disk as soon as it is whole.
        self._file = csv_path.open("a", newline="", buffering=1)
        self._csv = csv.DictWriter(self._file, COLUMNS)
        if csv_path.stat().st_size == 0:
            self._csv.writeheader()
        self._directory, self._settings, self._step = tensorboard, settings, step
        self._writer: SummaryWriter | None = None
        self._save_grid = save_grid
        # Those who start a daemon may have closed it.
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._bar = tqdm(
            total=steps, initial=step, unit="step", disable=not self._terminal, dynamic_ncols=True
        )
        self._since = time.perf_counter()

    @property
    def _tensorboard(self) -> "SummaryWriter":
        """TensorBoard's writer, made for the first that it is to write.

        No first update waits for its import, and no row's rate has that in it.
        """
        if self._writer is None:
            began = time.perf_counter()
            from torch.utils.tensorboard import SummaryWriter
            from torch.utils.tensorboard.summary import hparams

            # Not by the step: a run may have been stopped before its first row.
            first = not self._directory.exists()
            self._writer = SummaryWriter(
                os.path.relpath(self._directory), purge_step=self._step + 1
            )
            if first:
                # Without the message that says which settings there are TensorBoard gathers them
                # from all runs: it would believe one run's.
                known = self._settings.items()
                text = {k: printable(v) if isinstance(v, str) else v for k, v in known}
                _, started, _ = hparams(text, {})
                self._writer._get_file_writer().add_summary(started)
            self._since += time.perf_counter() - began
        return self._writer

    def advance(self) -> None:
        """Count an iteration."""
        self._bar.update()

    def row(self, values: dict[str, float], images: int) -> None:
        """Write a row: all COLUMNS but the rate, which is `images` over the time since the last.

        A value of NaN was not measured, and is left out.
        """
        now = time.perf_counter()
        values = {**values, "images_per_second": images / (now - self._since)}
        self._since = now
        values = {k: v for k, v in values.items() if not math.isnan(v)}
        self._csv.writerow({k: v if isinstance(v, int) else f"{v:.7g}" for k, v in values.items()})
        for name in COLUMNS[2:]:
            if name not in values:
                continue
            self._tensorboard.add_scalar(
                _GROUPS.get(name, "game/") + name, values[name], values["step"]
            )
        # V at the game's solution, to see the curve against.
        self._tensorboard.add_scalar("game/value_at_equilibrium", -math.log(4), values["step"])
        line = (
            f"epoch {values['epoch']:.1f}  step {values['step']}/{self._bar.total}  "
            f"D loss {values['d_loss']:.3f}  G loss {values['g_loss']:.3f}  "
            f"V {values['value']:.3f}  {values['images_per_second']:.0f} images/s"
        )
        if "parzen_valid" in values:
            line += f"  Parzen {values['parzen_valid']:.1f}"
        log.log(logging.DEBUG if self._terminal else logging.INFO, "%s", line)
        self._bar.set_postfix_str(
            f"epoch {values['epoch']:.1f}, D {values['d_loss']:.3f}, G {values['g_loss']:.3f}, "
            f"{values['images_per_second']:.0f} images/s"
        )

    def grid(self, step: int, picture: Picture) -> None:
        """Keep a picture (H, W, 3) of samples."""
        self._save_grid(step, picture)
        self._tensorboard.add_image("samples", picture, step, dataformats="HWC")

    def sync(self) -> None:
        """Put every row on disk: a checkpoint must find there all that came before it."""
        os.fsync(self._file.fileno())
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Put everything on disk, and let go of what is open whatever happens to another part."""
        with ExitStack() as stack:
            if self._writer is not None:
                stack.callback(self._writer.close)
            stack.callback(self._file.close)
            stack.callback(self._bar.close)


_GROUPS = {
    **dict.fromkeys(("learning_rate", "momentum", "images_per_second"), "rates/"),
    **dict.fromkeys(MEASURES, "diversity/"),
}


def refuse_other_columns(csv_path: Path) -> None:
    """Raise UserError where the metrics file is there and can't be gone on with."""
    content = csv_path.read_bytes() if csv_path.exists() else b""
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
