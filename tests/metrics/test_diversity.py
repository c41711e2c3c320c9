import pytest
import torch

from gan_cli.metrics.diversity import reached, spread


def points(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 1, 3, 3, generator=torch.Generator().manual_seed(seed))


def test_spread_is_a_ratio_of_mean_distances() -> None:
    data, samples = points(40, 0), points(30, 1)
    pairs = [(samples[i] - samples[j]).norm() for i in range(30) for j in range(i)]
    of_data = [(data[i] - data[j]).norm() for i in range(40) for j in range(i)]
    slow = (sum(pairs) / len(pairs)) / (sum(of_data) / len(of_data))
    assert spread(samples, data) == pytest.approx(slow.item(), rel=1e-5)
    assert spread(data, data) == 1
    assert spread(3 * data + 5, data) == pytest.approx(3, rel=1e-5)
    assert spread(data[:1].expand(20, -1, -1, -1), data) == 0


def test_reached_counts_the_points_that_are_nearest() -> None:
    data = points(50, 0)
    assert reached(data, data) == 50
    assert reached(data[:7] + 1e-4, data) == 7
    assert reached(data[:1].expand(20, -1, -1, -1), data) == 1
