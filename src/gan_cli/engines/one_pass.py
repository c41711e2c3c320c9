"""Updates in which real and generated images share one pass through D.

For a D whose logits don't depend on the minibatch, as with batch normalisation they do:
`is_per_sample` checks it.
"""

import copy
import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_cli.data.minibatches import Minibatch
from gan_cli.game import updates
from gan_cli.game.state import State, parameters
from gan_cli.game.updates import Game, Update

# Below this, a sample's weight in D's loss is too small to change a float32 parameter.
NEGLIGIBLE = 1e-20


def is_per_sample(discriminator: nn.Module, x: Tensor, *c: Tensor) -> bool:
    """Return whether D's logit of an example is the same in any minibatch, such as (x, *c).

    Tried on a copy in training mode, with the same masks each time, so that it holds for any
    network; D must be as it was built, its dropout still drawing from PyTorch's global stream.
    """
    trial, logits = copy.deepcopy(discriminator).train(), []
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for others in (x[1:], torch.rand_like(x[1:])):
            torch.manual_seed(0)
            logits.append(trial(torch.cat([x[:1], others]), *c)[0])
    # One example has no others to be tried with.
    return len(x) > 1 and torch.equal(logits[0], logits[1])


def score(discriminator: nn.Module, real: Minibatch, fake: Minibatch) -> tuple[Tensor, Tensor]:
    """Return D's logits for real and for generated (x, *c), (m,) each, by one pass over both."""
    both = (torch.cat([x.to(fake.dtype), fake]) for x, fake in zip(real, fake, strict=True))
    real_logits, fake_logits = discriminator(*both).chunk(2)
    return real_logits, fake_logits


# With one pass through D for each of its updates.
alternating: Update = functools.partial(updates.alternating, score=score)


def simultaneous(state: State, game: Game, minibatches: Sequence[Minibatch]) -> Tensor:
    """`updates.simultaneous`, with one pass through D in each direction.

    One backward pass serves both players (Shen et al., 2021, "Training GANs in One Stage"): D has
    one logit a sample, so the gradients of the two losses at a sample are the same up to a factor,
    the ratio of the losses' slopes at its logit.
    """
    ((x, *c),) = minibatches
    fake_c = game.fake_condition(c, state.rng)
    fake = state.generator(game.prior(len(x), state.rng), *fake_c)
    leaf = fake.detach().requires_grad_()
    logits = torch.cat(score(state.discriminator, (x, *c), (leaf, *fake_c)))

    # The losses as functions of the logits alone, and their slopes there.
    real_logits, fake_logits = (part.requires_grad_() for part in logits.detach().chunk(2))
    g_logits = fake_logits.detach().requires_grad_()
    d_loss = game.objective.discriminator_loss(real_logits, fake_logits)
    g_loss = game.objective.generator_loss(g_logits)
    d_real_slope, d_fake_slope, g_slope = torch.autograd.grad(
        [d_loss, g_loss], [real_logits, fake_logits, g_logits]
    )

    # The ratio must be finite for any logit, hence the bound; it doesn't change D's update.
    d_fake_slope = d_fake_slope.abs().clamp_min(NEGLIGIBLE).copysign(d_fake_slope)
    logits.backward(
        torch.cat([d_real_slope, d_fake_slope]), inputs=[*parameters(state.d_optimizer), leaf]
    )
    assert leaf.grad is not None
    fake_gradient = leaf.grad * (g_slope / d_fake_slope).view(-1, *[1] * (fake.dim() - 1))
    fake.backward(fake_gradient.to(fake.dtype), inputs=parameters(state.g_optimizer))
    for optimizer in (state.d_optimizer, state.g_optimizer):
        game.set_hyperparameters(optimizer, state.step)
        optimizer.step()
        optimizer.zero_grad()
    return torch.stack([real_logits, fake_logits, g_logits]).detach()
