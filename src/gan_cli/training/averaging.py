"""The average of G's weights over the steps of training."""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

# Steps from one update of the average to the next: it takes a twentieth of an iteration's time.
AVERAGE_EVERY = 10


@torch.no_grad()
def update_average(
    average: nn.Module, generator: nn.Module, step: int, n: int, decay: float, power: float
) -> None:
    """Move `average` towards G as it is after `step`, by as much as `n` steps' updates would.

    The decay is `decay`, from the step on by which weights in proportion to t^`power` look back as
    far: a slow average would remember how it began, so it starts as a fast one.
    """
    move = get_ema_multi_avg_fn(min(decay, step / (step + power + 1)) ** n)
    move(list(average.parameters()), list(generator.parameters()), None)
    for mean, buffer in zip(average.buffers(), generator.buffers(), strict=True):
        mean.copy_(buffer)


def current_average(
    average: nn.Module, generator: nn.Module, step: int, decay: float, power: float
) -> nn.Module:
    """Return a copy of `average` with the steps since its last update in it; `average` stays."""
    current = copy.deepcopy(average)
    if step % AVERAGE_EVERY:
        update_average(current, generator, step, step % AVERAGE_EVERY, decay, power)
    return current
