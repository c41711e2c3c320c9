"""Validation log-likelihood over sigma, as a plot."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib.figure import Figure


def plot_sigma(sigmas: Sequence[float], curves: Mapping[str, Sequence[float]]) -> Figure:
    """Draw each model's mean validation log-likelihood (nats) over sigma.

    The sigma that validation chooses, the curve's highest, is marked and in the legend.
    """
    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    axes = figure.subplots()
    for (name, curve), style in zip(curves.items(), cycle(["-", "--", ":", "-."]), strict=False):
        best = max(range(len(curve)), key=curve.__getitem__)
        # Between two $ Matplotlib would see a formula, also in a file's name.
        label = f"{name}: sigma = {sigmas[best]:.3g}, {curve[best]:.1f} nats".replace("$", r"\$")
        (line,) = axes.plot(sigmas, curve, style, marker=".", label=label)
        axes.plot(sigmas[best], curve[best], "o", color=line.get_color(), markersize=8)
        axes.axvline(sigmas[best], color=line.get_color(), linewidth=1, alpha=0.5)
    # A sigma far too small costs thousands of nats and would flatten all else.
    top = max(max(curve) for curve in curves.values())
    bottom = min(min(curve[len(curve) // 5 :], default=top) for curve in curves.values())
    margin = 0.1 * (abs(top) + 50)
    axes.set_ylim(max(bottom, top - 40 * margin) - margin, top + margin)
    axes.set(
        xscale="log",
        xlabel="sigma, the width of the Parzen windows (units of the data)",
        ylabel="mean log-likelihood of validation (nats)",
    )
    ticks = sigmas[:: math.ceil(len(sigmas) / 10)]
    axes.set_xticks(ticks, [f"{sigma:.3g}" for sigma in ticks])
    axes.minorticks_off()
    axes.legend(
        title="chosen on validation (marked):", loc="upper center", bbox_to_anchor=(0.5, -0.15)
    )
    axes.grid(alpha=0.3)
    return figure
