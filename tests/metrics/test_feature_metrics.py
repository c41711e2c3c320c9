"""Distances between sets of features: known values, identities, and three other implementations."""

import math

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from torch import Tensor
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import calculate_precision_recall_part
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from gan_cli.errors import UserError
from gan_cli.metrics import neighborhoods as module
from gan_cli.metrics.frechet import frechet
from gan_cli.metrics.kernel_distance import kernel_distance
from gan_cli.metrics.neighborhoods import neighborhoods, own_distances


def features(n: int, d: int = 16, seed: int = 0, shift: float = 0.0) -> Tensor:
    """Correlated ones, at least 0 as a ReLU's are."""
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=torch.Generator().manual_seed(7))
    return (torch.randn(n, d, generator=rng) @ mixing + shift).relu()


class Identity(torch.nn.Module):
    num_features = 16

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture
def sets() -> tuple[Tensor, Tensor]:
    return features(300), features(400, seed=1, shift=0.5)


def test_frechet_is_that_of_torchmetrics_and_torch_fidelity(sets: tuple[Tensor, Tensor]) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    x, y = sets
    theirs = FrechetInceptionDistance(feature=Identity(), input_img_size=(16,), normalize=False)
    theirs.set_dtype(torch.float64)
    for features_of, real in ((x, False), (y, True)):
        theirs.update(features_of, real=real)
    assert frechet(x, y) == pytest.approx(theirs.compute().item(), rel=1e-3)
    statistics = [fid_features_to_statistics(s) for s in sets]
    (value,) = fid_statistics_to_metric(*statistics, verbose=False).values()
    assert frechet(x, y) == pytest.approx(value, rel=1e-3)


def test_frechet_of_two_normals() -> None:
    """In one dimension (mu - mu')^2 + (sigma - sigma')^2."""
    x = torch.randn(1000, 1, dtype=torch.float64)
    x = (x - x.mean()) / x.std()
    assert frechet(2 * x + 1, 5 * x - 3) == pytest.approx(16 + 9, rel=1e-9)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all")
def test_kernel_distance_is_that_of_torchmetrics_and_torch_fidelity(
    sets: tuple[Tensor, Tensor],
) -> None:
    x, y = (s[:300] for s in sets)
    theirs = KernelInceptionDistance(
        feature=Identity(), subsets=1, subset_size=300, reset_real_features=False
    )
    theirs.update(x, real=False)
    theirs.update(y, real=True)
    value, _ = kernel_distance(x, y)
    assert value == pytest.approx(theirs.compute()[0].item(), rel=1e-3)
    settings = {"kid_subsets": 1, "kid_subset_size": 300, "verbose": False}
    known = kid_features_to_metric(x, y, **settings)
    assert value == pytest.approx(known["kernel_inception_distance_mean"], rel=1e-3)


def test_kernel_distance_is_the_mean_over_subsets(sets: tuple[Tensor, Tensor]) -> None:
    x, y = sets
    parts = [kernel_distance(x[i : i + 100], y[i : i + 100])[0] for i in (0, 100, 200)]
    value, error = kernel_distance(x, y, subset=100)
    assert value == pytest.approx(np.mean(parts), rel=1e-12)
    assert error == pytest.approx(np.std(parts, ddof=1) / math.sqrt(3), rel=1e-12)


def test_kernel_distance_is_unbiased() -> None:
    """Of two sets of one density the mean is 0, within four standard errors."""
    value, error = kernel_distance(features(4000), features(4000, seed=1), subset=100)
    assert abs(value) < 4 * error


def test_neighborhoods_are_those_of_prdc(sets: tuple[Tensor, Tensor]) -> None:
    x, y = sets
    expected = compute_prdc(y.numpy(), x.numpy(), nearest_k=5)
    assert neighborhoods(x, y)._asdict() == pytest.approx(expected, rel=1e-3)


def test_precision_and_recall_are_those_of_torch_fidelity(sets: tuple[Tensor, Tensor]) -> None:
    x, y = sets
    found = neighborhoods(x, y, k=3)
    expected = calculate_precision_recall_part(x, y, neighborhood=3)
    assert (found.precision, found.recall) == pytest.approx(expected, rel=1e-3)


def test_distances_to_others_are_those_of_all_pairs(
    sets: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.cat([sets[0], sets[0][:3]])  # three of them twice
    pairs = (x.double()[:, None] - x.double()).norm(dim=2).fill_diagonal_(math.inf)
    for chunk in (module.CHUNK, 70):
        monkeypatch.setattr(module, "CHUNK", chunk)
        found = own_distances(x, k=4)
        torch.testing.assert_close(found, pairs.sort(1).values[:, :4], rtol=1e-9, atol=1e-6)


def test_a_set_and_itself(sets: tuple[Tensor, Tensor]) -> None:
    x, _ = sets
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)
    found = neighborhoods(x, x)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


def test_order_and_chunks_do_not_matter(
    sets: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = sets
    before = [frechet(x, y), *neighborhoods(x, y)]
    monkeypatch.setattr(module, "CHUNK", 70)
    x, y = x[torch.randperm(len(x))], y[torch.randperm(len(y))]
    assert [frechet(x, y), *neighborhoods(x, y)] == pytest.approx(before, rel=1e-9)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(UserError, match="at least 17"):
        frechet(features(16), features(400))
