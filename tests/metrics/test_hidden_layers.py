import torch
from torch import Tensor, nn

from gan_cli.metrics.hidden_layers import hidden_layers
from gan_cli.networks.dcgan import DCGANDiscriminator
from gan_cli.networks.maxout import MaxoutDiscriminator


def test_those_of_maxout_are_its_units() -> None:
    network = MaxoutDiscriminator([1, 4, 4], [6, 5], 3, [0.5]).eval()
    x = torch.rand(10, 1, 4, 4)
    _, first, _, second, *_ = network.layers
    expected = [first(x.flatten(1)), second(first(x.flatten(1)))]
    for parts in ([x], x.split(4)):
        torch.testing.assert_close(hidden_layers(network, parts), expected)


def test_maps_are_pooled_to_4_x_4() -> None:
    network = DCGANDiscriminator([3, 32, 32], width=2).eval()
    x = torch.rand(5, 3, 32, 32)
    first, second, third = hidden_layers(network, [x])
    maps = network.layers[:2](x)
    assert maps.shape == (5, 2, 16, 16)
    torch.testing.assert_close(first, nn.functional.max_pool2d(maps, 4).flatten(1))
    assert second.shape == (5, 4 * 16)
    torch.testing.assert_close(third, network.layers[:8](x).flatten(1))  # 4 x 4 already


class TwoHeads(nn.Module):
    """Patches through a shared layer, and two heads on the same features."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.a, self.b = nn.Linear(4, 3), nn.Linear(12, 1), nn.Linear(12, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.patch(x.reshape(-1, 4)).relu().reshape(len(x), -1)
        return (self.a(h) + self.b(h)).squeeze(1)


def test_a_layer_with_two_heads_counts_once() -> None:
    x = torch.rand(7, 1, 4, 4)
    (features,) = hidden_layers(TwoHeads(), [x])
    assert features.shape == (7, 12)


def test_a_single_layer_has_none_hidden() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))
    assert hidden_layers(network, [torch.rand(3, 1, 4, 4)]) == []
