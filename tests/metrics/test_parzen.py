import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from gan_cli.data.idx import IDX
from gan_cli.metrics.parzen import log_likelihood
from gan_cli.metrics.protocol import Fold, score
from gan_cli.metrics.references import training_images


def slow(x: Tensor, samples: Tensor, sigma: float) -> np.ndarray:
    """From the formula, in float64, one point at a time."""
    windows = Normal(samples.double().flatten(1), sigma)
    each = [windows.log_prob(point).sum(1).logsumexp(0) for point in x.double().flatten(1)]
    return np.array(each) - math.log(len(samples))


def points(n: int, seed: int, d: int = 30) -> Tensor:
    return torch.rand(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sigma", [0.01, 0.1, 1.0])
@pytest.mark.parametrize(
    ("x", "samples"),
    [
        (points(20, 1), points(50, 2)),
        (points(20, 1).double() + 1e6, points(50, 2).double() + 1e6),
        (points(20, 1) * 100, points(50, 2)),
        (points(20, 1, 784), points(50, 2, 784)),
        (points(5, 1).repeat(4, 1), points(1, 2).repeat(50, 1)),
        (points(20, 2), points(20, 2)),
    ],
    ids=["near", "offset", "far", "wide", "repeated", "same"],
)
def test_equals_a_double_loop(x: Tensor, samples: Tensor, sigma: float) -> None:
    ours = log_likelihood(x, samples, [sigma])[0].numpy()
    np.testing.assert_allclose(ours, slow(x, samples, sigma), rtol=1e-9, atol=1e-3)


def test_a_density_sums_to_one() -> None:
    """Over the plane, by quadrature."""
    axis = torch.linspace(-3, 4, 400, dtype=torch.float64)
    plane = torch.cartesian_prod(axis, axis)
    density = log_likelihood(plane, points(20, 1, 2), [0.2])[0].exp()
    assert density.sum().item() * (7 / 399) ** 2 == pytest.approx(1, abs=1e-4)


def test_chunks_and_company_do_not_matter() -> None:
    x, samples, sigmas = points(100, 1), points(200, 2), [0.05, 0.1, 1.0]
    whole = log_likelihood(x, samples, sigmas)
    for chunk in (1, 7, 100, 1000):
        ours = log_likelihood(x, samples, sigmas, chunk)
        torch.testing.assert_close(ours, whole, rtol=0, atol=1e-4)
    alone = torch.stack([log_likelihood(x, samples, [sigma])[0] for sigma in sigmas])
    torch.testing.assert_close(alone, whole, rtol=0, atol=1e-9)


def gaussians(n: int, seed: int) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


SIGMAS = [0.02, 0.1, 0.3, 1.0, 3.0]
SAMPLES = gaussians(500, 3)
FOLD = Fold(gaussians(300, 1), gaussians(400, 2))


def test_sigma_comes_from_validation_alone() -> None:
    result = score(SAMPLES, [FOLD], SIGMAS)
    curve = [slow(FOLD.valid, SAMPLES, s).mean() for s in SIGMAS]
    np.testing.assert_allclose(result.validation, curve, atol=1e-6)
    assert result.sigma == SIGMAS[int(np.argmax(curve))] == 0.3
    values = slow(FOLD.test, SAMPLES, 0.3)
    assert result.log_likelihood == pytest.approx(values.mean())
    assert result.standard_error == pytest.approx(values.std(ddof=1) / 20)
    assert result.n == 400
    assert not result.at_edge
    # Other test points leave sigma as it is.
    assert score(SAMPLES, [Fold(FOLD.valid, 10 * FOLD.test)], SIGMAS).sigma == 0.3


@pytest.mark.parametrize("sigmas", [[0.02, 0.1], [1.0, 3.0]])
def test_a_best_sigma_at_the_edge_is_marked(sigmas: list[float]) -> None:
    assert score(SAMPLES, [FOLD], sigmas).at_edge


def test_refining_beats_the_grid_on_validation() -> None:
    result = score(SAMPLES, [FOLD], SIGMAS, refine=True)
    assert result.refined is not None
    assert result.sigma == 0.3
    best = result.refined.sigma
    assert 0.1 < best < 1.0
    at_best, above, below = (
        slow(FOLD.valid, SAMPLES, sigma).mean() for sigma in (best, best * 1.05, best / 1.05)
    )
    assert at_best >= max(above, below, *result.validation)


def test_folds_give_a_mean_and_an_error_across_them() -> None:
    folds = [Fold(gaussians(200, 10 + i), (1 + i) * gaussians(100, 20 + i)) for i in range(5)]
    result = score(SAMPLES, folds, SIGMAS)
    means = np.array([score(SAMPLES, [fold], SIGMAS).log_likelihood for fold in folds])
    assert result.log_likelihood == pytest.approx(means.mean())
    assert result.standard_error == pytest.approx(means.std(ddof=1) / math.sqrt(5))
    assert (result.folds, result.n) == (5, 500)


def test_training_images_on_real_mnist(mnist_dir: Path) -> None:
    """The published value of the true data under this estimator is about 243."""
    source = IDX("MNIST", mnist_dir)
    train, valid, test = (source.to_model(part.x) for part in source.load())
    sigmas = [0.1291550, 0.1668101, 0.2154435]
    images = training_images(train, 10000, seed=0)
    result = score(images, [Fold(valid[:1000], test[::4])], sigmas)
    assert result.sigma == 0.1668101
    assert result.log_likelihood == pytest.approx(244, abs=4)
    assert result.standard_error == pytest.approx(2 * 2.1, abs=0.2)
