"""The layers that PyTorch does not have as the paper has them."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from gan_cli.errors import UserError

Activation = Literal["relu", "leaky_relu", "tanh", "sigmoid"]
Output = Literal["sigmoid", "tanh", "linear"]

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

# Each output activation, with the range of values that it gives.
OUTPUTS: dict[Output, tuple[Callable[[], nn.Module], tuple[float, float]]] = {
    "sigmoid": (nn.Sigmoid, (0.0, 1.0)),
    "tanh": (nn.Tanh, (-1.0, 1.0)),
    "linear": (nn.Identity, (float("-inf"), float("inf"))),
}


class Dropout(nn.Module):
    """Dropout (Hinton et al., 2012): retains each unit with probability `keep_prob`; any shape.

    With `scaled`, training scales retained units by 1 / keep_prob; without, evaluation scales all
    units by keep_prob. Masks come from `rng`, which the training state owns and saves, or from
    PyTorch's global stream where it is None.
    """

    def __init__(self, keep_prob: float, scaled: bool = True) -> None:
        super().__init__()
        self.keep_prob, self.scaled = keep_prob, scaled
        self.rng: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with units dropped, in training mode."""
        if self.keep_prob == 1:
            return x
        if not self.training:
            return x if self.scaled else x * self.keep_prob
        mask = keep_mask(x, self.keep_prob, self.rng).to(x.dtype)
        return x * (mask * (1 / self.keep_prob) if self.scaled else mask)

    def extra_repr(self) -> str:
        """Return the settings, for where the module is printed."""
        return f"keep_prob={self.keep_prob}"


def keep_mask(
    like: Tensor, keep_prob: float, rng: torch.Generator | None, fast: bool | None = None
) -> Tensor:
    """Return a mask in the shape of `like`: each element 1 with probability `keep_prob`, or else 0.

    The fast form, by default that of CPUs, takes a tenth of the time of the plain one there. Its
    type is int8 or bfloat16, that of the plain form is `like`'s.
    """
    if not (like.device.type == "cpu" if fast is None else fast):
        return torch.empty_like(like).bernoulli_(keep_prob, generator=rng)
    return _mask_from_bytes(like, keep_prob, rng)


def _mask_from_bytes(like: Tensor, keep_prob: float, rng: torch.Generator | None) -> Tensor:
    """Return the mask, from one random byte an element where that is exact, from two otherwise.

    One is exact where `keep_prob` is a multiple of 1/256, two are to 2**-17 (2**-16 near 0 and 1).
    """
    dtype, bits = (torch.int8, 8) if (keep_prob * 256).is_integer() else (torch.int16, 16)
    words = torch.empty(-(-like.numel() * bits // 64), dtype=torch.int64, device=like.device)
    words.random_(-(2**63), None, generator=rng)
    # At least one value is retained and one dropped: 2**bits itself is beyond the type.
    threshold = min(max(round(keep_prob * 2**bits), 1), 2**bits - 1) - 2 ** (bits - 1)
    # In place, as bools take eight times as long to make and to cast.
    mask = words.view(dtype)[: like.numel()].lt_(threshold)
    if dtype == torch.int16:
        # 0x3F80 are the bits of 1 in bfloat16, which PyTorch's compiler vectorises; int16 it can't.
        mask = mask.mul_(0x3F80).view(torch.bfloat16)
    # In the order of `like`'s memory: a product of two orders is many times slower.
    return mask.as_strided(like.shape, torch.empty_like(like).stride())


class GaussianNoise(nn.Module):
    """Adds N(0, std^2) to each value in training mode; drawn as Dropout's masks are."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std
        self.rng: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return x, with noise in training mode."""
        if not self.training or self.std == 0:
            return x
        return x + self.std * torch.empty_like(x).normal_(generator=self.rng)

    def extra_repr(self) -> str:
        """Return the settings, for where the module is printed."""
        return f"std={self.std}"


class UntiedBias(nn.Module):
    """Adds a bias for each channel of each pixel to (m, C, H, W); zeros at first."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(*shape))

    def forward(self, x: Tensor) -> Tensor:
        """Return x + bias."""
        return x + self.bias


WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def init_uniform(
    module: nn.Module, irange: Sequence[float], biases: Sequence[float] = (0.0,)
) -> None:
    """Draw weights from U(-irange, irange), the initial range, and set the biases.

    Each is one for all layers or one for each, or raises UserError.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, WEIGHTED)]
    ranges = one_each("irange", irange, len(layers))
    for layer, r, bias in zip(layers, ranges, one_each("biases", biases, len(layers)), strict=True):
        nn.init.uniform_(layer.weight, -r, r)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, bias)


def init_sparse(layer: nn.Linear, n: int) -> None:
    """Give each output unit weights from N(0, 1) for n random inputs, and zeros for the others.

    Raises UserError where the layer has fewer than n inputs.
    """
    if n > layer.in_features:
        raise UserError(
            f"init.sparse is {n}; it must be at most {layer.in_features}, the output layer's "
            "inputs."
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


def one_each(setting: str, values: Sequence[T], layers: int) -> list[T]:
    """Return a value for each layer from `values`, one for all or one for each.

    Raises UserError, naming `setting`, for any other number.
    """
    if len(values) not in (1, layers):
        raise UserError(
            f"{setting} has {len(values)} entries; it takes one for all layers, or {layers}, one "
            "for each."
        )
    return list(values) if len(values) == layers else list(values) * layers
