"""How good samples are by every metric of features, beside the same numbers of references."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gan_cli.data.gaussians import Gaussians
from gan_cli.data.source import Data, Source
from gan_cli.metrics.cache import cached_view
from gan_cli.metrics.features import as_shown
from gan_cli.metrics.neighbors import nearest
from gan_cli.metrics.protocol import Fold, score
from gan_cli.metrics.references import centroids
from gan_cli.metrics.registry import (
    COMPARED,
    FEATURE_METRICS,
    Comparison,
    DataView,
    compare,
)
from gan_cli.metrics.summary import summarise
from gan_cli.metrics.views import Space
from gan_cli.rng import stream

# By whether higher values are better; None for neither.
ARROWS = {True: " ↑", False: " ↓", None: ""}
BETTER = {True: "higher is better; ", False: "lower is better; ", None: ""}
ReferenceName = Literal["half", "kmeans", "noisy"]
TITLES: dict[ReferenceName, str] = {
    "half": "training images, other half",
    "kmeans": "k-means centroids",
    "noisy": "training images with noise",
}
# Images of each kind that are shown.
EXTREMES = 8
CENTROIDS = 1000
# Validation points that choose a Parzen window's sigma, and test points it scores.
PARZEN = 1000
# Sets of samples drawn from those of a file for the standard errors of its values.
BOOTSTRAP = 20
# The standard deviation of the noise on training images, of a range of 1.
NOISE = 0.1


class Description(NamedTuple):
    """What a metric's values are: unit, direction (None for neither) and source."""

    unit: str
    higher_is_better: bool | None
    source: str


DESCRIBED = {
    **{m.name: Description(m.unit, m.higher_is_better, m.source) for m in FEATURE_METRICS},
    "parzen": Description("nats", True, "section 5 of the paper"),
}


class Value(NamedTuple):
    """A metric's mean over draws with its standard error over them, or NaN.

    For the samples of a file it is by bootstrap, for `kernel_distance` of a single draw over its
    subsets, and for `parzen`, which is of the first draw, over test points.
    """

    mean: float
    standard_error: float


@dataclass(frozen=True)
class Quality:
    """What sets of samples are worth: `rows` has each set's values by their metric.

    `n` are the sizes of the sets, and `shares` those of their classes and of the "data"'s. Of the
    first set, `extremes` has the most and the least typical images, and the training image nearest
    to each in the feature space, (EXTREMES, C, H, W) uint8.
    """

    space: str
    n_reference: int
    rows: dict[str, dict[str, Value]]
    n: dict[str, int]
    shares: dict[str, list[float]]
    extremes: dict[str, tuple[Tensor, Tensor]]

    def table(self) -> Iterator[str]:
        """Yield the values as lines of Markdown, a row for each set."""
        names = list(next(iter(self.rows.values())))
        heads = [name + ARROWS[DESCRIBED[name].higher_is_better] for name in names]
        yield f"| | n | {' | '.join(heads)} |"
        yield f"|---|{'---|' * (len(names) + 1)}"
        for row, values in self.rows.items():
            cells = " | ".join(_shown(values[name]) for name in names)
            yield f"| {row} | {self.n[row]} | {cells} |"

    def legend(self) -> Iterator[str]:
        """Yield a line on each metric: its unit, which values are better, and its source."""
        for name in next(iter(self.rows.values())):
            unit, higher_is_better, source = DESCRIBED[name]
            yield f"{name}{f' ({unit})' if unit else ''}: {BETTER[higher_is_better]}{source}."

    def content(self) -> dict[str, object]:
        """Return the numbers for JSON; the standard error of a single draw is None."""
        return {
            "space": self.space,
            "n_reference": self.n_reference,
            "metrics": {name: DESCRIBED[name]._asdict() for name in next(iter(self.rows.values()))},
            "rows": {
                row: {
                    "n": self.n[row],
                    **{
                        name: {
                            "mean": value.mean,
                            "standard_error": _or_none(value.standard_error),
                        }
                        for name, value in values.items()
                    },
                }
                for row, values in self.rows.items()
            },
            "class_shares": self.shares,
        }


