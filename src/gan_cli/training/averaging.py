"""The average of G's weights over the steps of training."""

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gan_cli.training.state import State
from gan_cli.training.step import Game

# Steps from one weighing-in of G into its average to the next: it is a twentieth of a step's time.
AVERAGE_EVERY = 10


@torch.no_grad()
def average(state: State, game: Game) -> None:
    """Weigh G, as the step just played left it, into its average: at every tenth step."""
    if (state.step + 1) % AVERAGE_EVERY:
        return
    t = state.step + 1  # A slow average would remember how it began, so it starts as a fast one.
    decay = min(game.ema_decay, t / (t + game.ema_power + 1)) ** AVERAGE_EVERY
    weigh_in = get_ema_multi_avg_fn(decay)
    weigh_in(list(state.average.parameters()), list(state.generator.parameters()), None)
    for mean, buffer in zip(state.average.buffers(), state.generator.buffers(), strict=True):
        mean.copy_(buffer)
