"""Pictures of samples, with their origin in the file's metadata."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from gan_cli.files import printable, replacing, write_atomically

Picture = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]

# Small images are enlarged so that a grid can be looked at: about this many pixels an image.
LEGIBLE = 56
GAP = 2


def picture(samples: Tensor, columns: int | None = None) -> Picture:
    """Return a picture (H, W, 3) of what a source's `to_pixels` gives.

    uint8 images (n, C, H, W) with C = 1 or 3 make a grid, row by row, square unless `columns` is
    given; float points (n, 2, 1, 1) a scatter plot.
    """
    if samples.dtype != torch.uint8:
        return _scatter(samples.flatten(1))
    n, _, height, width = samples.shape
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    scale = max(1, LEGIBLE // max(height, width))
    images = samples.expand(n, 3, height, width).permute(0, 2, 3, 1)
    images = images.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    high, wide = height * scale + GAP, width * scale + GAP
    canvas = np.full((rows * high + GAP, columns * wide + GAP, 3), 64, dtype=np.uint8)
    for i, image in enumerate(images.cpu().numpy()):
        top, left = i // columns * high + GAP, i % columns * wide + GAP
        canvas[top : top + height * scale, left : left + width * scale] = image
    return canvas


def picture_with_neighbors(samples: Tensor, neighbors: Tensor) -> Picture:
    """Return Figure 2 (H, W, 3): rows of samples, and last in each a framed training image.

    Takes uint8 images (rows * columns, C, H, W) and the rows' neighbours (rows, C, H, W).
    """
    rows = len(neighbors)
    columns = len(samples) // rows + 1
    table = samples.view(rows, columns - 1, *samples.shape[1:])
    canvas = picture(torch.cat([table, neighbors[:, None]], 1).flatten(0, 1), columns)
    # The gaps around the last column's images become their frames.
    high, wide = (canvas.shape[0] - GAP) // rows, (canvas.shape[1] - GAP) // columns
    left = (columns - 1) * wide
    frame = np.array([255, 210, 0], dtype=np.uint8)
    for row in range(rows + 1):
        canvas[row * high : row * high + GAP, left:] = frame
    canvas[:, left : left + GAP] = canvas[:, -GAP:] = frame
    return canvas


def side_by_side(left: Picture, right: Picture) -> Picture:
    """Return two pictures of one height with a white bar between them."""
    bar = np.full((left.shape[0], LEGIBLE // 2, 3), 255, dtype=np.uint8)
    return np.concatenate([left, bar, right], axis=1)


def png(image: Picture, origin: Mapping[str, object]) -> bytes:
    """Return `image` (H, W, 3) as a PNG, with `origin` (run, seed, ...) as its text fields."""
    text = PngInfo()
    for key, value in origin.items():
        text.add_itxt(key, printable(str(value)))
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", pnginfo=text)
    return buffer.getvalue()


def save_png(path: Path, image: Picture, origin: Mapping[str, object]) -> None:
    """Write `image` (H, W, 3) as a PNG with `origin` as its text fields."""
    write_atomically(path, png(image, origin))


def save_gif(path: Path, frames: Sequence[Picture], origin: Mapping[str, object]) -> None:
    """Write frames (H, W, 3) as an endless GIF, 12 a second, with `origin` as its comment."""
    first, *rest = [Image.fromarray(frame) for frame in frames]
    comment = printable("\n".join(f"{key}: {value}" for key, value in origin.items())).encode()
    with replacing(path) as temporary:
        first.save(
            temporary, "gif", save_all=True, append_images=rest, duration=80, loop=0,
            comment=comment,
        )  # fmt: skip


def save_animation(path: Path, grids: Sequence[Path]) -> None:
    """Write pictures of one size, files, as an endless WebP of 5 a second; the last stays longer.

    A frame of another size, from before a setting was changed, is left out.
    """
    frames = [Image.open(grid).convert("RGB") for grid in grids]
    frames = [frame for frame in frames if frame.size == frames[-1].size]
    with replacing(path) as temporary:
        frames[0].save(
            temporary, "webp", save_all=True, append_images=frames[1:], loop=0,
            duration=[200] * (len(frames) - 1) + [2000],
        )  # fmt: skip


def save_interpolation(path: Path, pixels: Tensor, origin: Mapping[str, object]) -> None:
    """Write the images on paths (Figure 3) as a grid, a row a path, or as a GIF of all at once.

    path: .png for the grid, .gif for the other. pixels: (frames, rows, ...), what a source's
    `to_pixels` gives. Raises UserError where the file can't be written.
    """
    if path.suffix == ".gif":
        save_gif(path, [picture(frame) for frame in pixels], origin)
    else:
        table = pixels.transpose(0, 1).flatten(0, 1)
        save_png(path, picture(table, columns=len(pixels)), origin)


def _scatter(points: Tensor) -> Picture:
    # Imported here: it costs half a second, and images don't need it.
    from matplotlib.figure import Figure

    from gan_cli.figures.plot import render

    figure = Figure(figsize=(5, 5), dpi=100, layout="constrained")
    axes = figure.subplots()
    x, y = points.cpu().numpy().T
    axes.scatter(x, y, s=4, alpha=0.5, linewidths=0)
    limit = max(3.0, 1.1 * float(points.abs().max()))
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    return render(figure)
