"""A small trainer, for tests of whatever stands around it."""

import copy

import torch
from torch import nn

from gan_cli.data.minibatches import Minibatches
from gan_cli.data.source import Split
from gan_cli.engines import one_pass
from gan_cli.game import updates
from gan_cli.game.objectives import NonSaturating, Objective
from gan_cli.game.priors import Uniform
from gan_cli.game.state import new_state
from gan_cli.game.updates import Game, Update
from gan_cli.sampling.samples import DrawZ
from gan_cli.training.optimizers import Optimizer
from gan_cli.training.trainer import Trainer

# Each update in its plain form, and in one pass through D.
PLAIN = {"alternating": updates.alternating, "simultaneous": updates.simultaneous}
ONE_PASS = {"alternating": one_pass.alternating, "simultaneous": one_pass.simultaneous}


def noise(
    shape: tuple[int, int, int],
    n: int = 20,
    m: int = 6,
    dtype: torch.dtype = torch.float32,
    device: torch.device = torch.device("cpu"),  # noqa: B008
    classes: int | None = None,
) -> Minibatches:
    """Return minibatches of m of n images of noise, with labels of so many classes."""
    images = torch.randint(0, 256, (n, *shape), dtype=torch.uint8)
    data = Split(images, None if classes is None else torch.randint(classes, (n,)))
    return Minibatches(data, m, 1, lambda x: x.to(dtype) / 255, device, classes is not None)


def small_trainer(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: Optimizer,
    minibatches: Minibatches,
    update: Update = one_pass.simultaneous,
    k: int = 1,
    prior: DrawZ | None = None,
    objective: Objective | None = None,
    g_rate: float = 1.0,
    **average: float,
) -> Trainer:
    """Return a trainer on `minibatches`; G's learning rate is `g_rate` times D's."""
    dtype, device = minibatches[0][0].dtype, minibatches.device
    of_g = copy.copy(optimizer)
    of_g.lr *= g_rate
    builds = (of_g.build, optimizer.build)
    state = new_state(generator.to(dtype), discriminator.to(dtype), builds, 0, device)

    def set_hyperparameters(torch_optimizer: torch.optim.Optimizer, n: int) -> None:
        rule = of_g if torch_optimizer is state.g_optimizer else optimizer
        rule.set_hyperparameters(torch_optimizer, n, n // minibatches.per_epoch + 1)

    game = Game(objective or NonSaturating(), prior or Uniform(4), set_hyperparameters)
    return Trainer(state, game, update, minibatches, k, optimizer, **average)
