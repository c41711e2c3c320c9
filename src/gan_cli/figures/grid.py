"""Pictures of samples, with their origin in the file's metadata."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from gan_cli.data.source import Source
from gan_cli.errors import UserError
from gan_cli.files import printable, replacing, write_atomically

Picture = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]

# Pixels between images.
GAP = 2
# Of the frames around images that are marked.
YELLOW = (255, 210, 0)
# How wide a grid is made, about, and the sides and area up to which a setting may enlarge one.
WIDTH = 800
MAX_SIDE, MAX_AREA = 20_000, 40_000_000
# The samples that a picture shows at most.
SHOWN = 1024


def picture(
    samples: Tensor,
    source: Source,
    columns: int | None = None,
    scale: int | None = None,
    marked: Iterable[int] = (),
) -> Picture:
    """Return a picture (H, W, 3) of samples (n, C, H, W) in a source's model space.

    Images make a `grid`, points a scatter plot in which the true modes are drawn where the source
    knows them. `marked` are the numbers of samples to be seen at once. Raises UserError as `grid`
    does.
    """
    pixels = source.to_pixels(samples)
    if pixels.dtype == torch.uint8:
        return grid(pixels, columns, scale, marked)
    # Imported here: it costs half a second, and images don't need it.
    from gan_cli.figures.scatter import scatter

    return scatter(pixels.flatten(1), source.centers(), marked)


def grid(
    images: Tensor,
    columns: int | None = None,
    scale: int | None = None,
    marked: Iterable[int] = (),
) -> Picture:
    """Return images (n, C, H, W), uint8 with C = 1 or 3, row by row as a picture (H, W, 3).

    The grid is square unless `columns` is given, `marked` images have a frame, and all are enlarged
    by `enlargement`, which raises UserError.
    """
    n, _, height, width = images.shape
    rows, columns = _layout(n, columns)
    scale = enlargement(n, columns, (height, width), scale)
    images = images.expand(n, 3, height, width).permute(0, 2, 3, 1)
    images = images.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    high, wide = height * scale + GAP, width * scale + GAP
    canvas = np.full((rows * high + GAP, columns * wide + GAP, 3), 64, dtype=np.uint8)
    for i in marked:
        top, left = i // columns * high, i % columns * wide
        canvas[top : top + high + GAP, left : left + wide + GAP] = YELLOW
    for i, image in enumerate(images.cpu().numpy()):
        top, left = i // columns * high + GAP, i % columns * wide + GAP
        canvas[top : top + height * scale, left : left + width * scale] = image
    return canvas


def enlargement(n: int, columns: int | None, shape: Sequence[int], scale: int | None) -> int:
    """Return the whole factor by which a grid enlarges n images of `shape` (..., H, W).

    It is `scale`, or where that is None the one with which the grid is about WIDTH pixels wide.
    Raises UserError for a scale that would make the grid larger than MAX_SIDE or MAX_AREA.
    """
    rows, columns = _layout(n, columns)
    height, width = rows * shape[-2], columns * shape[-1]
    within = min(MAX_SIDE // max(height, width), math.isqrt(MAX_AREA // (height * width)))
    largest = max(1, within)
    if scale is None:
        return min(max(1, round(WIDTH / width)), largest)
    if scale > largest:
        raise UserError(
            f"scale is {scale}; for {rows} x {columns} images of {shape[-2]} x {shape[-1]} pixels "
            f"it can be {largest} at most, or the picture would be too large to open."
        )
    return scale


def _layout(n: int, columns: int | None) -> tuple[int, int]:
    """Return the rows and columns of a grid of n images."""
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    return math.ceil(n / columns), columns


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


def save_gif(
    path: Path,
    frames: Iterable[Picture],
    durations: Sequence[int],
    origin: Mapping[str, object],
) -> None:
    """Write frames (H, W, 3) as an endless GIF, with `origin` as its comment.

    durations: of each frame, in milliseconds.
    """
    first, *rest = [Image.fromarray(frame) for frame in frames]
    comment = printable("\n".join(f"{key}: {value}" for key, value in origin.items())).encode()
    with replacing(path) as temporary:
        first.save(
            temporary, "gif", save_all=True, append_images=rest, duration=list(durations), loop=0,
            comment=comment,
        )  # fmt: skip


def save_animation(path: Path, pictures: Sequence[Picture]) -> None:
    """Write pictures of one size as an endless WebP of 5 a second; the last stays longer.

    A frame of another size, from before a setting was changed, is left out.
    """
    last = pictures[-1].shape
    frames = [Image.fromarray(one) for one in pictures if one.shape == last]
    with replacing(path) as temporary:
        frames[0].save(
            temporary, "webp", save_all=True, append_images=frames[1:], loop=0,
            duration=[200] * (len(frames) - 1) + [2000],
        )  # fmt: skip
