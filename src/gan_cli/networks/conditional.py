"""Conditional pairs: networks that take labels as well, G(z, y) and D(x, y) (section 7).

y is int64 (m,), or float (m, classes): weights of the classes, of which labels are the corners, so
that there are ways from class to class.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.networks.dcgan import STD, DCGANDiscriminator, DCGANGenerator
from gan_cli.networks.layers import Output
from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Generator
from gan_cli.ranges import Count


def class_weights(y: Tensor, classes: int, like: Tensor) -> Tensor:
    """Return one-hot rows for labels y (m,), or weights (m, classes) as they are, typed as `like`.

    Without a look at y's values, for which `nn.functional.one_hot` waits.
    """
    if not y.is_floating_point():
        y = y[:, None] == torch.arange(classes, device=y.device)
    return y.to(like.dtype)


class ConditionalGenerator(Generator):
    """G of Mirza and Osindero (2014): `mlp.Generator` of z and a one-hot label."""

    def __init__(
        self,
        z_dim: Count,
        classes: Count,
        shape: Sequence[Count],
        widths: Sequence[Count],
        **settings: Any,
    ) -> None:
        super().__init__(z_dim + classes, shape, widths, **settings)
        self.classes = classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        """Return G(z, y)."""
        return super().forward(torch.cat([z, class_weights(y, self.classes, z)], 1))


class ConditionalMaxoutDiscriminator(MaxoutDiscriminator):
    """D of Mirza and Osindero (2014): `MaxoutDiscriminator` of x and a one-hot label.

    Dropout never drops the label itself.
    """

    def __init__(
        self, shape: Sequence[Count], classes: Count, units: Sequence[Count], **settings: Any
    ) -> None:
        super().__init__([math.prod(shape) + classes], units, **settings)
        self.classes = classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        """Return the logit of D(x, y)."""
        dropout, *layers = self.layers
        x = dropout(x.flatten(1))
        x = torch.cat([x, class_weights(y, self.classes, x)], 1)
        for layer in layers:
            x = layer(x)
        return x.squeeze(1)


class ConditionalDCGANGenerator(nn.Module):
    """G: `DCGANGenerator` of z beside an embedding of the label, of `embedding` numbers."""

    def __init__(
        self,
        z_dim: Count,
        classes: Count,
        shape: Sequence[Count],
        embedding: Count = 50,
        width: Count = 64,
        output: Output = "tanh",
    ) -> None:
        super().__init__()
        self.embed = _embedding(classes, embedding, 1)
        self.generator = DCGANGenerator(z_dim + embedding, shape, width, output)
        self.output_range = self.generator.output_range

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Return G(z, y)."""
        embedded = self.embed(class_weights(y, self.embed.in_features, z))
        return self.generator(torch.cat([z, embedded], 1))


class ProjectionDiscriminator(nn.Module):
    """D of Miyato and Koyama (2018): logit = linear(phi(x)) + embed(y) . phi(x).

    phi(x) are the last maps of `DCGANDiscriminator`, and linear is its last convolution.
    """

    def __init__(self, shape: Sequence[Count], classes: Count, width: Count = 64) -> None:
        super().__init__()
        layers = DCGANDiscriminator(shape, width).layers
        self.phi, self.linear = layers[:-2], layers[-2]
        features = sum(p.numel() for p in self.linear.parameters()) - 1
        self.embed = _embedding(classes, features, STD)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logit of D(x, y)."""
        phi = self.phi(x)
        embedded = self.embed(class_weights(y, self.embed.in_features, phi))
        return self.linear(phi).flatten() + (embedded * phi.flatten(1)).sum(1)


def _embedding(classes: int, dim: int, std: float) -> nn.Linear:
    """Return a map of class weights (m, classes) to (m, dim): each class has its vector."""
    embed = nn.Linear(classes, dim, bias=False)
    nn.init.normal_(embed.weight, 0, std)
    return embed
