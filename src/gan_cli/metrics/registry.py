"""The metrics that a run is watched by: add one here, and rows, TensorBoard and reports have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from torch import Tensor

from gan_cli.metrics.diversity import reached, spread
from gan_cli.metrics.parzen import log_likelihood

# Points whose mean distance is taken: 1000 give it to a percent, at a cost that goes by the square.
DISTANT = 1000


@dataclass(frozen=True)
class Reference:
    """What samples are measured against: validation points (n, ...) and training images (m, ...).

    `sigmas` are the widths of Parzen windows that are tried.
    """

    points: Tensor
    train: Tensor
    sigmas: Sequence[float]

    @cached_property
    def reached_by_train(self) -> int:
        """How many of the points the training images reach."""
        return reached(self.train, self.points)


class Measure(Protocol):
    """What a metric must offer: a number that says how good samples are."""

    def __call__(self, samples: Tensor, reference: Reference) -> float:
        """Measure samples (n, ...), in the space that the paper measures in, as `reference` is."""
        ...


class Metric(NamedTuple):
    """A measure with its name, unit and direction, for tables."""

    name: str
    unit: str
    higher_is_better: bool
    measure: Measure


def _parzen(samples: Tensor, reference: Reference) -> float:
    return log_likelihood(reference.points, samples, reference.sigmas).mean(1).max().item()


def _spread(samples: Tensor, reference: Reference) -> float:
    points = reference.points
    return spread(samples[: len(points)][:DISTANT], points[:DISTANT])


def _coverage(samples: Tensor, reference: Reference) -> float:
    return reached(samples, reference.points) / reference.reached_by_train


METRICS = (
    Metric("parzen_valid", "nats", True, _parzen),
    Metric("spread", "of the data's", True, _spread),
    Metric("coverage", "of the training set's", True, _coverage),
)
