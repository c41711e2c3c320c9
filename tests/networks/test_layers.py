import pytest
import torch

from gan_cli.networks.layers import Dropout, Maxout, keep_mask


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("keep", [0.5, 0.8, 0.9])
def test_masks_keep_the_right_share(keep: float) -> None:
    n = 4_000_000
    mask = keep_mask(torch.empty(n), keep, rng())
    # Five standard deviations: a byte's 205/256 in place of 0.8 would be off by four times that.
    assert mask.double().mean().item() == pytest.approx(
        keep, abs=5 * (keep * (1 - keep) / n) ** 0.5
    )


def test_masks_are_independent_from_unit_to_unit() -> None:
    mask = keep_mask(torch.empty(1000, 1001), 0.5, rng()).double() - 0.5
    for lag in range(1, 20):
        assert (mask[:, lag:] * mask[:, :-lag]).mean().abs() < 5 * 0.25 / 1000


def test_masks_depend_on_the_generator_alone() -> None:
    first = keep_mask(torch.empty(50), 0.8, rng(1))
    torch.manual_seed(5)
    assert torch.equal(first, keep_mask(torch.empty(50), 0.8, rng(1)))
    assert not torch.equal(first, keep_mask(torch.empty(50), 0.8, rng(2)))


def test_dropout_scales_what_it_keeps() -> None:
    dropout = Dropout(0.8)
    dropout.rng = rng()
    x = torch.rand(1000) + 1
    y = dropout(x)
    torch.testing.assert_close(y[y != 0], (1.25 * x)[y != 0])
    assert 0.7 < (y != 0).float().mean() < 0.9
    assert torch.equal(dropout.eval()(x), x)


def test_maxout_is_the_largest_piece() -> None:
    layer = Maxout(3, 4, 5)
    x = torch.randn(7, 3)
    weight = layer.linear.weight.view(5, 4, 3)
    bias = layer.linear.bias.view(5, 4)
    expected = torch.stack([x @ weight[p].T + bias[p] for p in range(5)]).max(0).values
    torch.testing.assert_close(layer(x), expected)
