import math

import pytest
import torch

from gan_cli.errors import UserError
from gan_cli.game.priors import Gaussian, Prior, Spherical, Uniform


@pytest.mark.parametrize("prior", [Uniform(3), Gaussian(3)])
def test_mean_and_variance(prior: Prior) -> None:
    z = prior(200_000, torch.Generator().manual_seed(0))
    assert z.shape == (200_000, 3)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=0.01, rtol=0)
    torch.testing.assert_close(z.var(0), torch.ones(3), atol=0.01, rtol=0)


def test_uniform_fills_its_range() -> None:
    z = Uniform(1)(100_000, torch.Generator().manual_seed(0))
    assert z.abs().max() <= math.sqrt(3)
    assert z.max() > 1.73
    assert z.min() < -1.73
    scaled = Uniform(1, 0, 1)(100_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(scaled, (z + math.sqrt(3)) / (2 * math.sqrt(3)), atol=1e-6, rtol=0)
    with pytest.raises(UserError, match="high"):
        Uniform(1, 1, 1)


def test_spherical_has_unit_length() -> None:
    z = Spherical(5)(1000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.norm(dim=1), torch.ones(1000))
    torch.testing.assert_close(z.mean(0), torch.zeros(5), atol=0.06, rtol=0)
