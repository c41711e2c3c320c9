"""A modern convolutional pair: DCGAN (Radford et al., 2016), sized by the data."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from gan_cli.errors import UserError
from gan_cli.networks.layers import OUTPUTS, Output
from gan_cli.ranges import Count

STD = 0.02  # of the initial weights, as in the paper


class DCGANGenerator(nn.Module):
    """G: z (m, z_dim) -> square images (m, C, H, W), by transposed convolutions of stride 2.

    The last one takes `width` channels, each one before it twice as many.
    """

    def __init__(
        self, z_dim: Count, shape: Sequence[Count], width: Count = 64, output: Output = "tanh"
    ) -> None:
        super().__init__()
        base, doublings = _geometry(shape)
        activate, self.output_range = OUTPUTS[output]
        layers: list[nn.Module] = [nn.Unflatten(1, (z_dim, 1, 1))]
        inputs, geometry = z_dim, (base, 1, 0)
        for i in reversed(range(doublings)):
            outputs = width * 2**i
            layers += [
                nn.ConvTranspose2d(inputs, outputs, *geometry, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            inputs, geometry = outputs, (4, 2, 1)
        last = nn.ConvTranspose2d(inputs, shape[0], *geometry)
        self.layers = nn.Sequential(*layers, last, activate())
        _init(self)

    def forward(self, z: Tensor) -> Tensor:
        """Return G(z)."""
        return self.layers(z)


class DCGANDiscriminator(nn.Module):
    """D: square images (m, C, H, W) -> logits (m,), by convolutions of stride 2.

    The first one gives `width` channels, each one after it twice as many.
    """

    def __init__(self, shape: Sequence[Count], width: Count = 64) -> None:
        super().__init__()
        base, doublings = _geometry(shape)
        layers: list[nn.Module] = [nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for _ in range(doublings - 1):
            layers += [
                nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(2 * width),
                nn.LeakyReLU(0.2),
            ]
            width *= 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, base), nn.Flatten(0))
        _init(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of D(x)."""
        return self.layers(x)


def _geometry(shape: Sequence[int]) -> tuple[int, int]:
    """Return the size of the smallest maps, 4 to 7, and how often it is doubled."""
    _, height, width = shape
    doublings = max(int(math.log2(height / 4)), 0)
    base = height // 2**doublings
    if height != width or base * 2**doublings != height or doublings < 1:
        raise UserError(
            f"shape is {tuple(shape)}; each layer halves the image, so it must be square, of 4, 5, "
            "6 or 7 times a power of two from 2 on: 28, 32 and 64, say."
        )
    return base, doublings


def _init(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, STD)
