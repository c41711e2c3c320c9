"""Maxout (Goodfellow et al., 2013): the layer, and the paper's discriminators."""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from gan_cli.errors import UserError
from gan_cli.networks.layers import Dropout, init_uniform
from gan_cli.ranges import Count, Positive, PositiveFraction


class _MaxOfPieces(torch.autograd.Function):
    """`Tensor.amax` and its gradient, the same to the bit, at a fifth of the cost on a CPU.

    Its passes keep to one type, bools being slow there, and to one order of memory. A gradient that
    is to be differentiated in turn is made of differentiable operations instead.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, pieces: int) -> Tensor:
        first, *others = a.unflatten(1, (pieces, -1)).unbind(1)
        largest = first.clone() if not others else first
        for piece in others:
            largest = torch.maximum(largest, piece)
        ctx.save_for_backward(a, largest)
        ctx.pieces = pieces
        return largest

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        a, largest = ctx.saved_tensors
        if torch.is_grad_enabled():  # as under create_graph=True
            is_largest = a.unflatten(1, (ctx.pieces, -1)) == largest.unsqueeze(1)
            shares = is_largest / is_largest.sum(1, keepdim=True)
            return (shares.to(a.dtype) * gradient.unsqueeze(1)).flatten(1, 2), None
        result = torch.empty_like(a)
        pieces, is_largest = (x.unflatten(1, (ctx.pieces, -1)) for x in (a, result))
        torch.eq(pieces, largest.unsqueeze(1), out=is_largest)
        first, *others = is_largest.unbind(1)
        shared = first.clone()
        for other in others:
            shared += other
        is_largest *= torch.div(gradient, shared, out=shared).unsqueeze(1)
        return result, None


def max_of_pieces(a: Tensor, pieces: int) -> Tensor:
    """Return the maximum over the pieces of each unit, (m, pieces * units, ...) -> (m, units, ...).

    Pieces lie outermost, so that it is a running one over contiguous rows. Where several share it,
    each gets an equal part of the gradient.
    """
    if a.is_cuda:  # Where fewer kernels are faster, as long as they are small.
        return a.unflatten(1, (pieces, -1)).amax(1)
    largest: Tensor = _MaxOfPieces.apply(a, pieces)
    return largest


class Maxout(nn.Module):
    """`units` units, each the maximum of `pieces` affine maps (Goodfellow et al., 2013).

    (m, inputs) -> (m, units). Row p * units + u of the weight is piece p of unit u.
    """

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.units, self.pieces = units, pieces
        self.linear = nn.Linear(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """Return each unit's largest piece."""
        return max_of_pieces(self.linear(x), self.pieces)


class MaxoutDiscriminator(nn.Module):
    """D of the paper: images (m, C, H, W) -> logits (m,), through maxout layers with dropout.

    Layer i has `units[i]` units of `pieces` affine maps each. The first layer's input keeps a unit
    with probability `keep_prob_input`, every other layer's, the last one's too, with
    `keep_prob_hidden`; with `scale_kept` kept units are scaled by 1 over that. Weights come from
    U(-irange, irange), one irange for all layers or one for each; biases are 0. `max_col_norm`
    bounds each unit's incoming weights.
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
        sizes = [math.prod(shape), *units]
        keeps = [keep_prob_input] + [keep_prob_hidden] * len(units)
        layers: list[nn.Module] = []
        for inputs, outputs, keep in zip(sizes[:-1], units, keeps[:-1], strict=True):
            layers += [Dropout(keep, scale_kept), Maxout(inputs, outputs, pieces)]
        last = Dropout(keeps[-1], scale_kept)
        self.layers = nn.Sequential(*layers, last, nn.Linear(sizes[-1], 1))
        init_uniform(self, irange)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of D(x)."""
        return self.layers(x.flatten(1)).squeeze(1)


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
    probability `keep_prob_input`, every other layer's with `keep_prob_hidden`, elementwise and for
    each example; with `scale_kept` kept units are scaled by 1 over that. Weights come from
    U(-irange, irange), biases are 0. `max_col_norm` bounds each unit's incoming weights.
    """

    def __init__(
        self,
        shape: Sequence[Count],
        channels: Sequence[Count],
        kernels: Sequence[Count],
        pads: Sequence[Annotated[int, Ge(0)]],
        pools: Sequence[Count],
        strides: Sequence[Count],
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
        lists = {"kernels": kernels, "pads": pads, "pools": pools, "strides": strides}
        for name, values in lists.items():
            if len(values) != len(channels):
                raise UserError(
                    f"{name} has {len(values)} entries; it takes {len(channels)}, one for each of "
                    "channels."
                )
        inputs, height, width = shape
        layers: list[nn.Module] = []
        keep = keep_prob_input
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
            inputs, (height, width), keep = outputs, (a[1] for a in after), keep_prob_hidden
        layers.append(nn.Flatten())
        features = inputs * height * width
        for outputs in units:
            layers += [Dropout(keep, scale_kept), Maxout(features, outputs, pieces)]
            features, keep = outputs, keep_prob_hidden
        self.layers = nn.Sequential(*layers, Dropout(keep, scale_kept), nn.Linear(features, 1))
        init_uniform(self, irange)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of D(x)."""
        # With the channels innermost, pooling takes a tenth of the time on a CPU.
        return self.layers(x.contiguous(memory_format=torch.channels_last)).squeeze(1)
