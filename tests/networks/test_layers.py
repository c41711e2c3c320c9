import pytest
import torch

from gan_cli.networks.layers import Dropout, UntiedBias, keep_mask
from gan_cli.networks.maxout import Maxout, max_of_pieces


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


def test_masks_are_not_all_or_nothing_where_keep_is_nearly_so() -> None:
    for keep, most in ((0.9999999, True), (1e-9, False)):
        mask = keep_mask(torch.empty(10**6), keep, rng())
        assert 0 < (mask != most).sum() < 100, keep


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

    unscaled = Dropout(0.8, scaled=False)
    unscaled.rng = rng()
    assert torch.equal(unscaled(x), torch.where(y != 0, x, 0))
    torch.testing.assert_close(unscaled.eval()(x), 0.8 * x)


def test_maxout_is_the_largest_piece() -> None:
    layer = Maxout(3, 4, 5)
    x = torch.randn(7, 3)
    weight = layer.linear.weight.view(5, 4, 3)
    bias = layer.linear.bias.view(5, 4)
    expected = torch.stack([x @ weight[p].T + bias[p] for p in range(5)]).max(0).values
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_max_of_pieces_is_amax_with_its_gradient(
    order: torch.memory_format, pieces: int, dtype: torch.dtype
) -> None:
    """Ties included, of which bfloat16 has many; to the bit, as a third is rounded alike."""
    torch.manual_seed(0)
    a = torch.randint(-2, 3, (5, 4 * pieces, 3, 7)).to(dtype).to(memory_format=order)
    a.requires_grad_()
    slow = a.unflatten(1, (pieces, 4)).amax(1)
    fast = max_of_pieces(a, pieces)
    assert torch.equal(slow, fast)
    along = torch.randn(5, 4, 3, 7).to(dtype)
    (expected,) = torch.autograd.grad(slow, a, along)
    (gradient,) = torch.autograd.grad(fast, a, along)
    assert torch.equal(expected, gradient)
    assert fast.data_ptr() != a.data_ptr()


def test_masks_lie_in_memory_as_what_they_mask() -> None:
    x = torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last)
    mask = keep_mask(x, 0.5, rng())
    assert mask.stride() == x.stride()
    assert torch.equal(mask.permute(0, 2, 3, 1).flatten(), keep_mask(torch.empty(120), 0.5, rng()))


def test_layers_have_second_derivatives() -> None:
    dropout, maxout, bias = Dropout(0.8), Maxout(5, 3, 4).double(), UntiedBias((5,)).double()

    def dropped(x: torch.Tensor) -> torch.Tensor:
        dropout.rng = rng()
        return dropout(x)

    # Times itself: a layer alone is linear nearly everywhere.
    x = torch.randn(4, 5, generator=rng(), dtype=torch.float64, requires_grad=True)
    for layer in (dropped, maxout, bias):
        assert torch.autograd.gradgradcheck(lambda x, f=layer: f(x).square(), x)
    maps = torch.randn(4, 6, 3, generator=rng(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda a: max_of_pieces(a, 2).square(), maps)


def test_tied_pieces_share_the_second_derivative_too() -> None:
    a = torch.ones(1, 2, requires_grad=True)
    (first,) = torch.autograd.grad(max_of_pieces(a, 2).square().sum(), a, create_graph=True)
    (second,) = torch.autograd.grad(first[0, 0], a)
    assert first.tolist() == [[1, 1]]
    # d/da of (2 m) / 2, with m's own derivative shared.
    assert second.tolist() == [[0.5, 0.5]]
