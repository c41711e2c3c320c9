import math

import pytest
import torch
from torch import nn

from gan_cli.errors import UserError
from gan_cli.networks.layers import Dropout
from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Discriminator, Generator

SHAPE = (1, 28, 28)


def test_the_papers_mnist_pair() -> None:
    g = Generator(100, SHAPE, [1200, 1200], init={"irange": [0.05], "biases": [0, 0, 2.0]})
    d = MaxoutDiscriminator(SHAPE, [240, 240], 5, [0.005])
    assert g(torch.randn(3, 100)).shape == (3, *SHAPE)
    assert d(torch.rand(3, *SHAPE)).shape == (3,)
    assert [layer.keep_prob for layer in d.layers if isinstance(layer, Dropout)] == [0.8, 0.5, 0.5]
    for network, irange in ((g, 0.05), (d, 0.005)):
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                assert layer.weight.abs().max() <= irange
                assert layer.weight.std().item() == pytest.approx(irange / math.sqrt(3), rel=0.1)
                assert (layer.bias == 2 * (layer is g.output)).all()


def test_a_generator_without_input_gives_the_mean_image() -> None:
    mean = torch.rand(SHAPE)
    mean[0, 0, :5] = 0
    mean[0, 1, :5] = 1
    g = Generator(4, SHAPE, [8], init={"irange": [1e-9], "marginal_bias": True})
    g.set_mean(mean)
    torch.testing.assert_close(g(torch.randn(2, 4))[0], mean, atol=2e-7, rtol=0)
    limit = math.log((1 - 1e-7) / 1e-7)
    assert g.output.bias.min().item() == pytest.approx(-limit, rel=1e-6)
    assert g.output.bias.max().item() == pytest.approx(limit, rel=1e-6)


@pytest.mark.parametrize(("output", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1)])
def test_output_range(output: str, low: float, high: float) -> None:
    g = Generator(4, (2, 3, 5), [8], output=output)
    x = g(100 * torch.randn(50, 4))
    assert x.shape == (50, 2, 3, 5)
    assert low <= x.min() < low + 0.1
    assert high - 0.1 < x.max() <= high
    assert g.output_range == (low, high)


def test_lists_hold_for_all_layers_or_for_each() -> None:
    g = Generator(4, SHAPE, [8, 9, 10], ["leaky_relu"], [False, True, True])
    kinds = [type(layer).__name__ for layer in g.hidden]
    assert kinds == ["Linear", "LeakyReLU", *["Linear", "BatchNorm1d", "LeakyReLU"] * 2]
    with pytest.raises(UserError, match="batch_norm has 2"):
        Generator(4, SHAPE, [8, 9, 10], batch_norm=[False, True])


def test_dropout_of_the_plain_discriminator() -> None:
    d = Discriminator((1, 2, 2), [50, 50], keep_prob=0.5)
    x = torch.rand(1, 1, 2, 2)
    assert d(x) != d(x)
    d.eval()
    assert d(x) == d(x)
