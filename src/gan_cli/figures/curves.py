"""Learning curves: a metric over training, with a band over the seeds."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_cli.figures.grid import png
from gan_cli.figures.plot import render

Array = np.ndarray[tuple[int], np.dtype[np.float64]]

# Colours that the colour-blind can distinguish (Okabe and Ito, 2008; grey for their yellow, which
# is faint on white), the second four dashed: (colour, lengths of dash and gap).
STYLES = (
    ("#0072b2", ()),
    ("#d55e00", ()),
    ("#009e73", ()),
    ("#cc79a7", ()),
    ("#000000", (4, 2)),
    ("#e69f00", (4, 2)),
    ("#56b4e9", (4, 2)),
    ("#7f7f7f", (4, 2)),
)
WIDTH = 1.5
# Of the band's colour; the rest is what lies under it.
OPACITY = 0.2


class Axis(NamedTuple):
    """A chart's title, its y label with the unit, and the level that a line called `name` marks."""

    title: str
    label: str
    level: float | None = None
    name: str = ""


AXES = {
    "parzen_valid": Axis("Parzen estimate on validation", "mean log-likelihood (nats)"),
    "frechet_valid": Axis("Fréchet distance on validation", "distance in features"),
    "error_valid": Axis("Error of D's classes on validation", "error (%)"),
    "value": Axis("Value of the game", "V(D, G) (nats)", -math.log(4), "-log 4"),
    "d_loss": Axis("Loss of D", "loss (nats)"),
    "g_loss": Axis("Loss of G", "loss (nats)"),
    "spread": Axis("Spread of samples", "mean distance (data = 1)", 1.0, "data"),
    "coverage": Axis("Coverage of the data", "points reached (data = 1)", 1.0, "data"),
}

# The panels of a single run: what each shows, and its lines with their labels.
RUN = (
    (Axis("Losses", "loss (nats)"), {"d_loss": "D", "g_loss": "G"}),
    (AXES["value"], {"value": "V(D, G)"}),
    (
        Axis("Mean output of D", "probability of real", 0.5, "1/2"),
        {"d_real": "D(x)", "d_fake": "D(G(z))"},
    ),
    (AXES["parzen_valid"], {"parzen_valid": "estimate"}),
    (AXES["frechet_valid"], {"frechet_valid": "estimate"}),
    (AXES["error_valid"], {"error_valid": "D"}),
    (
        Axis("Diversity of samples", "data = 1", 1.0, "data"),
        {"spread": "spread", "coverage": "coverage"},
    ),
)


class Curve(NamedTuple):
    """At each of n epochs (n,): mean, least and most of a metric over the seeds (n,)."""

    epochs: Array
    mean: Array
    least: Array
    most: Array


def over_seeds(runs: Sequence[Mapping[int, tuple[float, float]]]) -> Curve:
    """Return the Curve of at least one run, each given as step -> (epoch, value).

    It has the steps that all of them have: where a seed drops out, the mean would jump although
    nothing was learned.
    """
    steps = sorted(set.intersection(*map(set, runs)))
    table = np.array([[run[step] for step in steps] for run in runs], dtype=np.float64)
    epochs, values = table.reshape(len(runs), len(steps), 2).transpose(2, 0, 1)
    return Curve(epochs[0], values.mean(0), values.min(0), values.max(0))


def draw(axis: Axis, curves: Mapping[int, Curve]) -> bytes:
    """Return a PNG of curves, each in the style of its number, those of low numbers on top."""
    figure = Figure(figsize=(5, 3.2), dpi=200, layout="constrained")
    axes = figure.subplots()
    _mark_level(axes, axis)
    for number, curve in sorted(curves.items(), reverse=True):
        colour, dashes = STYLES[number]
        axes.fill_between(
            curve.epochs, curve.least, curve.most, color=colour, alpha=OPACITY, linewidth=0
        )
        # One point makes no line.
        marker = "o" if len(curve.epochs) == 1 else None
        (line,) = axes.plot(curve.epochs, curve.mean, marker=marker, color=colour, linewidth=WIDTH)
        if dashes:
            line.set_dashes(dashes)
    _label(axes, axis)
    return png(render(figure), {})


def draw_run(rows: Sequence[Mapping[str, float]]) -> Figure:
    """Return the figure of a run's rows of metrics: losses, V, D's outputs, and estimates."""
    measured = [panel for panel in RUN if any(name in row for row in rows for name in panel[1])]
    figure = Figure(figsize=(10, 3.2 * math.ceil(len(measured) / 2)), dpi=100, layout="constrained")
    grid = list(figure.subplots(math.ceil(len(measured) / 2), 2, squeeze=False).flat)
    for (axis, lines), axes in zip(measured, grid, strict=False):
        _mark_level(axes, axis)
        for (name, label), (colour, _) in zip(lines.items(), STYLES, strict=False):
            points = [(row["epoch"], row[name]) for row in rows if name in row]
            marker = "o" if len(points) == 1 else None
            axes.plot(*np.array(points).T, marker=marker, color=colour, label=label)
        if len(lines) > 1:
            axes.legend(frameon=False, fontsize=8)
        # All from the start, for panels of few estimates to be read beside the others.
        axes.set_xlim(0, 1.02 * rows[-1]["epoch"])
        _label(axes, axis)
    for axes in grid[len(measured) :]:
        axes.set_axis_off()
    return figure


def _mark_level(axes: Axes, axis: Axis) -> None:
    if axis.level is not None:
        axes.axhline(axis.level, color="0.35", linewidth=1, linestyle=":")
        axes.annotate(
            axis.name, (0, axis.level), xycoords=("axes fraction", "data"), xytext=(3, 2),
            textcoords="offset points", ha="left", va="bottom", fontsize=8, color="0.35",
        )  # fmt: skip


def _label(axes: Axes, axis: Axis) -> None:
    axes.set_title(axis.title, fontsize=11)
    axes.set(xlabel="epoch", ylabel=axis.label)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
