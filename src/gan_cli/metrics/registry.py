"""The metrics. Add one here, and rows, TensorBoard and reports have it, or `gan evaluate`."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from gan_cli.data.gaussians import Gaussians
from gan_cli.data.source import Split
from gan_cli.metrics.cache import cached
from gan_cli.metrics.diversity import reached, spread
from gan_cli.metrics.frechet import frechet
from gan_cli.metrics.kernel_distance import kernel_distance
from gan_cli.metrics.modes import Modes, modes_of_classes, modes_of_points
from gan_cli.metrics.neighborhoods import K, Neighborhoods, neighborhoods, own_distances
from gan_cli.metrics.neighbors import nearest_distances
from gan_cli.metrics.parzen import log_likelihood
from gan_cli.metrics.views import Space, View

# Points whose mean distance is taken: 1000 give it to a percent, at a cost that goes by the square.
DISTANT = 1000


@dataclass(frozen=True)
class Reference:
    """What samples are measured against: validation points (n, ...) and training images (m, ...).

    `sigmas` are the widths of Parzen windows that are tried. `view` is how `space` shows the
    validation images, where samples are compared in one. `labelled` are the validation images in
    model space, where D classifies.
    """

    points: Tensor
    train: Tensor
    sigmas: Sequence[float]
    space: Space | None = None
    view: View | None = None
    labelled: Split | None = None

    @cached_property
    def reached_by_train(self) -> int:
        """How many of the points the training images reach."""
        return reached(self.train, self.points)


class Samples(NamedTuple):
    """Samples (n, ...) in the space that the paper measures in, and in the reference's view.

    With D's `classes` (n,) of the labelled validation images, where it classifies.
    """

    points: Tensor
    view: View | None
    classes: Tensor | None


class Measure(Protocol):
    """What a metric must offer: a number that says how good samples are."""

    def __call__(self, samples: Samples, reference: Reference) -> float:
        """Measure samples; NaN where the reference has not what it takes."""
        ...


class Metric(NamedTuple):
    """A measure with its name, unit and direction, for tables, and its values' `format`."""

    name: str
    unit: str
    higher_is_better: bool
    measure: Measure
    format: str = "{:.3f}"

    def best(self, *values: float) -> float:
        """Return the best of the values; NaN stands for none."""
        measured = [value for value in values if not math.isnan(value)]
        return (max if self.higher_is_better else min)(measured, default=math.nan)

    def shown(self, value: float) -> str:
        """Return the value as text, with its name and unit."""
        return self.format.format(value)


def _parzen(samples: Samples, reference: Reference) -> float:
    return log_likelihood(reference.points, samples.points, reference.sigmas).mean(1).max().item()


def _spread(samples: Samples, reference: Reference) -> float:
    points = reference.points
    return spread(samples.points[: len(points)][:DISTANT], points[:DISTANT])


def _coverage(samples: Samples, reference: Reference) -> float:
    return reached(samples.points, reference.points) / reference.reached_by_train


def _frechet(samples: Samples, reference: Reference) -> float:
    if samples.view is None or reference.view is None:
        return math.nan
    return frechet(samples.view.features, reference.view.features)


def _variation(samples: Samples, reference: Reference) -> float:
    if samples.view is None or reference.view is None:
        return math.nan
    return _variation_of(samples.view, reference.view)


def _error(samples: Samples, reference: Reference) -> float:
    if samples.classes is None or reference.labelled is None or reference.labelled.y is None:
        return math.nan
    return 100 * samples.classes.ne(reference.labelled.y).double().mean().item()


PARZEN = Metric("parzen_valid", "nats", True, _parzen, "Parzen {:.1f} nats")
FRECHET = Metric("frechet_valid", "", False, _frechet, "Fréchet {:.3f}")
ERROR = Metric("error_valid", "%", False, _error, "error {:.2f} %")
METRICS = (
    PARZEN,
    Metric("spread", "of the data's", True, _spread),
    Metric("coverage", "of the training set's", True, _coverage),
    FRECHET,
    Metric("class_variation_valid", "", False, _variation),
    ERROR,
)
# Those by which a checkpoint may be the best, by their names in monitor.metric.
CRITERIA = {"parzen": PARZEN, "frechet": FRECHET, "error": ERROR}


Needed = Literal["features", "classes", "modes", "points", "labels", "each_class"]

# Samples whose distances to all training images are taken: a share of 1 % is then known to 0.2 %.
COMPARED = 2000
# The quantile of distances between images of the data below which two count as the same.
SAME = 0.01


