import torch

from gan_cli.data.digits import Digits
from gan_cli.data.spaces import GCN


def pixels(n: int = 20) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=rng)


def test_gcn_gives_mean_0_and_norm_55() -> None:
    x = GCN().to_model(pixels()).flatten(1)
    torch.testing.assert_close(x.mean(1), torch.zeros(20), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.norm(dim=1), torch.full((20,), 55.0), atol=1e-3, rtol=0)


def test_gcn_keeps_the_contrasts() -> None:
    """But for a scale, images are what they were less their means."""
    original = pixels().float().flatten(1)
    original -= original.mean(1, keepdim=True)
    x = GCN().to_model(pixels())
    assert x.shape == (20, 3, 32, 32)
    cosine = torch.cosine_similarity(x.flatten(1), original)
    torch.testing.assert_close(cosine, torch.ones(20))


def test_an_image_of_one_grey_level_becomes_zero() -> None:
    x = GCN().to_model(torch.full((2, 3, 8, 8), 77, dtype=torch.uint8))
    assert x.isfinite().all()
    assert x.abs().max() < 1e-3


def test_display_divides_by_the_largest_absolute_value() -> None:
    x = torch.zeros(2, 1, 2, 2)
    x[0, 0, 0] = torch.tensor([-3.0, 1.5])
    x[1, 0, 0, 0] = 10
    shown = Digits([1, 2, 2], "gcn").to_pixels(x)
    assert shown[0, 0].tolist() == [[0, 191], [128, 128]]
    assert shown[1, 0].tolist() == [[255, 128], [128, 128]]
