"""The paper's convolutional pair for CIFAR-10: maxout discriminator, deconvolution generator."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_cli.errors import UserError
from gan_cli.networks.layers import (
    OUTPUTS,
    Dropout,
    Maxout,
    UntiedBias,
    init_uniform,
    max_of_pieces,
)
from gan_cli.networks.mlp import hidden_layers


class MaxoutConv(nn.Module):
    """Convolution, maximum over pieces, then max-pooling with sizes rounded up.

    (m, inputs, H, W) -> (m, channels, H', W'). Each piece of each channel has one bias.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        pieces: int,
        kernel: int,
        pad: int,
        pool: int,
        stride: int,
    ) -> None:
        super().__init__()
        self.pieces = pieces
        self.conv = nn.Conv2d(inputs, channels * pieces, kernel, padding=pad)
        self.pool = nn.MaxPool2d(pool, stride, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled maxima."""
        return self.pool(max_of_pieces(self.conv(x), self.pieces))

    @staticmethod
    def sizes(size: int, kernel: int, pad: int, pool: int, stride: int) -> tuple[int, int]:
        """Return the height (or width) after the convolution and after the pooling."""
        after = size + 2 * pad - kernel + 1
        # As PyTorch rounds up: a window must begin within the maps, which long strides may miss.
        return after, min(math.ceil((after - pool) / stride), (after - 1) // stride) + 1


class ConvMaxoutDiscriminator(nn.Module):
    """D of the paper's convolutional recipe: images (m, C, H, W) -> logits (m,).

    Convolutional layer i has `channels[i]` of `conv_pieces` pieces each, a kernel of `kernels[i]`
    with `pads[i]`, and pools over `pools[i]` in steps of `strides[i]`, rounded up. Then come maxout
    layers of `units` with `pieces`, and the logit. The first layer's input keeps a unit with
    probability `keep_input`, every other layer's with `keep_hidden`, elementwise and for each
    example; with `scale_kept` kept units are scaled by 1 over that. Weights come from U(-irange,
    irange), biases are 0. `max_col_norm` bounds each unit's incoming weights.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int],
        kernels: Sequence[int],
        pads: Sequence[int],
        pools: Sequence[int],
        strides: Sequence[int],
        conv_pieces: int,
        units: Sequence[int],
        pieces: int,
        irange: Sequence[float],
        keep_input: float = 0.8,
        keep_hidden: float = 0.5,
        scale_kept: bool = True,
        max_col_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.max_col_norm = max_col_norm
        lists = {"kernels": kernels, "pads": pads, "pools": pools, "strides": strides}
        for name, values in lists.items():
            if len(values) != len(channels):
                raise UserError(
                    f"{name} has {len(values)} entries; it takes {len(channels)}, one for each of "
                    "channels."
                )
        inputs, height, width = shape
        layers: list[nn.Module] = []
        keep = keep_input
        geometry = zip(channels, kernels, pads, pools, strides, strict=True)
        for i, (outputs, kernel, pad, pool, stride) in enumerate(geometry):
            after = [MaxoutConv.sizes(s, kernel, pad, pool, stride) for s in (height, width)]
            for size, (convolved, pooled) in zip((height, width), after, strict=True):
                if convolved < pool or pooled < 1:
                    raise UserError(
                        f"convolutional layer {i + 1} gets {height} x {width}: of {size}, kernel "
                        f"{kernel} with pad {pad} leaves {convolved}, too few for a pool of {pool};"
                        " fewer layers or smaller kernels, pools and strides fit."
                    )
            layers += [
                Dropout(keep, scale_kept),
                MaxoutConv(inputs, outputs, conv_pieces, kernel, pad, pool, stride),
            ]
            inputs, (height, width), keep = outputs, (a[1] for a in after), keep_hidden
        layers.append(nn.Flatten())
        features = inputs * height * width
        for outputs in units:
            layers += [Dropout(keep, scale_kept), Maxout(features, outputs, pieces)]
            features, keep = outputs, keep_hidden
        self.layers = nn.Sequential(*layers, Dropout(keep, scale_kept), nn.Linear(features, 1))
        init_uniform(self, irange)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of D(x)."""
        # With the channels innermost, pooling takes a tenth of the time on a CPU.
        return self.layers(x.contiguous(memory_format=torch.channels_last)).squeeze(1)


class DeconvGenerator(nn.Module):
    """G of the paper's convolutional recipe: z (m, z_dim) -> images (m, C, H, W).

    Hidden layers of `widths`, one more to `channels` maps, and a transposed convolution of the
    given `kernel` and `stride` without padding; the maps are as small as reaches the images' size,
    and what juts out is cut off evenly (nothing for 32 x 32). `activations` are one for all hidden
    layers, that to the maps included, or one for each. The output's bias is untied: one for each
    pixel and channel. Weights come from U(-irange, irange), biases are 0.
    """

    def __init__(
        self,
        z_dim: int,
        shape: Sequence[int],
        widths: Sequence[int],
        activations: Sequence[str],
        channels: int,
        kernel: int,
        stride: int,
        irange: Sequence[float],
        output: str = "linear",
        max_col_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.max_col_norm = tuple(shape), max_col_norm
        for size in self.shape[1:]:
            if size < kernel:
                raise UserError(
                    f"kernel is {kernel}, more than the images' {size}; the deconvolution takes "
                    "images at least as large as its kernel."
                )
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
        top, left = ((a - b) // 2 for a, b in zip(large.shape[2:], self.shape[1:], strict=True))
        _, height, width = self.shape
        x = large[:, :, top : top + height, left : left + width]
        return self.activate(self.bias(x))
