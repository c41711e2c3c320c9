"""Images along paths through z-space (Figure 3)."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from gan_cli.figures.grid import picture, save_gif, save_png


def save_interpolation(path: Path, pixels: Tensor, origin: Mapping[str, object]) -> None:
    """Write the images on paths as a grid, a row a path, or as a GIF of all paths at once.

    path: .png for the grid, .gif for the other. pixels: (frames, rows, ...), what a source's
    `to_pixels` gives. origin: written into the file. Raises UserError where it can't be written.
    """
    if path.suffix == ".gif":
        save_gif(path, [picture(frame) for frame in pixels], origin)
    else:
        table = pixels.transpose(0, 1).flatten(0, 1)
        save_png(path, picture(table, columns=len(pixels)), origin)
