"""How good samples are by every metric of features, beside the same numbers of references."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import Interval
from torch import Tensor

from gan_cli.data.gaussians import Gaussians
from gan_cli.data.source import Data, Source, Split
from gan_cli.metrics.accuracy import accuracy_from
from gan_cli.metrics.cache import cached_view
from gan_cli.metrics.features import as_shown, is_labelled
from gan_cli.metrics.neighbors import nearest
from gan_cli.metrics.protocol import Fold, score
from gan_cli.metrics.references import centroids
from gan_cli.metrics.registry import (
    COMPARED,
    DESCRIBED,
    FEATURE_METRICS,
    Comparison,
    DataView,
    compare,
)
from gan_cli.metrics.summary import summarise
from gan_cli.metrics.views import Space
from gan_cli.ranges import Seed, Sigmas
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


@dataclass
class QualityProtocol:
    """What sets of samples are measured by: `references` beside them, of `n` images.

    `seed` chooses the half of the training images that all are compared with. A Parzen window is
    of one of `sigmas`. accuracy_from_samples: whether a classifier is trained on each labelled set.
    """

    n: Annotated[int, Interval(ge=2, le=1_000_000)]
    seed: Seed
    references: list[ReferenceName]
    sigmas: Sigmas
    accuracy_from_samples: bool


class Value(NamedTuple):
    """A metric's mean over draws with its standard error over them, or NaN.

    For the samples of a file it is by bootstrap, for `kernel_distance` of a single draw over its
    subsets, and over test points for `accuracy_from_samples` and `parzen`, which are of the first
    draw, and for `error`, which is of D.
    """

    mean: float
    standard_error: float


def of_share(p: float, n: int) -> Value:
    """Return a share p of n test points with its standard error, sqrt(p (1 - p) / n)."""
    return Value(p, math.sqrt(p * (1 - p) / n))


@dataclass(frozen=True)
class Quality:
    """What sets of samples are worth: `rows` has each set's values by their metric.

    `n` are the sizes of the sets, and `shares` those of their classes and of the "data"'s. Of the
    first set, `extremes` has the most and the least typical images, and the training image nearest
    to each in the feature space, (EXTREMES, C, H, W) uint8.

    Of sets with labels, `confusions` counts images by label and by the class that the classifier
    assigns them to (classes, classes), and `class_frechet` has the distance of each class, both of
    the first draw. `classifier_accuracy` is the share of test images that it assigns to their
    label, and `notes` are sentences on what to know of the values.
    """

    space: str
    n_reference: int
    rows: dict[str, dict[str, Value]]
    n: dict[str, int]
    shares: dict[str, list[float]]
    extremes: dict[str, tuple[Tensor, Tensor]]
    confusions: dict[str, Tensor]
    class_frechet: dict[str, list[float]]
    classifier_accuracy: float | None
    notes: list[str]

    @property
    def metrics(self) -> list[str]:
        """The metrics that a set has been measured by."""
        return [name for name in DESCRIBED if any(name in row for row in self.rows.values())]

    def table(self) -> Iterator[str]:
        """Yield the values as lines of Markdown, a row for each set."""
        names = self.metrics
        heads = [name + ARROWS[DESCRIBED[name].higher_is_better] for name in names]
        yield f"| | n | {' | '.join(heads)} |"
        yield f"|---|{'---|' * (len(names) + 1)}"
        for row, values in self.rows.items():
            cells = " | ".join(_shown(values.get(name)) for name in names)
            yield f"| {row} | {self.n[row]} | {cells} |"

    def legend(self) -> Iterator[str]:
        """Yield a line on each metric: its unit, which values are better, its source; and notes."""
        for name in self.metrics:
            unit, higher_is_better, source = DESCRIBED[name]
            yield f"{name}{f' ({unit})' if unit else ''}: {BETTER[higher_is_better]}{source}."
        yield from self.notes

    def content(self) -> dict[str, object]:
        """Return the numbers for JSON; the standard error of a single draw is None."""
        return {
            "space": self.space,
            "n_reference": self.n_reference,
            "classifier_accuracy": self.classifier_accuracy,
            "metrics": {name: DESCRIBED[name]._asdict() for name in self.metrics},
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
            "class_agreement": {
                row: [_or_none(x) for x in (counts.diag() / counts.sum(1)).tolist()]
                for row, counts in self.confusions.items()
            },
            "class_frechet": self.class_frechet,
            "notes": self.notes,
        }


def measure(
    sets: Mapping[str, Sequence[Split]],
    source: Source,
    data: Data,
    space: Space,
    protocol: QualityProtocol,
    cache: Path,
    bootstrap: bool = False,
    test_errors: Mapping[str, Value] = MappingProxyType({}),
) -> Quality:
    """Measure sets of samples, each of some draws (n, C, H, W) in model space, and the references.

    All are compared, in the feature `space`, with one half of the training images, chosen by the
    protocol's seed; references are n of the other `half`, the floor for any generator; 1000
    centroids of `kmeans`; and those of the half with noise, `noisy`. The log-likelihood by a Parzen
    window stands beside them, in nats. Where a set has the labels that it was drawn for, so have
    references, and are measured by them. With `bootstrap`, sets of a single draw have standard
    errors by it. test_errors: by the names of sets, the `error` of the D of their run, where it
    classifies. Features of the data and of references, distances within the data, centroids and
    accuracies are cached in the directory `cache`. Raises UserError for fewer images than the
    Fréchet distance needs.
    """
    n, seed = protocol.n, protocol.seed
    shown = as_shown(source, data)
    labelled = any(draws[0].y is not None for draws in sets.values())
    labels = data.train.y if labelled else None
    train = cached_view(space, shown.train.x, cache)._replace(labels=labels)
    half, rest = torch.randperm(len(train.features), generator=stream(seed, "halves")).chunk(2)
    gaussians = source if isinstance(source, Gaussians) else None
    test = cached_view(space, shown.test.x[:COMPARED], cache).features
    view = DataView(train.rows(rest), train.features, test, n, gaussians, cache)
    fold = Fold(*(_points(source, part.x[:PARZEN]) for part in (data.valid, data.test)))

    images = data.train.x.dtype == torch.uint8
    classify = protocol.accuracy_from_samples and images and is_labelled(data.test)
    real = Split(data.train.x, labels)
    beside = {
        TITLES[name]: [_reference(name, source, real, half[:n], seed, cache)]
        for name in protocol.references
    }
    rows: dict[str, dict[str, Value]] = {}
    compared: dict[str, Comparison] = {}
    class_frechet: dict[str, list[float]] = {}
    too_few: tuple[int, int] | None = None
    for name, draws in {**sets, **beside}.items():
        kept = None if name in sets else cache
        seen = [cached_view(space, source.to_pixels(x), kept)._replace(labels=y) for x, y in draws]
        comparisons = [compare(one, view, kept) for one in seen]
        compared[name] = comparisons[0]
        parzen = score(source.to_measure(draws[0].x), [fold], protocol.sigmas)
        rng = stream(seed, "bootstrap") if bootstrap and name in sets else None
        rows[name] = {
            **_values(comparisons, rng),
            "parzen": Value(parzen.log_likelihood, parzen.standard_error),
        }
        if name in test_errors:
            rows[name]["error"] = test_errors[name]
        if not comparisons[0].labelled:
            continue
        if classify:
            p = accuracy_from(draws[0]._replace(x=source.to_pixels(draws[0].x)), shown.test, cache)
            rows[name]["accuracy_from_samples"] = of_share(p, len(shown.test.x))
        if "class_frechet" in rows[name]:
            class_frechet[name] = comparisons[0].class_frechet
        else:
            too_few = too_few or min(one.rarest for one in comparisons)
    views = {name: one.samples for name, one in compared.items()}
    sizes = {name: len(view.features) for name, view in views.items()}
    classes = {"data": view.reference.classes, **{k: one.classes for k, one in views.items()}}
    shares = {name: c.shares().tolist() for name, c in classes.items() if c is not None}
    first, ((x, _), *_) = next(iter(sets.items()))
    extremes = _extremes(source.to_pixels(x), compared[first], shown.train.x) if images else {}
    confusions = {
        name: one.classes.confusion(one.labels)
        for name, one in views.items()
        if one.classes is not None and one.labels is not None
    }
    notes = []
    if confusions and space.accuracy is not None:
        notes.append(
            "label_agreement is the share of samples that the classifier assigns to their label; "
            f"of the test images it is {100 * space.accuracy:.2f} %."
        )
    if too_few is not None:
        least, (samples, of_data) = train.features.shape[1] + 1, too_few
        notes.append(
            f"class_frechet is left out where there are too few: it takes at least {least} samples "
            f"of each class and {least} of the {len(rest)} training images; of the rarest there "
            f"are {samples} and {of_data}."
        )
    return Quality(
        space.name, len(rest), rows, sizes, shares, extremes, confusions, class_frechet,
        space.accuracy, notes,
    )  # fmt: skip


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
    name: ReferenceName, source: Source, train: Split, rows: Tensor, seed: int, cache: Path
) -> Split:
    """Return a reference (n, C, H, W) in model space, with labels where it has some."""
    if name == "kmeans":
        return Split(centroids(source.to_model(train.x), CENTROIDS, seed, cache), None)
    x, y = train.take(rows)
    if name == "noisy":
        noise = NOISE * torch.randn(x.shape, generator=stream(seed, "noise"))
        if x.dtype != torch.uint8:
            return Split(x + noise, y)
        x = (x + 255 * noise).round().clamp(0, 255).to(torch.uint8)
    return Split(source.to_model(x), y)


def _values(comparisons: Sequence[Comparison], rng: torch.Generator | None) -> dict[str, Value]:
    """Return the metrics over draws; with `rng`, a single draw has errors by bootstrap."""
    first, drawn = comparisons[0], []
    if rng is not None and len(comparisons) == 1:
        drawn = [first.resampled(rng) for _ in range(BOOTSTRAP)]
    values = {}
    for metric in FEATURE_METRICS:
        if all(one.has(metric.needs) for one in comparisons):
            summary = summarise([metric.measure(one) for one in comparisons])
            error = summary.standard_error
            if len(comparisons) == 1 and metric.error is not None:
                error = metric.error(first)
            elif drawn:
                error = statistics.stdev(metric.measure(one) for one in drawn)
            values[metric.name] = Value(summary.mean, error)
    return values


def _shown(value: Value | None) -> str:
    if value is None:
        return "-"
    error = "" if math.isnan(value.standard_error) else f" +- {value.standard_error:.2g}"
    return f"{value.mean:.4g}{error}"


def _or_none(x: float) -> float | None:
    return None if math.isnan(x) else x
