import pytest
import torch

from gan_cli.errors import UserError
from gan_cli.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_cli.networks.deconv import DeconvGenerator
from gan_cli.networks.layers import Dropout
from gan_cli.networks.maxout import ConvMaxoutDiscriminator


def discriminator(shape: tuple[int, int, int]) -> ConvMaxoutDiscriminator:
    """D with the paper's kernels and pools."""
    convolutions = [
        {"channels": 4, "kernel": 8, "pad": 4, "pool": 4, "stride": 2},
        {"channels": 4, "kernel": 8, "pad": 3, "pool": 4, "stride": 2},
        {"channels": 6, "kernel": 5, "pad": 3, "pool": 2, "stride": 2},
    ]
    return ConvMaxoutDiscriminator(shape, convolutions, 2, [7], 5, [0.005])


def generator(shape: tuple[int, int, int], channels: int = 4) -> DeconvGenerator:
    return DeconvGenerator(10, shape, [20], ["relu", "sigmoid"], channels, 5, 3, [0.05])


def test_dropout_of_the_papers_discriminator() -> None:
    layers = discriminator((3, 32, 32)).layers
    keep_probs = [layer.keep_prob for layer in layers if isinstance(layer, Dropout)]
    assert keep_probs == [0.8, 0.5, 0.5, 0.5, 0.5]


def test_sizes_of_the_papers_generator() -> None:
    g = generator((3, 32, 32), channels=80)
    assert g.hidden[2].out_features == 8000
    assert g.deconv(torch.rand(1, 80, 10, 10)).shape == (1, 3, 32, 32)  # not cropped


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64)])
def test_pairs_fit_the_data(shape: tuple[int, int, int]) -> None:
    z = torch.randn(3, 10)
    for g, d in (
        (generator(shape), discriminator(shape)),
        (DCGANGenerator(10, shape, width=8), DCGANDiscriminator(shape, width=8)),
    ):
        x = g(z)
        assert x.shape == (3, *shape)
        assert g.output_range[0] <= x.min() <= x.max() <= g.output_range[1]
        assert d(x).shape == (3,)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: discriminator((1, 6, 6)), "as entry 2, which gets maps of 3 x 3"),
        (lambda: generator((1, 4, 4)), "kernel is 5; it must be at most 4"),
        (lambda: DCGANGenerator(10, (1, 30, 30)), r"shape is \(1, 30, 30\)"),
        (lambda: DCGANGenerator(10, (1, 7, 7)), r"shape is \(1, 7, 7\)"),
    ],
)
def test_a_geometry_that_can_not_work(build, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build()
