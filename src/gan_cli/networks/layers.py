"""The layers that PyTorch does not have as the paper has them."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gan_cli.errors import UserError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

# Each output activation, with the range of values that it gives.
OUTPUTS = {
    "sigmoid": (nn.Sigmoid, (0.0, 1.0)),
    "tanh": (nn.Tanh, (-1.0, 1.0)),
    "linear": (nn.Identity, (float("-inf"), float("inf"))),
}


class Dropout(nn.Module):
    """Keeps each unit with probability `keep` (Hinton et al., 2012).

    `scaled`: a kept unit is scaled by 1 / keep, and eval mode is the identity. Otherwise it is left
    as it is, and eval mode scales every unit by `keep`. Unlike `nn.Dropout`, draws its masks from
    `rng`, a generator that the training state owns and saves; None stands for PyTorch's global one.
    Works on tensors of any shape.
    """

    def __init__(self, keep: float, scaled: bool = True) -> None:
        super().__init__()
        self.keep, self.scaled = keep, scaled
        self.rng: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of `x`."""
        if self.keep == 1:
            return x
        if not self.training:
            return x if self.scaled else x * self.keep
        mask = keep_mask(x, self.keep, self.rng).to(x.dtype)
        return x * (mask * (1 / self.keep) if self.scaled else mask)

    def extra_repr(self) -> str:
        """Say `keep` where the module is printed."""
        return f"keep={self.keep}"


def keep_mask(like: Tensor, keep: float, rng: torch.Generator | None) -> Tensor:
    """Return a mask in the shape of `like`, each element 1 with probability `keep` and 0 otherwise.

    A random byte an element where `keep` is a multiple of 1/256, two otherwise (`keep` is then
    exact to 2**-17, or 2**-16 beside 0 and 1): `bernoulli_` costs ten times as much and more on a
    CPU. It is of int8 or bfloat16: bools take eight times as long to make and to cast.
    """
    dtype, bits = (torch.int8, 8) if (keep * 256).is_integer() else (torch.int16, 16)
    words = -(-like.numel() * bits // 64)
    random = torch.empty(words, dtype=torch.int64, device=like.device)
    random.random_(-(2**63), None, generator=rng)
    # Neither none nor all of the words; and 2**bits itself is no word.
    threshold = min(max(round(keep * 2**bits), 1), 2**bits - 1) - 2 ** (bits - 1)
    mask = random.view(dtype)[: like.numel()].lt_(threshold)
    if dtype == torch.int16:
        # The bits of 1: of bfloat16 the compiler makes vectors, of int16 one number at a time.
        mask = mask.mul_(0x3F80).view(torch.bfloat16)
    # In the order of `like`'s memory: a product of two orders is many times slower.
    return mask.as_strided(like.shape, torch.empty_like(like).stride())


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


class UntiedBias(nn.Module):
    """Adds a bias of its own to each channel of each pixel, (m, C, H, W); zeros at first."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(*shape))

    def forward(self, x: Tensor) -> Tensor:
        """Return x + bias."""
        return x + self.bias


WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def init_uniform(module: nn.Module, irange: Sequence[float]) -> None:
    """Draw weights from U(-r, r), r being one `irange` for all layers or one for each; biases 0."""
    layers = [layer for layer in module.modules() if isinstance(layer, WEIGHTED)]
    for layer, r in zip(layers, one_each("irange", irange, len(layers), ""), strict=True):
        nn.init.uniform_(layer.weight, -r, r)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def init_sparse(layer: nn.Linear, n: int) -> None:
    """Give each output unit n weights from N(0, 1), at places drawn for it, and zeros elsewhere.

    Raises UserError where the layer has fewer than n inputs.
    """
    if n > layer.in_features:
        raise UserError(
            f"sparse is {n}; the output layer has {layer.in_features} inputs, so it can be that at "
            "most."
        )
    with torch.no_grad():
        places = torch.rand_like(layer.weight).argsort(1)[:, :n]
        layer.weight.zero_().scatter_(1, places, torch.randn(len(layer.weight), n))


def bound_columns(network: nn.Module, c: float) -> None:
    """Scale each unit's incoming weight vector with norm above c down to c (`max_col_norm`).

    A maxout unit's pieces each have their own; a convolution's runs over its inputs and kernel.
    """
    for layer in network.modules():
        if isinstance(layer, WEIGHTED):
            unit = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            layer.weight.data.renorm_(2, unit, c)


T = TypeVar("T")


def one_each(setting: str, values: Sequence[T], layers: int, kind: str = "hidden ") -> list[T]:
    """Spread `values`, one for all or one for each, over the layers.

    Raises UserError, naming `setting`, for any other number.
    """
    if len(values) not in (1, layers):
        raise UserError(
            f"{setting} has {len(values)} entries; it takes one for all of the {layers} {kind}"
            "layers, or one for each."
        )
    return list(values) * (1 if len(values) == layers else layers)