@dataclass(frozen=True)
class DataView:
    """The data in a feature space: a `reference` (m, d), and the features of all training images.

    `train` are (N, d), and `test` (COMPARED, d) those of test images. `n` of the reference have
    their neighbourhoods compared. `gaussians` are those that points were drawn from. Distances
    within the data are cached in the directory `cache`, if any.
    """

    reference: View
    train: Tensor
    test: Tensor
    n: int
    gaussians: Gaussians | None
    cache: Path | None = None

    @cached_property
    def own(self) -> Tensor:
        """Distances of the n to the K nearest others of them, (n, K)."""
        return cached(own_distances, self.reference.features[: self.n], K, cache=self.cache)

    @cached_property
    def copy_distance(self) -> float:
        """The distance to the nearest training image below which SAME of the test images lie."""
        distances = cached(nearest_distances, self.test, self.train, cache=self.cache)
        return distances.quantile(SAME).item()


@dataclass(frozen=True)
class Comparison:
    """Samples (n, d) beside the data; what several metrics need is computed once.

    `own` are the samples' distances to the K nearest others (n, K), and `to_train` those of the
    first COMPARED to the nearest training image.
    """

    samples: View
    data: DataView
    own: Tensor
    to_train: Tensor

    def resampled(self, rng: torch.Generator) -> "Comparison":
        """Return that of n samples drawn from these with replacement, for a bootstrap.

        Distances to others stay those among all of these: drawn twice, a sample is no duplicate.
        """
        drawn = [torch.randint(len(x), (len(x),), generator=rng) for x in (self.own, self.to_train)]
        rows, compared = drawn
        own, to_train = self.own[rows], self.to_train[compared]
        return Comparison(self.samples.rows(rows), self.data, own, to_train)

    @cached_property
    def kernel_distance(self) -> tuple[float, float]:
        """The kernel distance and its error."""
        return kernel_distance(self.samples.features, self.data.reference.features)

    @cached_property
    def neighborhoods(self) -> Neighborhoods:
        """Precision, recall, density and coverage."""
        reference = self.data.reference.features[: self.data.n]
        radii = self.own[:, -1], self.data.own[:, -1]
        return neighborhoods(self.samples.features, reference, radii=radii)

    @property
    def duplicates(self) -> float:
        """The share of samples nearer to another than all but SAME of the reference's n are."""
        return (self.own[:, 0] < self.data.own[:, 0].quantile(SAME)).double().mean().item()

    @cached_property
    def modes(self) -> Modes:
        """The modes, of points or else of classes."""
        if (true := self.data.gaussians) is not None:
            return modes_of_points(self.samples.features, true.centers(), true.std)
        assert self.samples.classes is not None
        return modes_of_classes(self.samples.classes.most_probable, self.samples.classes.of)

    @property
    def labelled(self) -> bool:
        """Whether samples and reference have labels."""
        return self.samples.labels is not None and self.data.reference.labels is not None

    @cached_property
    def by_class(self) -> list[tuple[Tensor, Tensor]]:
        """For each class the features of its samples (n, d) and of its reference (m, d)."""
        y, y_reference = self.samples.labels, self.data.reference.labels
        assert y is not None
        assert y_reference is not None
        x, x_reference = self.samples.features, self.data.reference.features
        classes = range(int(y_reference.max()) + 1)
        return [(x[y == label], x_reference[y_reference == label]) for label in classes]

    @property
    def rarest(self) -> tuple[int, int]:
        """How many samples the class has that has the fewest, and how many of the reference."""
        return min(len(x) for x, _ in self.by_class), min(len(y) for _, y in self.by_class)

    @cached_property
    def class_frechet(self) -> list[float]:
        """The Fréchet distance of each class."""
        return [frechet(x, y) for x, y in self.by_class]

    def has(self, what: Needed) -> bool:
        """Return whether there is `what`: features always, classes, points or labels maybe.

        `labels` are those of samples that the space has classes for, and `each_class` is there
        where all have enough samples and images for a Fréchet distance.
        """
        points = self.data.gaussians is not None
        classes = self.samples.classes is not None
        present = {
            "classes": classes,
            "points": points,
            "modes": classes or points,
            "labels": classes and self.labelled,
            "each_class": self.labelled and min(self.rarest) > self.samples.features.shape[1],
        }
        return present.get(what, True)

    @property
    def copies(self) -> float:
        """The share of samples nearer to a training image than all but SAME of the test images."""
        return (self.to_train < self.data.copy_distance).double().mean().item()


