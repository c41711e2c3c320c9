"""Saving matplotlib's figures."""

import io
from collections.abc import Mapping
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gan_cli.files import printable, write_atomically


def png(figure: Figure, origin: Mapping[str, object]) -> bytes:
    """Return `figure` as a PNG, with `origin` (run, seed, command, ...) as its text fields."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(
        buffer, metadata={k: printable(str(v)) for k, v in origin.items()}
    )
    return buffer.getvalue()


def save_plot(path: Path, figure: Figure, origin: Mapping[str, object]) -> None:
    """Write `figure` as a PNG, with `origin` as its text fields."""
    write_atomically(path, png(figure, origin))
