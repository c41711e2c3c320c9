"""Matrix products in fewer bits than the weights have."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from gan_cli.data.minibatches import Minibatch
from gan_cli.game.state import State
from gan_cli.game.updates import Game, Update
from gan_cli.networks.classifier import Classifier


class Autocast(nn.Module):
    """`network` with its matrix products in `dtype`, and `as_float32` its output in float32."""

    def __init__(self, network: nn.Module, dtype: torch.dtype, as_float32: bool) -> None:
        super().__init__()
        self.network, self.dtype, self.as_float32 = network, dtype, as_float32

    def forward(self, x: Tensor, *c: Tensor) -> Tensor:
        """Return network(x, *c)."""
        with torch.autocast(x.device.type, self.dtype):
            output: Tensor = self.network(x, *c)
        return output.float() if self.as_float32 else output


class AutocastClassifier(Classifier):
    """A D that classifies, with its matrix products in `dtype` and its output in float32."""

    def __init__(self, network: Classifier, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype

    def classify(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return network.classify(x)."""
        with torch.autocast(x.device.type, self.dtype):
            class_logits, features = self.network.classify(x)
        return class_logits.float(), features.float()


def in_precision(update: Update, state: State, dtype: torch.dtype) -> Update:
    """Return `update` of `state` with both networks' matrix products in `dtype`.

    Weights, their updates, logits and losses stay float32.
    """
    generator = Autocast(state.generator, dtype, as_float32=False)
    discriminator = state.discriminator
    discriminator = (
        AutocastClassifier(discriminator, dtype)
        if isinstance(discriminator, Classifier)
        else Autocast(discriminator, dtype, as_float32=True)
    )

    def update_in_precision(state: State, game: Game, minibatches: Sequence[Minibatch]) -> Tensor:
        players = replace(state, generator=generator, discriminator=discriminator)
        return update(players, game, minibatches)

    return update_in_precision
