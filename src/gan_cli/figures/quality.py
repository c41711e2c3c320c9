"""What evaluations of samples came to, as pictures."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from gan_cli.figures.grid import grid
from gan_cli.metrics.quality import Quality
from gan_cli.metrics.summary import Summary

# Classes whose shares are drawn.
MOST_CLASSES = 20
# Of references, which are all black.
MARKERS = ("s", "^", "v", "D")


def draw_quality(quality: Quality) -> Figure:
    """Draw precision and recall, the classes' shares, and the most and least typical samples.

    Shares are drawn where there are no more than MOST_CLASSES, and samples where they are images.
    Of samples with labels, those are drawn against classes.
    """
    shares = quality.shares if len(quality.shares.get("data", [])) <= MOST_CLASSES else {}
    confusions = list(quality.confusions.values())[: 1 if shares else 0]
    images = quality.extremes
    figure = Figure(
        figsize=(15 if confusions else 11, 6 if images else 4), dpi=120, layout="constrained"
    )
    parts = figure.subfigures(
        1 + bool(images), 1, squeeze=False, height_ratios=[2, 1][: 1 + bool(images)]
    )
    upper, *lower = parts[:, 0]
    panels = iter(upper.subplots(1, 1 + bool(shares) + len(confusions), squeeze=False)[0])
    _precision_and_recall(next(panels), quality)
    if shares:
        _shares(next(panels), shares)
    for axes, counts in zip(panels, confusions, strict=True):
        _confusion(axes, counts)
    for part in lower:
        for axes, (title, (samples, nearest)) in zip(
            part.subplots(1, len(images)), images.items(), strict=True
        ):
            axes.imshow(grid(torch.cat([samples, nearest]), columns=len(samples)))
            axes.set_title(f"{title} samples, above the nearest training images", fontsize=10)
            axes.set_axis_off()
    return figure


class Point(NamedTuple):
    """Two measures of the same samples, over runs: Fréchet distance and log-likelihood in nats."""

    frechet: Summary
    parzen: Summary


def draw_two_measures(points: Mapping[str, Point], references: Mapping[str, Point]) -> Figure:
    """Draw log-likelihood against Fréchet distance, with standard errors where there are several.

    The better samples are, the further to the upper right they should be. `references` are black.
    """
    figure = Figure(figsize=(9, 5.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    looks = [*(("o", None) for _ in points), *((marker, "black") for marker in MARKERS)]
    drawn = {**points, **references}.items()
    for (name, (frechet, parzen)), (marker, colour) in zip(drawn, looks, strict=False):
        errors = parzen.standard_error, frechet.standard_error
        axes.errorbar(
            frechet.mean, parzen.mean, *errors, fmt=marker, color=colour, capsize=3,
            label=name.replace("$", r"\$"),
        )  # fmt: skip
    axes.set(xscale="log", xlabel="Fréchet distance in features (better to the right)")
    axes.set_ylabel("mean log-likelihood by a Parzen window (nats, better above)")
    axes.invert_xaxis()
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    return figure


def _precision_and_recall(axes: Axes, quality: Quality) -> None:
    for name, values in quality.rows.items():
        recall, precision = values["recall"].mean, values["precision"].mean
        axes.plot(recall, precision, "o", label=name.replace("$", r"\$"))
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="recall", ylabel="precision")
    axes.set_title("Precision and recall", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _shares(axes: Axes, shares: dict[str, list[float]]) -> None:
    # The data's, and those of the samples that the evaluation is about.
    drawn = list(shares.items())[:2]
    for i, (name, values) in enumerate(drawn):
        places = [c + (i - 0.5) * 0.4 for c in range(len(values))]
        axes.bar(places, values, 0.4, label=name.replace("$", r"\$"))
    axes.set(xlabel="class", ylabel="share", xticks=range(len(drawn[0][1])))
    axes.set_title("Classes", fontsize=10)
    axes.legend(fontsize=8)


def _confusion(axes: Axes, counts: Tensor) -> None:
    percent = 100 * counts / counts.sum(1, keepdim=True).clamp_min(1)
    # Few are off the diagonal, and these are what is looked for.
    axes.imshow(percent.sqrt().numpy(), cmap="Blues", vmin=0, vmax=10)
    for (label, found), value in zip(percent.nonzero().tolist(), percent[percent > 0], strict=True):
        text, colour = f"{value:.{int(value < 10)}f}", "white" if value > 40 else "black"
        axes.text(found, label, text, ha="center", va="center", fontsize=7, color=colour)
    places = range(len(counts))
    axes.set(xlabel="class by the classifier", ylabel="label", xticks=places, yticks=places)
    axes.set_title("Classes of each label's samples (%)", fontsize=10)
