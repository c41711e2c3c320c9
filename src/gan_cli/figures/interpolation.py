"""Images along paths through z-space (Figure 3)."""

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from gan_cli.data.source import Source
from gan_cli.figures.grid import picture, save_gif, save_png

# Milliseconds that a GIF shows an image between two points of a path, and one at a point.
BETWEEN, AT_POINT = 80, 480


def save_interpolation(
    path: Path,
    images: Tensor,
    source: Source,
    steps: int,
    origin: Mapping[str, object],
    scale: int | None = None,
) -> None:
    """Write the images on paths as a grid, a row a path, or as a GIF of all paths at once.

    path: .png for the grid, .gif for the other. images: (frames, rows, C, H, W) in the source's
    model space, of which every `steps`-th of a row, from the first on, is at one of the path's
    points, and is marked. scale: as `enlargement` takes it. Raises UserError where the file can't
    be written.
    """
    frames, rows = images.shape[:2]
    if path.suffix == ".gif":
        at_point = [i % steps == 0 for i in range(frames)]
        columns = _columns(rows)
        save_gif(
            path,
            (
                picture(frame, source, columns, scale, range(rows if at else 0))
                for frame, at in zip(images, at_point, strict=True)
            ),
            [AT_POINT if at else BETWEEN for at in at_point],
            origin,
        )
    else:
        marked = [i for i in range(rows * frames) if i % frames % steps == 0]
        table = images.transpose(0, 1).flatten(0, 1)
        save_png(path, picture(table, source, frames, scale, marked), origin)


def _columns(n: int) -> int:
    """Return the columns of n images that leave the fewest cells empty and are nearest to square.

    The layout is about nine times as wide as high at most.
    """
    side = math.ceil(math.sqrt(n))
    return min(range(side, 3 * side + 1), key=lambda columns: -n % columns)
