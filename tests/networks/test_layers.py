import pytest
import torch
from torch import nn

from gan_cli.errors import UserError
from gan_cli.networks.layers import Dropout, bound_columns, init_sparse, keep_mask
from gan_cli.networks.maxout import Maxout, max_of_pieces


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


fast_or_plain = pytest.mark.parametrize("fast", [True, False])


@fast_or_plain
@pytest.mark.parametrize("keep_prob", [0.5, 0.8, 0.9])
def test_masks_retain_the_right_share(keep_prob: float, fast: bool) -> None:
    n = 4_000_000
    mask = keep_mask(torch.empty(n), keep_prob, rng(), fast)
    assert ((mask == 0) | (mask == 1)).all()
    share = mask.double().mean().item()
    # Five standard deviations: a byte's 205/256 in place of 0.8 would be off by four times that.
    assert share == pytest.approx(keep_prob, abs=5 * (keep_prob * (1 - keep_prob) / n) ** 0.5)


@pytest.mark.parametrize(("keep_prob", "most"), [(0.9999999, 1), (1e-9, 0)])
def test_masks_are_not_all_or_nothing(keep_prob: float, most: int) -> None:
    assert 0 < (keep_mask(torch.empty(10**6), keep_prob, rng()) != most).sum() < 100


@fast_or_plain
def test_masks_are_independent_from_unit_to_unit(fast: bool) -> None:
    mask = keep_mask(torch.empty(1000, 1001), 0.5, rng(), fast).double() - 0.5
    for lag in range(1, 20):
        assert (mask[:, lag:] * mask[:, :-lag]).mean().abs() < 5 * 0.25 / 1000


@fast_or_plain
def test_masks_depend_on_the_generator_alone(fast: bool) -> None:
    first = keep_mask(torch.empty(50), 0.8, rng(1), fast)
    torch.manual_seed(5)
    assert torch.equal(first, keep_mask(torch.empty(50), 0.8, rng(1), fast))
    assert not torch.equal(first, keep_mask(torch.empty(50), 0.8, rng(2), fast))


def test_masks_lie_in_memory_as_what_they_mask() -> None:
    x = torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last)
    mask = keep_mask(x, 0.5, rng())
    assert mask.stride() == keep_mask(x, 0.5, rng(), fast=False).stride() == x.stride()
    assert torch.equal(mask.permute(0, 2, 3, 1).flatten(), keep_mask(torch.empty(120), 0.5, rng()))


@pytest.mark.parametrize(("scaled", "training", "evaluation"), [(True, 1.25, 1), (False, 1, 0.8)])
def test_dropout_scales_units(scaled: bool, training: float, evaluation: float) -> None:
    dropout = Dropout(0.8, scaled)
    dropout.rng = rng()
    x = torch.rand(1000) + 1
    y = dropout(x)
    assert 0.7 < (y != 0).float().mean() < 0.9
    torch.testing.assert_close(y, torch.where(y != 0, training * x, 0))
    torch.testing.assert_close(dropout.eval()(x), evaluation * x)


def test_maxout_is_the_largest_piece() -> None:
    layer = Maxout(3, 4, 5)
    x = torch.randn(7, 3)
    weight, bias = layer.linear.weight.view(5, 4, 3), layer.linear.bias.view(5, 4)
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
    along = torch.randn(5, 4, 3, 7).to(dtype)
    plain, fast = max_of_pieces(a, pieces, fast=False), max_of_pieces(a, pieces, fast=True)
    assert torch.equal(plain, fast)
    (expected,) = torch.autograd.grad(plain, a, along)
    (gradient,) = torch.autograd.grad(fast, a, along)
    assert torch.equal(expected, gradient)
    assert pieces == 1 or gradient.stride() == a.stride()
    assert fast.data_ptr() != a.data_ptr()


def test_tied_pieces_share_the_second_derivative_too() -> None:
    a = torch.ones(1, 2, requires_grad=True)
    (first,) = torch.autograd.grad(max_of_pieces(a, 2).square().sum(), a, create_graph=True)
    (second,) = torch.autograd.grad(first[0, 0], a)
    assert first.tolist() == [[1, 1]]
    # d/da of (2 m) / 2, with m's own derivative shared.
    assert second.tolist() == [[0.5, 0.5]]


def test_max_col_norm_bounds_each_units_incoming_weights() -> None:
    network = nn.ModuleList(
        [nn.Linear(30, 20), nn.Conv2d(3, 6, 5), nn.ConvTranspose2d(4, 3, 5), nn.BatchNorm1d(3)]
    )
    with torch.no_grad():
        for layer in network[:3]:
            layer.weight.mul_(10)
        network[0].weight[0].mul_(1e-3)
    before = [layer.weight.clone() for layer in network]
    bound_columns(network, 1.5)
    for layer, old in zip(network[:3], before, strict=False):
        dims = (0, 2, 3) if isinstance(layer, nn.ConvTranspose2d) else tuple(range(1, old.dim()))
        norm = old.square().sum(dim=dims, keepdim=True).sqrt()
        torch.testing.assert_close(layer.weight, old * (1.5 / norm).clamp(max=1))
    assert torch.equal(network[0].weight[0], before[0][0])
    assert torch.equal(network[3].weight, before[3])


def test_sparse_initialisation() -> None:
    layer = nn.Linear(300, 200)
    init_sparse(layer, 100)
    assert ((layer.weight != 0).sum(1) == 100).all()
    weights = layer.weight[layer.weight != 0]
    assert weights.std().item() == pytest.approx(1, abs=0.02)
    assert weights.mean().item() == pytest.approx(0, abs=0.03)
    assert (layer.weight != 0).any(0).all()
    with pytest.raises(UserError, match="sparse is 301"):
        init_sparse(layer, 301)
