"""Validation log-likelihood over sigma, as a plot."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib.figure import Figure


def plot_sigma(sigmas: Sequence[float], curves: Mapping[str, Sequence[float]]) -> Figure:
    """Draw each model's mean validation log-likelihood (nats) over sigma, the best marked."""
    figure = Figure(figsize=(6, 4), dpi=150, layout="constrained")
    axes = figure.subplots()
    lines = []
    for curve, style in zip(curves.values(), cycle(["-", "--", ":", "-."]), strict=False):
        (line,) = axes.plot(sigmas, curve, style, marker=".")
        lines.append(line)
        best = max(range(len(curve)), key=curve.__getitem__)
        axes.plot(sigmas[best], curve[best], "o", color=line.get_color(), markersize=8)
    # A sigma far too small costs thousands of nats and would flatten all else.
    top = max(max(curve) for curve in curves.values())
    bottom = min(min(curve[len(curve) // 5 :], default=top) for curve in curves.values())
    axes.set_ylim(bottom=max(bottom, top - 4 * (abs(top) + 50)), top=top + 0.1 * (abs(top) + 50))
    axes.set(xscale="log", xlabel="sigma", ylabel="mean validation log-likelihood (nats)")
    # Between two $ Matplotlib would see a formula, also in a file's name.
    axes.legend(lines, [name.replace("$", r"\$") for name in curves])
    axes.grid(alpha=0.3)
    return figure
