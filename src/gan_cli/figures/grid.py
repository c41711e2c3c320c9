"""Pictures of samples, with their origin in the file's metadata."""

import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from gan_cli.files import write_atomically

Picture = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]

# Small images are enlarged so that a grid can be looked at: about this many pixels an image.
LEGIBLE = 56


def picture(samples: Tensor, columns: int | None = None) -> Picture:
    """Return a picture (H, W, 3) of what a source's `to_pixels` gives.

    uint8 images (n, C, H, W) with C = 1 or 3 make a grid, row by row, square unless `columns` is
    given; float points (n, 2, 1, 1) a scatter plot.
    """
    if samples.dtype != torch.uint8:
        return _scatter(samples.flatten(1))
    n, channels, height, width = samples.shape
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    scale = max(1, LEGIBLE // max(height, width))
    images = samples.expand(n, 3, height, width) if channels == 1 else samples
    images = images.repeat_interleave(scale, 2).repeat_interleave(scale, 3).permute(0, 2, 3, 1)
    high, wide, gap = height * scale + 2, width * scale + 2, 2
    canvas = np.full((rows * high + gap, columns * wide + gap, 3), 64, dtype=np.uint8)
    for i, image in enumerate(images.cpu().numpy()):
        top, left = i // columns * high + gap, i % columns * wide + gap
        canvas[top : top + high - gap, left : left + wide - gap] = image
    return canvas


def save_png(path: Path, image: Picture, origin: Mapping[str, object]) -> None:
    """Write `image` (H, W, 3), with `origin` (run, seed, command, ...) as the PNG's text fields."""
    text = PngInfo()
    for key, value in origin.items():
        text.add_itxt(key, str(value))
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", pnginfo=text)
    write_atomically(path, buffer.getvalue())


def _scatter(points: Tensor) -> Picture:
    # Imported here: it costs half a second, and images don't need it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=100, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    x, y = points.cpu().numpy().T
    axes.scatter(x, y, s=4, alpha=0.5, linewidths=0)
    limit = max(3.0, 1.1 * float(points.abs().max()))
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
