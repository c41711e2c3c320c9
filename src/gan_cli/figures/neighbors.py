"""Samples beside their nearest training images (Figure 2), and how near those are."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gan_cli.data.source import Data, Source
from gan_cli.errors import UserError
from gan_cli.figures.grid import SHOWN, Picture, enlargement, grid, save_png
from gan_cli.figures.titles import beside_rows, side_by_side
from gan_cli.files import write_atomically
from gan_cli.metrics.neighbors import COMPARED, distance_quantiles, nearest


@dataclass(frozen=True)
class Figure2:
    """The picture, and quantiles of the Euclidean distances to the nearest training image.

    `distances` has those of the samples and of test images, in model space, and `counts` how many
    there are of each; `n_train` is the size of the training set.
    """

    image: Picture
    distances: dict[str, dict[str, float]]
    counts: dict[str, int]
    n_train: int

    def table(self) -> Iterator[str]:
        """Yield the distances as lines of text."""
        yield f"Distance to the nearest of {self.n_train} training images, quantiles:"
        yield f"  {'':<24} {'  '.join(f'{name:>6}' for name in self.distances['samples'])}"
        for name, values in self.distances.items():
            row = "  ".join(f"{value:6.3f}" for value in values.values())
            yield f"  {f'{self.counts[name]} {name}':<24} {row}"

    def save(self, out: Path, origin: Mapping[str, object]) -> None:
        """Write figure2.png and neighbors.json, which both have the origin, to `out`.

        Raises UserError where they can't be written.
        """
        save_png(out / "figure2.png", self.image, origin)
        content = {"origin": {key: str(value) for key, value in origin.items()}, **self.distances}
        write_atomically(out / "neighbors.json", json.dumps(content, indent=2).encode())


def layout(n: int | None, columns: int | None, data: Data) -> tuple[int, int]:
    """Return the rows and columns of the samples of Figure 2, 4 and 5 where nothing is given.

    Raises UserError where n is no multiple of the columns or more than SHOWN, and for data of
    points.
    """
    if data.train.x.dtype != torch.uint8:
        raise UserError("neighbors is true, but this run was trained on points, not on images.")
    columns = columns or 5
    n = n or 4 * columns
    if n % columns:
        raise UserError(
            f"n is {n}; with neighbors=true it must be a multiple of columns, {columns}."
        )
    if n > SHOWN:
        raise UserError(
            f"n is {n}; with neighbors=true, which draws them all, it can be {SHOWN} at most."
        )
    return n // columns, columns


def figure2(
    samples: Tensor,
    rows: int,
    columns: int,
    source: Source,
    data: Data,
    scale: int | None = None,
) -> Figure2:
    """Return `rows` of `columns` samples, each with the training image nearest to its last one.

    samples: (n, C, H, W) in model space, at least rows * columns of them; the distances are of the
    first COMPARED, and of as many test images. data: of uint8 images. scale: as `enlargement` takes
    it. Raises UserError for one that is too large.
    """
    train, test = source.to_model(data.train.x), source.to_model(data.test.x[:COMPARED])
    n = rows * columns
    shown = samples[:n]
    distance, index = nearest(shown[columns - 1 :: columns], train)
    scale = enlargement(n + rows, columns + 1, source.shape, scale)
    last = range(columns - 1, n, columns)
    found = grid(source.to_pixels(train[index]), 1, scale, range(rows))
    image = side_by_side(
        {
            "samples": grid(source.to_pixels(shown), columns, scale, last),
            "training image nearest to\nthe framed sample, distance": beside_rows(
                found, [f"{x:.2f}" for x in distance.tolist()]
            ),
        }
    )
    compared = {"samples": samples[:COMPARED], "test images": test}
    distances = {name: distance_quantiles(x, train) for name, x in compared.items()}
    counts = {name: len(x) for name, x in compared.items()}
    return Figure2(image, distances, counts, len(train))