def compare(samples: View, data: DataView, cache: Path | None = None) -> Comparison:
    """Return samples (n, d) beside the data, their distances from the directory `cache`, if any."""
    features = samples.features
    own = cached(own_distances, features, K, cache=cache)
    to_train = cached(nearest_distances, features[:COMPARED], data.train, cache=cache)
    return Comparison(samples, data, own, to_train)


class FeatureMetric(NamedTuple):
    """A number of samples in a feature space, with unit, direction and source; None has none.

    It is measured where the space has what it `needs`. `error` is a standard error of its own.
    """

    name: str
    unit: str
    higher_is_better: bool | None
    source: str
    needs: Needed
    measure: Callable[[Comparison], float]
    error: Callable[[Comparison], float] | None = None


def _variation_of(samples: View, reference: View) -> float:
    """Return how far the shares of the classes lie apart, NaN where the space has no classes."""
    if samples.classes is None or reference.classes is None:
        return math.nan
    return total_variation(samples.classes.shares(), reference.classes.shares())


def _confidence(c: Comparison) -> float:
    assert c.samples.classes is not None
    return c.samples.classes.confidence.mean().item()


def _agreement(c: Comparison) -> float:
    assert c.samples.classes is not None
    assert c.samples.labels is not None
    return (c.samples.classes.most_probable == c.samples.labels).double().mean().item()


def total_variation(p: Tensor, q: Tensor) -> float:
    """Return half the sum of abs(p - q) of two distributions over the same classes, in [0, 1]."""
    return (p - q).abs().sum().item() / 2


FEATURE_METRICS = (
    FeatureMetric(
        "frechet", "", False, "Heusel et al., 2017", "features",
        lambda c: frechet(c.samples.features, c.data.reference.features),
    ),
    FeatureMetric(
        "kernel_distance", "", False, "Binkowski et al., 2018", "features",
        lambda c: c.kernel_distance[0], lambda c: c.kernel_distance[1],
    ),
    FeatureMetric(
        "precision", "", True, "Kynkäänniemi et al., 2019", "features",
        lambda c: c.neighborhoods.precision,
    ),
    FeatureMetric(
        "recall", "", True, "Kynkäänniemi et al., 2019", "features",
        lambda c: c.neighborhoods.recall,
    ),
    FeatureMetric(
        "density", "", True, "Naeem et al., 2020", "features", lambda c: c.neighborhoods.density
    ),
    FeatureMetric(
        "feature_coverage", "", True, "Naeem et al., 2020", "features",
        lambda c: c.neighborhoods.coverage,
    ),
    FeatureMetric(
        "class_variation", "", False, "total variation", "classes",
        lambda c: _variation_of(c.samples, c.data.reference),
    ),
    FeatureMetric("confidence", "", None, "mean largest probability", "classes", _confidence),
    FeatureMetric("label_agreement", "", True, "Odena et al., 2017", "labels", _agreement),
    FeatureMetric(
        "class_frechet", "", False, "Miyato and Koyama, 2018", "each_class",
        lambda c: statistics.fmean(c.class_frechet),
    ),
    FeatureMetric("duplicates", "", False, "1 % of the data's", "features", lambda c: c.duplicates),
    FeatureMetric("copies", "", False, "1 % of the test images'", "features", lambda c: c.copies),
    FeatureMetric(
        "modes", "", True, "Srivastava et al., 2017", "modes", lambda c: c.modes.covered
    ),
    FeatureMetric(
        "reverse_kl", "nats", False, "Lin et al., 2018", "modes", lambda c: c.modes.reverse_kl
    ),
    FeatureMetric(
        "high_quality", "", True, "Srivastava et al., 2017", "points",
        lambda c: c.modes.high_quality,
    ),
)  # fmt: skip


class Description(NamedTuple):
    """What a metric's values are: unit, direction (None for neither) and source."""

    unit: str
    higher_is_better: bool | None
    source: str


# All that `gan evaluate` measures: of the last three two are of the first draw, and one is of D.
DESCRIBED = {
    **{m.name: Description(m.unit, m.higher_is_better, m.source) for m in FEATURE_METRICS},
    "accuracy_from_samples": Description("", True, "Ravuri and Vinyals, 2019"),
    "parzen": Description("nats", True, "section 5 of the paper"),
    "error": Description("%", False, "of D on test images; Salimans et al., 2016"),
}
