"""What a probe of features came to, as text and as a plot."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_cli.figures.curves import STYLES
from gan_cli.metrics.paired import ALPHA
from gan_cli.metrics.probe import CLASSIFIERS, Difference, Probe, Score
from gan_cli.metrics.summary import summarise

TITLES = {
    "untrained": "the untrained network",
    "pca": "PCA of their size",
    "pixels": "pixels",
}
# Colours, markers and lines of features that are not learned.
PLAIN = (("0", "s", ":"), ("0.5", "^", "-."), ("0.35", "v", ":"), ("0.65", "D", "-."))
# Errors in % that the axis has marked.
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def report(probe: Probe) -> Iterator[str]:
    """Yield the scores, the differences and what these show, as lines of Markdown."""
    rows: dict[str, list[str]] = {}
    for one in sorted(probe.scores, key=lambda one: CLASSIFIERS.index(one.classifier)):
        cell = f"{one.mean:.2f} +- {one.standard_error:.2f}"
        rows.setdefault(f"{one.classifier} | {one.features}", []).append(cell)
    yield from _table("classifier | features", [f"{n} labels" for n in probe.labels], rows)
    draws = {one.labels: len(one.accuracies) for one in probe.scores}
    yield (
        f"Accuracy in % of {probe.scores[0].n_test} test images: mean +- standard error over draws "
        f"of labelled images ({', '.join(f'{k} of {n}' for n, k in draws.items())}); that of a "
        "single draw is the binomial one, over test images."
    )
    yield ""
    differences = probe.differences()
    kinds = [kind for kind in TITLES if any(d.reference == kind for d in differences)]
    rows = {}
    for d in differences:
        row = rows.setdefault(f"{d.labels} | {d.classifier} | {d.features}", [""] * len(kinds))
        row[kinds.index(d.reference)] = _shown(d)
    heads = [f"minus {TITLES[kind]}" for kind in kinds]
    yield from _table("labels | classifier | features", heads, rows)
    yield (
        "Differences on the same draws, in points. Better or worse: p < "
        f"{ALPHA} by the two-sided signed-rank test, for which it takes 6 draws; no p is corrected "
        "for the number of tests. The draws are of labels alone: another run has other features."
    )
    yield ""
    for n in probe.labels:
        yield f"- {_conclusion(n, [d for d in differences if d.labels == n], kinds)}"


def _table(head: str, heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join([head, *heads])} |"
    yield f"|{'---|' * (head.count('|') + 1 + len(heads))}"
    for name, cells in rows.items():
        yield f"| {' | '.join([name, *cells])} |"
    yield ""


def _shown(one: Difference) -> str:
    summary = summarise(one.values)
    error = f" +- {summary.standard_error:.2f}" if summary.n > 1 else ""
    return f"{summary.mean:+.2f}{error}, {one.conclusion}"


def _conclusion(n: int, differences: Sequence[Difference], kinds: Sequence[str]) -> str:
    """Return in a sentence how many comparisons with each kind of reference show what."""
    found = {kind: [d.conclusion for d in differences if d.reference == kind] for kind in kinds}
    if any("not tested" in conclusions for conclusions in found.values()):
        return f"With {n} labels nothing is tested: there are fewer than 6 draws."
    counts = [
        f"better than {TITLES[kind]} in {c.count('better')} and worse in {c.count('worse')} of "
        f"{len(c)} comparisons"
        for kind, c in found.items()
    ]
    return f"With {n} labels the learned features are {'; '.join(counts)}."


def draw_probe(probe: Probe) -> Figure:
    """Draw the error over the number of labels for each of the features, a panel a classifier.

    Bars are standard errors. An untrained layer has the colour of the trained one, and no error at
    all is drawn as half a test image, as the axis is logarithmic.
    """
    figure = Figure(figsize=(10, 5), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(CLASSIFIERS), sharey=True)
    looks = _looks(probe)
    for axes, classifier in zip(panels, CLASSIFIERS, strict=True):
        for name, look in looks.items():
            of_name = [s for s in probe.scores if (s.classifier, s.features) == (classifier, name)]
            axes.errorbar(
                [s.labels for s in of_name], [_error(s) for s in of_name],
                [s.standard_error for s in of_name], label=name, capsize=2.5, elinewidth=1, **look,
            )  # fmt: skip
        axes.set_title(classifier[0].upper() + classifier[1:], fontsize=11)
        _set_axes(axes, probe)
    panels[0].set_ylabel("test error (%)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _error(score: Score) -> float:
    return max(100 - score.mean, 50 / score.n_test)


def _looks(probe: Probe) -> dict[str, dict[str, Any]]:
    """Return how the line of each of the features looks: what was not learned has no colour."""
    looks: dict[str, dict[str, Any]] = {}
    for (name, of_name), (colour, _) in zip(probe.references.items(), cycle(STYLES), strict=False):
        looks[name] = {"color": colour, "marker": "o"}
        if of_name.untrained is not None:
            hollow = {"linestyle": "--", "markerfacecolor": "white"}
            looks[of_name.untrained] = {**looks[name], **hollow}
    others = [name for name in dict.fromkeys(s.features for s in probe.scores) if name not in looks]
    for name, (colour, marker, line) in zip(others, cycle(PLAIN), strict=False):
        looks[name] = {"color": colour, "marker": marker, "linestyle": line}
    return looks


def _set_axes(axes: Axes, probe: Probe) -> None:
    axes.set(xscale="log", yscale="log", xlabel="labelled training images")
    axes.set_xticks(probe.labels, map(str, probe.labels))
    # With room for the bars, and where all errors are the same.
    low = min(max(_error(s) - s.standard_error, 50 / s.n_test) for s in probe.scores) / 1.2
    high = max(_error(s) + s.standard_error for s in probe.scores) * 1.2
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_yticks(ticks, map(str, ticks))
    axes.set_ylim(low, high)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
