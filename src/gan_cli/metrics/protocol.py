"""The paper's protocol: sigma chosen on validation, likelihood of the test set (section 5)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from gan_cli.metrics.parzen import Estimate, log_likelihood


@dataclass(frozen=True)
class Fold:
    """Points to choose sigma on and points to score, (N, ...) each, in the space of the samples."""

    valid: Tensor
    test: Tensor


@dataclass(frozen=True)
class Score:
    """A model's estimate by the protocol, over `folds` folds.

    `validation` are the mean log-likelihoods of the (first) fold's validation points at each sigma
    of the grid, in nats; `at_edge` says that the best one is the grid's first or last. `refined`
    is the estimate at the sigma that a continuous search finds, where one was asked for.
    """

    estimate: Estimate
    folds: int
    validation: list[float]
    at_edge: bool
    refined: Estimate | None = None


def score(
    samples: Tensor, folds: Sequence[Fold], sigmas: Sequence[float], refine: bool = False
) -> Score:
    """Score samples (n, ...) on every fold, with sigma chosen on the fold's validation points.

    `sigmas` rise. With one fold, the standard error is that of the mean over test points; with
    several it is that of the mean over folds, as the paper does for MNIST and for TFD. All tensors
    share a device.
    """
    curves = [log_likelihood(fold.valid, samples, sigmas).mean(1) for fold in folds]
    best = [int(curve.argmax()) for curve in curves]
    chosen = [sigmas[i] for i in best]
    refined = None
    if refine:
        searched = [
            _search(samples, fold.valid, sigmas[max(i - 1, 0)], sigmas[min(i + 1, len(sigmas) - 1)])
            for fold, i in zip(folds, best, strict=True)
        ]
        refined = _estimate(samples, folds, searched)
    return Score(
        _estimate(samples, folds, chosen),
        len(folds),
        curves[0].tolist(),
        any(i in (0, len(sigmas) - 1) for i in best),
        refined,
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

    def loss(log_sigma: float) -> float:
        return -log_likelihood(valid, samples, [math.exp(log_sigma)])[0].mean().item()

    bounds = (math.log(low), math.log(high))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return math.exp(found.x)
