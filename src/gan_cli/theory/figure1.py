"""Figure 1 of the paper: p_data, p_g, D and the arrows from z to x, at moments of training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Array = np.ndarray[tuple[int], np.dtype[np.float64]]

ARROW = {
    "arrowstyle": "-|>,head_width=0.15,head_length=0.35",
    "color": "black",
    "linewidth": 0.7,
    "shrinkA": 0,
    "shrinkB": 0,
}


@dataclass(frozen=True)
class Panel:
    """One moment: densities and D at `x` (n,), and G at evenly spaced `z` (m,) in (0, 1)."""

    title: str
    x: Array
    p_data: Array
    p_g: Array
    d: Array
    z: Array
    g_of_z: Array


def figure1(panels: Sequence[Panel]) -> Figure:
    """Draw the panels side by side, in the paper's colours and line styles.

    D is on the left axis, the densities on the right one, with the same scales in all panels.
    """
    figure = Figure(figsize=(3.0 * len(panels), 3.8), dpi=200, layout="constrained")
    rows = figure.subplots(2, len(panels), squeeze=False, height_ratios=(2.4, 1))
    highest = 1.08 * max(float(max(panel.p_data.max(), panel.p_g.max())) for panel in panels)
    last = len(panels) - 1
    for i, (panel, above, below) in enumerate(zip(panels, *rows, strict=True)):
        densities = above.twinx()
        lines = [
            *densities.plot(panel.x, panel.p_data, "k:", linewidth=1.8, label="$p_{data}$"),
            *densities.plot(panel.x, panel.p_g, color="green", linewidth=1.5, label="$p_g$"),
            *above.plot(panel.x, panel.d, color="blue", linestyle="--", linewidth=1.5, label="$D$"),
        ]
        above.axhline(0.5, color="0.75", linewidth=0.6, zorder=0)
        above.set_title(f"({'abcdefgh'[i]}) {panel.title}", fontsize=10)
        above.set(xlim=(panel.x[0], panel.x[-1]), ylim=(0, 1.08), ylabel="" if i else "$D(x)$")
        densities.set(ylim=(0, highest), ylabel="density" if i == last else "")
        # Only the outer panels have numbers on their axes.
        above.tick_params(bottom=False, labelbottom=False, left=i == 0, labelleft=i == 0)
        densities.tick_params(right=i == last, labelright=i == last)
        _arrows(below, panel)
    figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _arrows(axes: Axes, panel: Panel) -> None:
    """Draw x's line (above), z's line (below) and an arrow from each z to G(z).

    z in (0, 1) takes up the middle of the width; an arrow that would leave the panel is left out.
    """
    low, high = float(panel.x[0]), float(panel.x[-1])
    left, width = low + 0.12 * (high - low), 0.76 * (high - low)
    axes.set(xlim=(low, high), ylim=(0, 1), yticks=[])
    axes.spines[["left", "right", "bottom"]].set_visible(False)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, labelsize=8, pad=1)
    axes.hlines(0, left, left + width, color="black", linewidth=1, clip_on=False)
    axes.text(left - 0.01 * width, 0, "$z = 0$", ha="right", va="center", fontsize=8)
    axes.text(left + 1.01 * width, 0, "$1$", ha="left", va="center", fontsize=8)
    axes.text(low, 0.8, "$x$", ha="left", va="center")
    for z, x in zip(left + width * panel.z, panel.g_of_z, strict=True):
        if low <= x <= high:
            axes.annotate("", xy=(x, 1), xytext=(z, 0), arrowprops=ARROW)
