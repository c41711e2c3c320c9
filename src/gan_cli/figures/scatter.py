"""Points in the plane."""

import math
from collections.abc import Iterable

from matplotlib.figure import Figure
from torch import Tensor

from gan_cli.figures.grid import Picture
from gan_cli.figures.plot import render


def scatter(points: Tensor, modes: Tensor | None, marked: Iterable[int] = ()) -> Picture:
    """Return points (n, 2) as a picture (H, W, 3), with the true modes (m, 2) if they are known.

    `marked` are the numbers of those at the points that paths were drawn through.
    """
    figure = Figure(figsize=(5, 5), dpi=160, layout="constrained")
    axes = figure.subplots()
    x, y = points.cpu().numpy().T
    axes.scatter(x, y, s=min(max(2000 / len(x), 4), 40), alpha=0.5, linewidths=0, label="points")
    if modes is not None:
        axes.plot(*modes.T, "x", color="black", markersize=8, label="true modes")
    if ends := list(marked):
        axes.plot(x[ends], y[ends], "o", color="#e69f00", markersize=5, label="points of a path")
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    # In steps, so that the pictures of a run have the same axes.
    reach = max(float(x.abs().max()) for x in (points, modes) if x is not None)
    limit = 3 * 2 ** math.ceil(math.log2(max(1.0, reach / 3)))
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.set(xlabel="first coordinate", ylabel="second coordinate")
    return render(figure)
