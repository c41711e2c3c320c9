"""How the players are updated: Algorithm 1, and the simultaneous update of the released code.

A minibatch is (x, *c): x in model space (m, C, H, W), and the condition c of both players, which is
nothing or labels y int64 (m,), as in p(x | y) (section 7, extension 1). So G(z, *c) is G(z) or
G(z, y), and D(x, *c) is D(x) or D(x, y).

This is the plain form, which every faster one in `gan_cli.engines` is tested against.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_cli.data.minibatches import Minibatch
from gan_cli.game.conditions import FakeCondition, as_real
from gan_cli.game.objectives import Objective, value
from gan_cli.game.priors import Prior
from gan_cli.game.state import State, parameters

# What `metrics` returns, in this order.
TRAINING_METRICS = (
    "d_loss",
    "g_loss",
    "value",
    "d_real",
    "d_fake",
    "d_accuracy_real",
    "d_accuracy_fake",
)


@dataclass(frozen=True)
class Game:
    """The players' objective, the priors of z and of G's condition, the schedule of the updates.

    `set_hyperparameters(optimizer, n)` sets learning rate and momentum for the update after n
    minibatches.
    """

    objective: Objective
    prior: Prior
    set_hyperparameters: Callable[[torch.optim.Optimizer, int], None]
    fake_condition: FakeCondition = as_real


Update = Callable[[State, Game, Sequence[Minibatch]], Tensor]
Score = Callable[[nn.Module, Minibatch, Minibatch], tuple[Tensor, Tensor]]


def score(discriminator: nn.Module, real: Minibatch, fake: Minibatch) -> tuple[Tensor, Tensor]:
    """Return D's logits for real and for generated (x, *c), (m,) each."""
    return discriminator(*real), discriminator(*fake)


def alternating(
    state: State, game: Game, minibatches: Sequence[Minibatch], score: Score = score
) -> Tensor:
    """Do one iteration of Algorithm 1: an update of D on each of k minibatches, then one of G.

    `score` applies D to real and generated minibatches. Returns D's logits, (3, m): those of its
    last update, for real and for generated images, and those of G's update.
    """
    for n, (x, *c) in enumerate(minibatches, start=state.step * len(minibatches)):
        fake_c = game.fake_condition(c, state.rng)
        with torch.no_grad():
            fake = state.generator(game.prior(len(x), state.rng), *fake_c)
        real_logits, fake_logits = score(state.discriminator, (x, *c), (fake, *fake_c))
        game.set_hyperparameters(state.d_optimizer, n)
        descend(state.d_optimizer, game.objective.discriminator_loss(real_logits, fake_logits))

    fake_c = game.fake_condition(c, state.rng)
    fake = state.generator(game.prior(len(x), state.rng), *fake_c)
    g_logits = state.discriminator(fake, *fake_c)
    game.set_hyperparameters(state.g_optimizer, n)
    descend(state.g_optimizer, game.objective.generator_loss(g_logits))
    return torch.stack([real_logits, fake_logits, g_logits]).detach()


def simultaneous(state: State, game: Game, minibatches: Sequence[Minibatch]) -> Tensor:
    """Update both players as the released code does: on the same z, from the old parameters.

    `minibatches` is a single one. Returns logits as `alternating`.
    """
    ((x, *c),) = minibatches
    fake_c = game.fake_condition(c, state.rng)
    fake = state.generator(game.prior(len(x), state.rng), *fake_c)
    real_logits, fake_logits = state.discriminator(x, *c), state.discriminator(fake, *fake_c)
    d_loss = game.objective.discriminator_loss(real_logits, fake_logits)
    g_loss = game.objective.generator_loss(fake_logits)
    d_loss.backward(inputs=parameters(state.d_optimizer), retain_graph=True)
    g_loss.backward(inputs=parameters(state.g_optimizer))
    for optimizer in (state.d_optimizer, state.g_optimizer):
        game.set_hyperparameters(optimizer, state.step)
        optimizer.step()
        optimizer.zero_grad()
    return torch.stack([real_logits, fake_logits, fake_logits]).detach()


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Update the parameters of `optimizer`, and no others, along the gradient of `loss`."""
    loss.backward(inputs=parameters(optimizer))
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def metrics(objective: Objective, logits: Tensor) -> Tensor:
    """Return TRAINING_METRICS, a float32 tensor: means over n steps' logits (n, 3, m)."""
    real_logits, fake_logits, g_logits = logits.unbind(1)
    means = [
        objective.discriminator_loss(real_logits, fake_logits),
        objective.generator_loss(g_logits),
        value(real_logits, fake_logits),
        real_logits.sigmoid().mean(),
        fake_logits.sigmoid().mean(),
        (real_logits > 0).float().mean(),
        (fake_logits < 0).float().mean(),
    ]
    return torch.stack(means)
