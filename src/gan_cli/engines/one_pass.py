"""Updates that cross D once: for a discriminator whose logits don't depend on the minibatch.

Batch normalisation in D forbids it; `per_sample` finds out.
"""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gan_cli.game import updates
from gan_cli.game.state import State, parameters
from gan_cli.game.updates import Game

# Below this, a sample's weight in D's loss is too small to change a float32 parameter.
NEGLIGIBLE = 1e-20


def score(discriminator: nn.Module, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return D's logits for real and for generated images, (m,) each, by one pass over both."""
    real_logits, fake_logits = discriminator(torch.cat([x.to(fake.dtype), fake])).chunk(2)
    return real_logits, fake_logits


def alternating(state: State, game: Game, minibatches: Sequence[Tensor]) -> Tensor:
    """`updates.alternating`, with one pass through D for each of its updates."""
    return updates.alternating(state, game, minibatches, score)


def simultaneous(state: State, game: Game, minibatches: Sequence[Tensor]) -> Tensor:
    """`updates.simultaneous`, with one pass through D in each direction.

    One backward pass serves both players (Shen et al., 2021, "Training GANs in One Stage"): D has
    one logit a sample, so the gradients of the two losses at a sample are the same up to a factor,
    the ratio of the losses' slopes at its logit.
    """
    (x,) = minibatches
    fake = state.generator(game.prior(len(x), state.rng))
    leaf = fake.detach().requires_grad_()
    logits = torch.cat(score(state.discriminator, x, leaf))

    # The losses as functions of the logits alone, and their slopes there.
    real_logits, fake_logits = (part.requires_grad_() for part in logits.detach().chunk(2))
    g_logits = fake_logits.detach().requires_grad_()
    d_loss = game.objective.discriminator_loss(real_logits, fake_logits)
    g_loss = game.objective.generator_loss(g_logits)
    at_real, at_fake, g_slope = torch.autograd.grad(
        [d_loss, g_loss], [real_logits, fake_logits, g_logits]
    )

    # The ratio must be finite for any logit, hence the bound; D does not feel it.
    at_fake = at_fake.abs().clamp_min(NEGLIGIBLE).copysign(at_fake)
    logits.backward(torch.cat([at_real, at_fake]), inputs=[*parameters(state.d_optimizer), leaf])
    assert leaf.grad is not None
    at_samples = leaf.grad * (g_slope / at_fake).view(-1, *[1] * (fake.dim() - 1))

    # D moves as soon as its gradients are there, while they are in the cache: that with respect to
    # G's samples is taken already.
    def update_d() -> None:
        game.set_rates(state.d_optimizer, state.step)
        state.d_optimizer.step()
        state.d_optimizer.zero_grad()

    wait = _beside(state.rng.device, update_d)
    fake.backward(at_samples.to(fake.dtype), inputs=parameters(state.g_optimizer))
    game.set_rates(state.g_optimizer, state.step)
    state.g_optimizer.step()
    state.g_optimizer.zero_grad()
    wait()
    return torch.stack([real_logits, fake_logits, g_logits]).detach()


def _beside(device: torch.device, work: Callable[[], None]) -> Callable[[], None]:
    """Start `work` beside what follows, on a GPU in a stream of its own; return what waits for it.

    Small pairs leave most of a GPU idle.
    """
    if device.type != "cuda":
        work()
        return lambda: None
    here, beside = torch.cuda.current_stream(device), _side_stream(device)
    beside.wait_stream(here)
    with torch.cuda.stream(beside):
        work()
    return lambda: here.wait_stream(beside)


# One, whose memory is used again: each stream has its own.
_side_stream = functools.cache(torch.cuda.Stream)
