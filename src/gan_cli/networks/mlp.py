"""Fully connected generators and discriminators."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import TypedDict  # before Python 3.12 pydantic needs this one

from gan_cli.errors import UserError
from gan_cli.networks.layers import (
    ACTIVATIONS,
    OUTPUTS,
    Activation,
    Dropout,
    Output,
    init_sparse,
    init_uniform,
    one_each,
)
from gan_cli.ranges import Count, Number, Positive, PositiveFraction


class InitialWeights(TypedDict, total=False):
    """How weights and biases start.

    Weights come from U(-irange, irange) and biases are `biases`, each one for all layers or one for
    each, the output layer last; where irange is None, PyTorch draws both. With `sparse`, each
    output unit has that many weights, from N(0, 1). With `marginal_bias`, the output starts at the
    mean training image, for which it must be a sigmoid.
    """

    irange: Sequence[Positive] | None
    biases: Sequence[Number]
    sparse: Count | None
    marginal_bias: bool


AS_PYTORCH: InitialWeights = {}


class Generator(nn.Module):
    """G: z (m, z_dim) -> images (m, C, H, W), through hidden layers of the given `widths`.

    `activations` and `batch_norm` are one for all hidden layers or one for each; `output` is
    `sigmoid`, `tanh` or `linear`, and `output_range` the range of its values. `max_col_norm` bounds
    the norm of each unit's incoming weights.
    """

    def __init__(
        self,
        z_dim: Count,
        shape: Sequence[Count],
        widths: Sequence[Count],
        activations: Sequence[Activation] = ("relu",),
        batch_norm: Sequence[bool] = (False,),
        output: Output = "sigmoid",
        init: InitialWeights = AS_PYTORCH,
        max_col_norm: Positive | None = None,
    ) -> None:
        super().__init__()
        self.marginal_bias = init.get("marginal_bias", False)
        if self.marginal_bias and output != "sigmoid":
            raise UserError(
                f"init.marginal_bias is true with output {output}; it is the logit of the mean "
                "image, so output must be sigmoid."
            )
        self.shape, self.max_col_norm = tuple(shape), max_col_norm
        activate, self.output_range = OUTPUTS[output]
        self.hidden = hidden_layers(z_dim, widths, activations, batch_norm)
        self.output = nn.Linear(([z_dim, *widths])[-1], math.prod(self.shape))
        self.activate = activate()
        if (irange := init.get("irange")) is not None:
            init_uniform(self, irange, init.get("biases", (0.0,)))
        if (sparse := init.get("sparse")) is not None:
            init_sparse(self.output, sparse)

    def set_mean(self, mean: Tensor) -> None:
        """With `init.marginal_bias`, start at the mean training image (C, H, W) in model space.

        The output's bias becomes logit(mean clipped to [1e-7, 1 - 1e-7]), as in the released code.
        """
        if self.marginal_bias:
            # In float64: 1 - 1e-7 is not a float32, and its logit would be off by a fifth.
            clipped = mean.double().flatten().clamp(1e-7, 1 - 1e-7)
            with torch.no_grad():
                self.output.bias.copy_(clipped.logit())

    def forward(self, z: Tensor) -> Tensor:
        """Return G(z)."""
        return self.activate(self.output(self.hidden(z))).view(-1, *self.shape)


class Discriminator(nn.Module):
    """D: images (m, C, H, W) -> logits (m,), through hidden layers of the given `widths`.

    `activations` and `batch_norm` are one for all hidden layers or one for each; dropout retains
    hidden units with probability `keep_prob`. PyTorch draws the initial weights.
    """

    def __init__(
        self,
        shape: Sequence[Count],
        widths: Sequence[Count],
        activations: Sequence[Activation] = ("leaky_relu",),
        batch_norm: Sequence[bool] = (False,),
        keep_prob: PositiveFraction = 1.0,
    ) -> None:
        super().__init__()
        inputs = math.prod(shape)
        self.hidden = hidden_layers(inputs, widths, activations, batch_norm, keep_prob)
        self.output = nn.Linear(([inputs, *widths])[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of D(x)."""
        return self.output(self.hidden(x.flatten(1))).squeeze(1)


def hidden_layers(
    inputs: int,
    widths: Sequence[int],
    activations: Sequence[Activation],
    batch_norm: Sequence[bool],
    keep_prob: float = 1.0,
) -> nn.Sequential:
    """Return linear layers of the given `widths`, (m, inputs) -> (m, widths[-1])."""
    layers: list[nn.Module] = []
    activations = one_each("activations", activations, len(widths))
    batch_norm = one_each("batch_norm", batch_norm, len(widths))
    for width, activation, norm in zip(widths, activations, batch_norm, strict=True):
        layers.append(nn.Linear(inputs, width))
        if norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(ACTIVATIONS[activation]())
        if keep_prob < 1:
            layers.append(Dropout(keep_prob))
        inputs = width
    return nn.Sequential(*layers)


class Stacked(nn.Module):
    """G of TFD's second stage: `back`, a finished run's generator, behind `front`; both train.

    `front` maps z (m, z_dim) to what `back` takes as its z.
    """

    def __init__(self, front: nn.Module, back: nn.Module, max_col_norm: Positive | None = None):
        super().__init__()
        self.front, self.back, self.max_col_norm = front, back, max_col_norm
        if hasattr(back, "output_range"):
            self.output_range = back.output_range

    def start_from(self, finished: dict[str, Tensor]) -> None:
        """Load a finished run's generator into `back`."""
        self.back.load_state_dict(finished)

    def forward(self, z: Tensor) -> Tensor:
        """Return back(front(z))."""
        return self.back(self.front(z))
