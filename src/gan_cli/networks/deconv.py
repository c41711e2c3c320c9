"""The paper's convolutional pair for CIFAR-10: maxout discriminator, deconvolution generator."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from gan_cli.errors import UserError
from gan_cli.networks.layers import OUTPUTS, Activation, Output, UntiedBias, init_uniform
from gan_cli.networks.mlp import hidden_layers
from gan_cli.ranges import Count, Positive


class DeconvGenerator(nn.Module):
    """G of the paper's convolutional recipe: z (m, z_dim) -> images (m, C, H, W).

    Hidden layers of `widths`, one more to `channels` maps, and a transposed convolution of the
    given `kernel` and `stride` without padding, whose output is cropped at the centre (not at all
    for 32 x 32). `activations` are one for all hidden layers, that to the maps included, or one for
    each. The output's bias is untied: one for each pixel and channel. Weights come from U(-irange,
    irange), biases are 0. Raises UserError for a kernel larger than the images.
    """

    def __init__(
        self,
        z_dim: Count,
        shape: Sequence[Count],
        widths: Sequence[Count],
        activations: Sequence[Activation],
        channels: Count,
        kernel: Count,
        stride: Count,
        irange: Sequence[Positive],
        output: Output = "linear",
        max_col_norm: Positive | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.max_col_norm = tuple(shape), max_col_norm
        if kernel > min(self.shape[1:]):
            raise UserError(
                f"kernel is {kernel}; it must be at most {min(self.shape[1:])}, as the images are."
            )
        # As small as reaches the images' size.
        small = [math.ceil((size - kernel) / stride) + 1 for size in self.shape[1:]]
        activate, self.output_range = OUTPUTS[output]
        widths = [*widths, channels * math.prod(small)]
        self.hidden = hidden_layers(z_dim, widths, activations, [False])
        self.maps = nn.Unflatten(1, (channels, *small))
        self.deconv = nn.ConvTranspose2d(channels, self.shape[0], kernel, stride, bias=False)
        self.bias = UntiedBias(self.shape)
        self.activate = activate()
        init_uniform(self, irange)

    def forward(self, z: Tensor) -> Tensor:
        """Return G(z)."""
        large = self.deconv(self.maps(self.hidden(z)))
        _, height, width = self.shape
        top, left = (large.shape[2] - height) // 2, (large.shape[3] - width) // 2
        x = large[:, :, top : top + height, left : left + width]
        return self.activate(self.bias(x))
