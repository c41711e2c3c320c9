"""Maxout (Goodfellow et al., 2013): the layer, and the paper's discriminators."""

import functools
import math
from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction, FunctionCtx
from typing_extensions import TypedDict  # before Python 3.12 pydantic needs this one

from gan_cli.errors import UserError
from gan_cli.networks.layers import Dropout, init_uniform
from gan_cli.ranges import Count, Positive, PositiveFraction


def max_of_pieces(a: Tensor, pieces: int, fast: bool | None = None) -> Tensor:
    """Return the maximum over the pieces of each unit, (m, pieces * units, ...) -> (m, units, ...).

    Pieces that share the maximum share the gradient equally. The fast form, by default that of
    CPUs, has the same bits as the plain one; on a GPU fewer kernels are faster.
    """
    split = a.unflatten(1, (pieces, -1))
    if pieces == 1 or not (a.device.type == "cpu" if fast is None else fast):
        return split.amax(1)
    return _MaxOfPieces.apply(split)


class _MaxOfPieces(torch.autograd.Function):
    """`amax(1)` and its gradient, the same to the bit, at a fifth of the cost on a CPU.

    Each pass stays in one type, as bools are slow, and in one order of memory.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, pieces: Tensor) -> Tensor:
        largest = functools.reduce(torch.maximum, pieces.unbind(1))
        ctx.save_for_backward(pieces, largest)
        return largest

    @staticmethod
    def backward(ctx: BackwardCFunction, gradient: Tensor) -> Tensor:
        # Which piece is the largest has no derivative; what is made of the gradient has one.
        pieces, largest = (x.detach() for x in ctx.saved_tensors)
        is_largest = torch.eq(pieces, largest.unsqueeze(1), out=torch.empty_like(pieces))
        share = gradient / is_largest.sum(1)
        return is_largest * share.unsqueeze(1)


class Maxout(nn.Module):
    """`units` units, each the maximum of `pieces` affine maps: (m, inputs) -> (m, units).

    Row p * units + u of the weight is piece p of unit u.
    """

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """Return each unit's largest piece."""
        return max_of_pieces(self.linear(x), self.pieces)


class MaxoutDiscriminator(nn.Module):
    """D of the paper: images (m, C, H, W) -> logits (m,), through maxout layers with dropout.

    Layer i has `units[i]` units of `pieces` affine maps each. Dropout retains the images' values
    with probability `keep_prob_input` and the inputs of all other layers with `keep_prob_hidden`;
    with `scale_kept` it scales them by 1 over that. Weights come from U(-irange, irange), one
    irange for all layers or one for each; biases are 0. `max_col_norm` bounds the norm of each
    unit's incoming weights.
    """

    def __init__(
        self,
        shape: Sequence[Count],
        units: Sequence[Count],
        pieces: Count,
        irange: Sequence[Positive],
        keep_prob_input: PositiveFraction = 0.8,
        keep_prob_hidden: PositiveFraction = 0.5,
        scale_kept: bool = True,
        max_col_norm: Positive | None = None,
    ) -> None:
        super().__init__()
        self.max_col_norm = max_col_norm
        head = _head(math.prod(shape), units, pieces, keep_prob_input, keep_prob_hidden, scale_kept)
        self.layers = nn.Sequential(*head)
        init_uniform(self, irange)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of D(x)."""
        return self.layers(x.flatten(1)).squeeze(1)


def _head(
    inputs: int,
    units: Sequence[int],
    pieces: int,
    keep_prob: float,
    keep_prob_hidden: float,
    scale_kept: bool,
) -> list[nn.Module]:
    """Return maxout layers and the logit's linear unit, each behind dropout.

    `keep_prob` is that of the first layer's inputs.
    """
    layers: list[nn.Module] = []
    for outputs in units:
        layers += [Dropout(keep_prob, scale_kept), Maxout(inputs, outputs, pieces)]
        inputs, keep_prob = outputs, keep_prob_hidden
    return [*layers, Dropout(keep_prob, scale_kept), nn.Linear(inputs, 1)]


class Convolution(TypedDict):
    """A convolution's output channels, kernel and padding, and the max-pooling behind it."""

    channels: Count
    kernel: Count
    pad: Annotated[int, Ge(0)]
    pool: Count
    stride: Count


class MaxoutConv(nn.Module):
    """Convolution, maximum over pieces, then max-pooling with sizes rounded up.

    (m, inputs, H, W) -> (m, channels, H', W'). Each piece of each channel has one bias.
    """

    def __init__(
        self, inputs: int, pieces: int, channels: int, kernel: int, pad: int, pool: int, stride: int
    ) -> None:
        super().__init__()
        self.pieces = pieces
        self.conv = nn.Conv2d(inputs, channels * pieces, kernel, padding=pad)
        self.pool = nn.MaxPool2d(pool, stride, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled maxima."""
        return self.pool(max_of_pieces(self.conv(x), self.pieces))


class ConvMaxoutDiscriminator(nn.Module):
    """D of the paper's convolutional recipe: images (m, C, H, W) -> logits (m,).

    `convolutions`, whose channels have `conv_pieces` pieces each, and then maxout layers of
    `units`; they, dropout, weights and their bound are as in MaxoutDiscriminator. Raises UserError
    where the maps get too small for a kernel or a pool.
    """

    def __init__(
        self,
        shape: Sequence[Count],
        convolutions: Sequence[Convolution],
        conv_pieces: Count,
        units: Sequence[Count],
        pieces: Count,
        irange: Sequence[Positive],
        keep_prob_input: PositiveFraction = 0.8,
        keep_prob_hidden: PositiveFraction = 0.5,
        scale_kept: bool = True,
        max_col_norm: Positive | None = None,
    ) -> None:
        super().__init__()
        self.max_col_norm = max_col_norm
        inputs, height, width = shape
        keep_prob = keep_prob_input
        layers: list[nn.Module] = []
        for i, convolution in enumerate(convolutions, start=1):
            layer = MaxoutConv(inputs, conv_pieces, **convolution)
            layers += [Dropout(keep_prob, scale_kept), layer]
            keep_prob = keep_prob_hidden
            try:
                inputs, height, width = layer(torch.zeros(1, inputs, height, width)).shape[1:]
            except RuntimeError as error:
                raise UserError(
                    f"convolutions has {convolution} as entry {i}, which gets maps of {height} x "
                    f"{width}, too small for its kernel or its pool; fewer layers or smaller "
                    "kernels, pools and strides fit."
                ) from error
        features = inputs * height * width
        head = _head(features, units, pieces, keep_prob, keep_prob_hidden, scale_kept)
        self.layers = nn.Sequential(*layers, nn.Flatten(), *head)
        init_uniform(self, irange)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of D(x)."""
        # With the channels innermost, pooling takes a tenth of the time on a CPU.
        return self.layers(x.contiguous(memory_format=torch.channels_last)).squeeze(1)