def measure(
    sets: Mapping[str, Sequence[Tensor]],
    source: Source,
    data: Data,
    space: Space,
    references: Sequence[ReferenceName],
    n: int,
    seed: int,
    sigmas: Sequence[float],
    cache: Path,
    bootstrap: bool = False,
) -> Quality:
    """Measure sets of samples, each of some draws (n, C, H, W) in model space, and the references.

    All are compared, in the feature `space`, with one half of the training images, chosen by
    `seed`; references are n of the other `half`, the floor for any generator; 1000 centroids of
    `kmeans`; and those of the half with noise, `noisy`. The log-likelihood by a Parzen window, of
    one of `sigmas`, stands beside them, in nats. With `bootstrap`, sets of a single draw have
    standard errors by it. Features of the data and of references, distances within the data, and
    centroids are cached in the directory `cache`. Raises UserError for fewer images than the
    Fréchet distance needs.
    """
    shown = as_shown(source, data)
    train = cached_view(space, shown.train.x, cache)
    half, rest = torch.randperm(len(train.features), generator=stream(seed, "halves")).chunk(2)
    gaussians = source if isinstance(source, Gaussians) else None
    test = cached_view(space, shown.test.x[:COMPARED], cache).features
    view = DataView(train.rows(rest), train.features, test, n, gaussians, cache)
    fold = Fold(*(_points(source, part.x[:PARZEN]) for part in (data.valid, data.test)))

    beside = {
        TITLES[name]: [_reference(name, source, data, half[:n], seed, cache)] for name in references
    }
    rows: dict[str, dict[str, Value]] = {}
    compared: dict[str, Comparison] = {}
    for name, draws in {**sets, **beside}.items():
        kept = None if name in sets else cache
        seen = [cached_view(space, source.to_pixels(x), kept) for x in draws]
        comparisons = [compare(one, view, kept) for one in seen]
        compared[name] = comparisons[0]
        parzen = score(source.to_measure(draws[0]), [fold], sigmas)
        rng = stream(seed, "bootstrap") if bootstrap and name in sets else None
        rows[name] = {
            **_values(comparisons, rng),
            "parzen": Value(parzen.log_likelihood, parzen.standard_error),
        }
    views = {name: one.samples for name, one in compared.items()}
    sizes = {name: len(view.features) for name, view in views.items()}
    classes = {"data": view.reference.classes, **{k: one.classes for k, one in views.items()}}
    shares = {name: c.shares().tolist() for name, c in classes.items() if c is not None}
    first, (x, *_) = next(iter(sets.items()))
    images = data.train.x.dtype == torch.uint8
    extremes = _extremes(source.to_pixels(x), compared[first], shown.train.x) if images else {}
    return Quality(space.name, len(rest), rows, sizes, shares, extremes)


def _points(source: Source, x: Tensor) -> Tensor:
    return source.to_measure(source.to_model(x))


def _extremes(x: Tensor, compared: Comparison, train: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Return images by their distance to the data, which is least for the most typical."""
    order = compared.to_train.argsort()
    n = min(EXTREMES, len(order))
    chosen = {"most typical": order[:n], "least typical": order.flip(0)[:n]}
    features, of_train = compared.samples.features, compared.data.train
    return {
        name: (x[rows], train[nearest(features[rows], of_train)[1]])
        for name, rows in chosen.items()
    }


def _reference(
    name: ReferenceName, source: Source, data: Data, rows: Tensor, seed: int, cache: Path
) -> Tensor:
    """Return a reference (n, C, H, W) in model space."""
    if name == "kmeans":
        return centroids(source.to_model(data.train.x), CENTROIDS, seed, cache)
    x = data.train.x[rows]
    if name == "noisy":
        noise = NOISE * torch.randn(x.shape, generator=stream(seed, "noise"))
        if x.dtype != torch.uint8:
            return x + noise
        x = (x + 255 * noise).round().clamp(0, 255).to(torch.uint8)
    return source.to_model(x)


def _values(comparisons: Sequence[Comparison], rng: torch.Generator | None) -> dict[str, Value]:
    """Return the metrics over draws; with `rng`, a single draw has errors by bootstrap."""
    first, drawn = comparisons[0], []
    if rng is not None and len(comparisons) == 1:
        drawn = [first.resampled(rng) for _ in range(BOOTSTRAP)]
    values = {}
    for metric in FEATURE_METRICS:
        if first.has(metric.needs):
            summary = summarise([metric.measure(one) for one in comparisons])
            error = summary.standard_error
            if len(comparisons) == 1 and metric.error is not None:
                error = metric.error(first)
            elif drawn:
                error = statistics.stdev(metric.measure(one) for one in drawn)
            values[metric.name] = Value(summary.mean, error)
    return values


def _shown(value: Value) -> str:
    error = "" if math.isnan(value.standard_error) else f" +- {value.standard_error:.2g}"
    return f"{value.mean:.4g}{error}"


def _or_none(x: float) -> float | None:
    return None if math.isnan(x) else x
