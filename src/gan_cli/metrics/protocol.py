"""The paper's protocol: sigma chosen on validation, likelihood of the test set (section 5)."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from gan_cli.metrics.parzen import log_likelihood
from gan_cli.ranges import AtLeastTwo, Count, Seed, Sigmas


@dataclass
class Protocol:
    """How log-likelihoods are estimated: windows of `n_samples`, which `seed` draws.

    `sigmas` are those out of which a fold's validation points choose. `valid_limit` and
    `test_limit` are how many images of a fold are used, None for all, and `centroids` the number of
    k-means centroids that are scored as a reference.
    """

    seed: Seed
    n_samples: AtLeastTwo
    sigmas: Sigmas
    valid_limit: Count | None
    test_limit: AtLeastTwo | None
    centroids: AtLeastTwo


@dataclass(frozen=True)
class Fold:
    """Points to choose sigma on and points to score, (N, ...) each, in the space of the samples."""

    valid: Tensor
    test: Tensor


@dataclass(frozen=True)
class Estimate:
    """A mean log-likelihood in nats with its standard error, over n test points, at a sigma."""

    log_likelihood: float
    standard_error: float
    n: int
    sigma: float


@dataclass(frozen=True)
class Score(Estimate):
    """A model's estimate by the protocol, over `folds` folds.

    `validation` are the mean log-likelihoods of the (first) fold's validation points at each sigma
    of the grid, in nats; `at_edge` says that the best one is the grid's first or last. `refined`
    is the estimate at the sigma that a continuous search finds, where one was asked for.
    """

    folds: int
    validation: list[float]
    at_edge: bool
    refined: Estimate | None


def score(
    samples: Tensor, folds: Sequence[Fold], sigmas: Sequence[float], refine: bool = False
) -> Score:
    """Score samples (n, ...) on every fold, with sigma chosen on the fold's validation points.

    `sigmas` rise. With one fold, the standard error is that of the mean over test points; with
    several it is that of the mean over folds, as the paper does for MNIST and for TFD. All tensors
    share a device.
    """
    curves = [log_likelihood(fold.valid, samples, sigmas).mean(1) for fold in folds]
    best, last = [int(curve.argmax()) for curve in curves], len(sigmas) - 1
    estimate = _estimate(samples, folds, [sigmas[i] for i in best])
    refined = None
    if refine:
        bounds = [(sigmas[max(i - 1, 0)], sigmas[min(i + 1, last)]) for i in best]
        pairs = zip(folds, bounds, strict=True)
        searched = [_search(samples, fold.valid, *within) for fold, within in pairs]
        refined = _estimate(samples, folds, searched)
    at_edge = any(i in (0, last) for i in best)
    return Score(
        **asdict(estimate),
        folds=len(folds),
        validation=curves[0].tolist(),
        at_edge=at_edge,
        refined=refined,
    )


def _estimate(samples: Tensor, folds: Sequence[Fold], sigmas: Sequence[float]) -> Estimate:
    values = [
        log_likelihood(fold.test, samples, [sigma])[0]
        for fold, sigma in zip(folds, sigmas, strict=True)
    ]
    # One fold: its points are the sample; several: their means are.
    sample = values[0] if len(values) == 1 else torch.stack([v.mean() for v in values])
    error = sample.std().item() / math.sqrt(len(sample))
    mean_sigma = sum(sigmas) / len(sigmas)
    return Estimate(sample.mean().item(), error, sum(map(len, values)), mean_sigma)


def _search(samples: Tensor, valid: Tensor, low: float, high: float) -> float:
    """Return the sigma in [low, high] that is best for the validation points, to a thousandth."""
    # Imported here: it costs a third of a second, and few estimates are refined.
    from scipy.optimize import minimize_scalar

    def loss(log_sigma: float) -> float:
        return -log_likelihood(valid, samples, [math.exp(log_sigma)])[0].mean().item()

    bounds = (math.log(low), math.log(high))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return math.exp(found.x)
