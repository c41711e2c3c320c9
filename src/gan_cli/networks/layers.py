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
    """Keeps each unit with probability `keep_prob` (Hinton et al., 2012).

    `scaled`: a kept unit is scaled by 1 / keep_prob, and eval mode is the identity. Otherwise it is
    left as it is, and eval mode scales every unit by `keep_prob`. Unlike `nn.Dropout`, draws its
    masks from `rng`, a generator that the training state owns and saves; None stands for PyTorch's
    global one. Works on tensors of any shape.
    """

    def __init__(self, keep_prob: float, scaled: bool = True) -> None:
        super().__init__()
        self.keep_prob, self.scaled = keep_prob, scaled
        self.rng: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of `x`."""
        if self.keep_prob == 1:
            return x
        if not self.training:
            return x if self.scaled else x * self.keep_prob
        mask = keep_mask(x, self.keep_prob, self.rng).to(x.dtype)
        return x * (mask * (1 / self.keep_prob) if self.scaled else mask)

    def extra_repr(self) -> str:
        """Return the settings, for where the module is printed."""
        return f"keep_prob={self.keep_prob}"


def keep_mask(like: Tensor, keep_prob: float, rng: torch.Generator | None) -> Tensor:
    """Return a mask in the shape of `like`, each element 1 with `keep_prob`, and 0 otherwise.

    A random byte an element where `keep_prob` is a multiple of 1/256, two otherwise (it is then
    exact to 2**-17, or 2**-16 beside 0 and 1): `bernoulli_` costs ten times as much and more on a
    CPU. It is of int8 or bfloat16: bools take eight times as long to make and to cast.
    """
    dtype, bits = (torch.int8, 8) if (keep_prob * 256).is_integer() else (torch.int16, 16)
    words = -(-like.numel() * bits // 64)
    random = torch.empty(words, dtype=torch.int64, device=like.device)
    random.random_(-(2**63), None, generator=rng)
    # Neither none nor all of the words; and 2**bits itself is no word.
    threshold = min(max(round(keep_prob * 2**bits), 1), 2**bits - 1) - 2 ** (bits - 1)
    mask = random.view(dtype)[: like.numel()].lt_(threshold)
    if dtype == torch.int16:
        # The bits of 1: of bfloat16 the compiler makes vectors, of int16 one number at a time.
        mask = mask.mul_(0x3F80).view(torch.bfloat16)
    # In the order of `like`'s memory: a product of two orders is many times slower.
    return mask.as_strided(like.shape, torch.empty_like(like).stride())


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
