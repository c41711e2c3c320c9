import pytest
import torch
from torch import nn

from gan_cli.errors import UserError
from gan_cli.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_cli.networks.deconv import DeconvGenerator
from gan_cli.networks.layers import bound_columns, init_sparse
from gan_cli.networks.maxout import ConvMaxoutDiscriminator, MaxoutConv

SHAPES = [(1, 28, 28), (3, 32, 32), (3, 64, 64)]
PAPER = {
    "kernels": [8, 8, 5], "pads": [4, 3, 3], "pools": [4, 4, 2], "strides": [2, 2, 2],
    "conv_pieces": 2, "pieces": 5, "irange": [0.005],
}  # fmt: skip


def discriminator(shape: tuple[int, int, int], **changed: object) -> ConvMaxoutDiscriminator:
    settings = {"channels": [4, 4, 6], "units": [7], **PAPER, **changed}
    return ConvMaxoutDiscriminator(shape, **settings)


def test_the_papers_sizes() -> None:
    """33 -> 16, 15 -> 7, 9 -> 5, 4800 features."""
    d = discriminator((3, 32, 32), channels=[32, 32, 192], units=[500])
    seen = []
    for layer in d.modules():
        if isinstance(layer, MaxoutConv):
            layer.conv.register_forward_hook(lambda _m, _x, y: seen.append(y.shape[2]))
            layer.register_forward_hook(lambda _m, _x, y: seen.append(y.shape[2]))
    assert d(torch.rand(2, 3, 32, 32)).shape == (2,)
    assert seen == [33, 16, 15, 7, 9, 5]
    assert d.layers[-3].linear.in_features == 4800


@pytest.mark.parametrize("pool", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5])
def test_pooled_sizes_are_as_foretold(pool: int, stride: int) -> None:
    for size in range(4, 16):
        layer = MaxoutConv(1, 1, 1, kernel=3, pad=1, pool=pool, stride=stride)
        foretold = MaxoutConv.sizes(size, 3, 1, pool, stride)
        assert foretold == (size, layer(torch.rand(1, 1, size, size)).shape[2])


@pytest.mark.parametrize("shape", SHAPES)
def test_pairs_fit_the_data(shape: tuple[int, int, int]) -> None:
    z = torch.randn(3, 10)
    g = DeconvGenerator(10, shape, [20], ["relu", "sigmoid"], 4, 5, 3, [0.05])
    assert g(z).shape == (3, *shape)
    assert g.bias.bias.shape == shape
    assert discriminator(shape)(g(z)).shape == (3,)
    g, d = DCGANGenerator(10, shape, width=8), DCGANDiscriminator(shape, width=8)
    assert g(z).shape == (3, *shape)
    assert g(z).abs().max() <= 1
    assert d(g(z)).shape == (3,)


def test_deconvolution_of_the_paper_needs_no_cut() -> None:
    g = DeconvGenerator(10, (3, 32, 32), [20], ["relu", "sigmoid"], 80, 5, 3, [0.05])
    assert g.hidden[2].out_features == 8000
    assert g.deconv(torch.rand(1, 80, 10, 10)).shape == (1, 3, 32, 32)


def test_a_geometry_that_can_not_work() -> None:
    with pytest.raises(UserError, match="convolutional layer 2 gets 3 x 3: of 3, kernel 8"):
        discriminator((1, 6, 6))
    with pytest.raises(UserError, match="pads has 2 entries; it takes 3"):
        discriminator((1, 28, 28), pads=[4, 3])
    with pytest.raises(UserError, match="kernel is 5, more than the images' 4"):
        DeconvGenerator(10, (1, 4, 4), [20], ["relu"], 4, 5, 3, [0.05])
    with pytest.raises(UserError, match=r"\(1, 30, 30\)"):
        DCGANGenerator(10, (1, 30, 30))


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
