"""How good samples are by every metric of features, beside the same numbers of references."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gan_cli.data.gaussians import Gaussians
from gan_cli.data.source import Data, Source
from gan_cli.metrics.features import as_shown, feature_space
from gan_cli.metrics.neighbors import nearest
from gan_cli.metrics.protocol import Fold, score
from gan_cli.metrics.references import centroids
from gan_cli.metrics.registry import COMPARED, FEATURE_METRICS, Comparison, DataView
from gan_cli.metrics.summary import summarise
from gan_cli.metrics.views import Classes, View
from gan_cli.rng import stream

ReferenceName = Literal["half", "kmeans", "noisy"]
TITLES: dict[ReferenceName, str] = {
    "half": "training images, other half",
    "kmeans": "k-means centroids",
    "noisy": "training images with noise",
}
# Images of each kind that are shown.
EXTREMES = 8
CENTROIDS = 1000
# Validation points that choose a Parzen window's sigma out of SIGMAS, and test points it scores.
PARZEN = 1000
SIGMAS = [10 ** (i / 9 - 1) for i in range(10)]
# The standard deviation of the noise on training images, of a range of 1.
NOISE = 0.1


class Value(NamedTuple):
    """A metric's mean over draws with its standard error, NaN for a single draw.

    Of `parzen` it is that of the first draw, over test points.
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
        yield f"| | n | {' | '.join(names)} |"
        yield f"|---|{'---|' * (len(names) + 1)}"
        for row, values in self.rows.items():
            cells = " | ".join(_shown(values[name]) for name in names)
            yield f"| {row} | {self.n[row]} | {cells} |"

    def content(self) -> dict[str, object]:
        """Return the numbers for JSON; the standard error of a single draw is None."""
        return {
            "space": self.space,
            "n_reference": self.n_reference,
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
    references: Sequence[ReferenceName],
    n: int,
    seed: int,
    cache: Path,
) -> Quality:
    """Measure sets of samples, each of some draws (n, C, H, W) in model space, and the references.

    All are compared with one half of the training images, chosen by `seed`; references are n of
    the other `half`, the floor for any generator; 1000 centroids of `kmeans`; and those of the
    half with noise, `noisy`. The log-likelihood by a Parzen window stands beside them, in nats.
    Classifier and centroids are cached in the directory `cache`. Raises UserError for fewer images
    than the Fréchet distance needs.
    """
    shown = as_shown(source, data)
    space = feature_space(source, data, cache)
    train = space(shown.train.x)
    half, rest = torch.randperm(len(train.features), generator=stream(seed, "halves")).chunk(2)
    gaussians = source if isinstance(source, Gaussians) else None
    test = space(shown.test.x).features
    view = DataView(_rows(train, rest), train.features, test, n, gaussians)
    fold = Fold(*(_points(source, part.x[:PARZEN]) for part in (data.valid, data.test)))

    beside = {
        TITLES[name]: [_reference(name, source, data, half[:n], seed, cache)] for name in references
    }
    rows: dict[str, dict[str, Value]] = {}
    views: dict[str, View] = {}
    for name, draws in {**sets, **beside}.items():
        seen = [space(source.to_pixels(x)) for x in draws]
        views[name] = seen[0]
        parzen = score(source.to_measure(draws[0]), [fold], SIGMAS)
        rows[name] = {
            **_values([Comparison(one, view) for one in seen]),
            "parzen": Value(parzen.log_likelihood, parzen.standard_error),
        }
    sizes = {name: len(view.features) for name, view in views.items()}
    classes = {"data": view.reference.classes, **{k: one.classes for k, one in views.items()}}
    shares = {name: c.shares().tolist() for name, c in classes.items() if c is not None}
    first, (x, *_) = next(iter(sets.items()))
    images = data.train.x.dtype == torch.uint8
    extremes = _extremes(source.to_pixels(x), views[first], shown, view) if images else {}
    return Quality(space.name, len(rest), rows, sizes, shares, extremes)


def _points(source: Source, x: Tensor) -> Tensor:
    return source.to_measure(source.to_model(x))


def _extremes(
    x: Tensor, view: View, data: Data, of_data: DataView
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return images by their distance to the data, which is least for the most typical."""
    distances, index = nearest(view.features[:COMPARED], of_data.train)
    order = distances.argsort()
    n = min(EXTREMES, len(order))
    chosen = {"most typical": order[:n], "least typical": order.flip(0)[:n]}
    return {name: (x[rows], data.train.x[index[rows]]) for name, rows in chosen.items()}


def _rows(view: View, rows: Tensor) -> View:
    classes = view.classes
    if classes is not None:
        most_probable, confidence = classes.most_probable[rows], classes.confidence[rows]
        classes = Classes(most_probable, confidence, classes.of)
    return View(view.features[rows], classes)


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


def _values(comparisons: Sequence[Comparison]) -> dict[str, Value]:
    values = {}
    for metric in FEATURE_METRICS:
        if comparisons[0].has(metric.needs):
            summary = summarise([metric.measure(comparison) for comparison in comparisons])
            values[metric.name] = Value(summary.mean, summary.standard_error)
    return values


def _shown(value: Value) -> str:
    error = "" if math.isnan(value.standard_error) else f" +- {value.standard_error:.2g}"
    return f"{value.mean:.4g}{error}"


def _or_none(x: float) -> float | None:
    return None if math.isnan(x) else x
