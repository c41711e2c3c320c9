import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.metrics.parzen import log_likelihood
from gan_cli.metrics.protocol import Fold, score


def slow(x: Tensor, samples: Tensor, sigma: float) -> np.ndarray:
    """A float64 double loop, from the formula."""
    d = x[0].numel()
    result = []
    for point in x.double().flatten(1).numpy():
        terms = [
            -np.sum((point - mu) ** 2) / (2 * sigma**2)
            for mu in samples.double().flatten(1).numpy()
        ]
        most = max(terms)
        log_mean = most + math.log(sum(math.exp(t - most) for t in terms) / len(terms))
        result.append(log_mean - d * math.log(sigma * math.sqrt(2 * math.pi)))
    return np.array(result)


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


@pytest.mark.parametrize("sigma", [0.05, 0.2, 1.0])
def test_equals_scikit_learn(sigma: float) -> None:
    from sklearn.neighbors import KernelDensity

    x, samples = points(40, 1), points(300, 2)
    # One leaf: the bounds with which its trees save work lose hundreds of nats where D is 30.
    kde = KernelDensity(bandwidth=sigma, leaf_size=300).fit(samples.double().numpy())
    theirs = kde.score_samples(x.double().numpy())
    ours = log_likelihood(x, samples, [sigma])[0].numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


def test_one_sample_is_a_gaussian() -> None:
    x, mu, sigma = points(10, 1, 4), points(1, 2, 4), 0.3
    gaussian = torch.distributions.Normal(mu.double(), sigma).log_prob(x.double()).sum(1)
    torch.testing.assert_close(log_likelihood(x, mu, [sigma])[0], gaussian, rtol=0, atol=1e-6)


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


def test_sigma_comes_from_validation_alone() -> None:
    fold = Fold(gaussians(300, 1), gaussians(400, 2))
    result = score(gaussians(500, 3), [fold], SIGMAS)
    curve = [slow(fold.valid, gaussians(500, 3), s).mean() for s in SIGMAS]
    np.testing.assert_allclose(result.validation, curve, atol=1e-6)
    assert result.sigma == SIGMAS[int(np.argmax(curve))] == 0.3
    values = slow(fold.test, gaussians(500, 3), 0.3)
    assert result.log_likelihood == pytest.approx(values.mean())
    assert result.standard_error == pytest.approx(values.std(ddof=1) / 20)
    assert result.n == 400
    assert not result.at_edge
    # Other test points leave sigma as it is.
    other = score(gaussians(500, 3), [Fold(fold.valid, 10 * fold.test)], SIGMAS)
    assert other.sigma == 0.3


def test_a_best_sigma_at_the_edge_is_marked() -> None:
    fold = Fold(gaussians(300, 1), gaussians(400, 2))
    assert score(gaussians(500, 3), [fold], [0.02, 0.1]).at_edge
    assert score(gaussians(500, 3), [fold], [1.0, 3.0]).at_edge


def test_refining_beats_the_grid_on_validation() -> None:
    fold = Fold(gaussians(300, 1), gaussians(400, 2))
    result = score(gaussians(500, 3), [fold], SIGMAS, refine=True)
    assert result.refined is not None
    assert result.sigma == 0.3
    assert 0.1 < result.refined.sigma < 1.0

    def valid(sigma: float) -> float:
        return slow(fold.valid, gaussians(500, 3), sigma).mean()

    best = result.refined.sigma
    assert valid(best) >= max(result.validation)
    assert valid(best) >= max(valid(best * 1.05), valid(best / 1.05))


def test_folds_give_a_mean_and_an_error_across_them() -> None:
    folds = [Fold(gaussians(200, 10 + i), (1 + i) * gaussians(100, 20 + i)) for i in range(5)]
    result = score(gaussians(500, 3), folds, SIGMAS)
    each = [score(gaussians(500, 3), [fold], SIGMAS) for fold in folds]
    means = np.array([e.log_likelihood for e in each])
    assert result.log_likelihood == pytest.approx(means.mean())
    assert result.standard_error == pytest.approx(means.std(ddof=1) / math.sqrt(5))
    assert result.folds == 5
    assert result.n == 500


def test_training_images_on_real_mnist(mnist_dir: Path) -> None:
    """The published value of the true data under this estimator is about 243."""
    from gan_cli.data.idx import IDX
    from gan_cli.metrics.references import training_images

    source = IDX("MNIST", mnist_dir)
    data = source.load()
    train, valid, test = (source.to_model(part.x) for part in data)
    sigmas = [0.1291550, 0.1668101, 0.2154435]
    images = training_images(train, 10000, seed=0)
    result = score(images, [Fold(valid[:1000], test)], sigmas)
    assert result.sigma == 0.1668101
    assert result.log_likelihood == pytest.approx(244, abs=2.1)
    assert result.standard_error == pytest.approx(2.1, abs=0.05)
