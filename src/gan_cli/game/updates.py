"""The game, one step at a time: Algorithm 1, and the simultaneous update of the released code."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.game.objectives import value
from gan_cli.game.state import State, bound

# What `metrics` tells, in this order.
METRICS = ("d_loss", "g_loss", "value", "d_real", "d_fake", "d_accuracy_real", "d_accuracy_fake")

# Below this, a row's weight in D's loss is too small to change a float32 parameter.
NEGLIGIBLE = 1e-20


@dataclass(frozen=True)
class Game:
    """The rules: what each player minimises, where z comes from, how fast and in which arithmetic.

    `set_rates(optimizer, t)` sets the rates of the update that follows t minibatches. `joint` says
    that D judges each example by itself, so that real and generated ones can share a pass; batch
    normalisation in D forbids it. `autocast` is the type of the matrix products, or None for
    float32. `ema_decay` is the decay of the average of G's weights, from the step on by which
    weights in proportion to t^`ema_power` look back as far (Shamir and Zhang, 2013).
    """

    objective: Any
    prior: Any
    set_rates: Callable[[torch.optim.Optimizer, int], None]
    joint: bool
    autocast: torch.dtype | None = None
    ema_decay: float = 0.0
    ema_power: float = 8.0


def alternating(state: State, game: Game, xs: Sequence[Tensor], y: Tensor | None = None) -> Tensor:
    """Play one iteration of Algorithm 1: a D-step for each of the k minibatches, then a G-step.

    `xs` are (m, C, H, W) in model space, `y` a condition that both networks get, or None. Nothing
    waits for the device. Returns the logits (3, m) that were judged by: of the real and of the
    generated examples of the last D-step, and of those of the G-step.
    """
    t = state.step * len(xs)
    with _autocast(state, game):
        for i, x in enumerate(xs):
            game.set_rates(state.d_optimizer, t + i)
            real_logits, fake_logits = _discriminator_step(state, game, x, y)

        fake = _generate(state, game, len(xs[-1]), y)
        g_logits = _judge(state.discriminator, fake, y)
        g_loss = game.objective.generator_loss(g_logits)
    game.set_rates(state.g_optimizer, t + len(xs) - 1)
    _update(state.generator, state.g_optimizer, g_loss)
    return torch.stack([real_logits, fake_logits, g_logits.detach()])


def simultaneous(state: State, game: Game, xs: Sequence[Tensor], y: Tensor | None = None) -> Tensor:
    """Update both players at their old parameters, from one forward pass: same z, same masks.

    Takes one minibatch in `xs`, (m, C, H, W) in model space, and a condition `y` or None. Returns
    logits as `alternating` does. Where the game is joint, one backward pass serves both (Shen et
    al., 2021, "Training GANs in One Stage"): D has one logit an example, so the gradients of the
    two losses at an example are the same up to a factor, the ratio of the losses' slopes at its
    logit.
    """
    (x,) = xs
    g_parameters, d_parameters = _moved_by(state.g_optimizer), _moved_by(state.d_optimizer)
    with _autocast(state, game):
        fake = _generate(state, game, len(x), y)
        leaf = fake.detach().requires_grad_()
        logits = _judge_both(state.discriminator, game, x, leaf, y)

    # The losses as functions of the logits alone, and their slopes there.
    real_logits, fake_logits = (part.requires_grad_() for part in logits.detach().chunk(2))
    g_logits = fake_logits.detach().requires_grad_()
    d_loss = game.objective.discriminator_loss(real_logits, fake_logits)
    g_loss = game.objective.generator_loss(g_logits)
    at_real, at_fake, g_slope = torch.autograd.grad(
        [d_loss, g_loss], [real_logits, fake_logits, g_logits]
    )

    if game.joint:
        # The ratio must be finite for any logit, hence the bound; D does not feel it.
        at_fake = at_fake.abs().clamp_min(NEGLIGIBLE).copysign(at_fake)
        slope, ratio = torch.cat([at_real, at_fake]), g_slope / at_fake
        *d_gradients, at_samples = _gradients(logits, [*d_parameters, leaf], slope)
        at_samples = at_samples * ratio.view(-1, *[1] * (fake.dim() - 1))
    else:
        slope, g_slope = torch.cat([at_real, at_fake]), torch.cat([0 * at_real, g_slope])
        d_gradients = _gradients(logits, d_parameters, slope, retain_graph=True)
        (at_samples,) = torch.autograd.grad(logits, leaf, g_slope)

    # Each player moves as soon as its gradients are there, while they are in the cache: that of D
    # with respect to G's samples is taken already.
    def move_d() -> None:
        game.set_rates(state.d_optimizer, state.step)
        _apply(state.discriminator, state.d_optimizer, d_parameters, d_gradients)

    moved = _meanwhile(state.rng.device, move_d)
    g_gradients = _gradients(fake, g_parameters, at_samples.to(fake.dtype))
    game.set_rates(state.g_optimizer, state.step)
    _apply(state.generator, state.g_optimizer, g_parameters, g_gradients)
    moved()  # Until here `d_gradients` keeps memory that G's could be given.
    return torch.stack([real_logits, fake_logits, g_logits]).detach()


def _discriminator_step(
    state: State, game: Game, x: Tensor, y: Tensor | None
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        fake = _generate(state, game, len(x), y)
    real_logits, fake_logits = _judge_both(state.discriminator, game, x, fake, y).chunk(2)
    d_loss = game.objective.discriminator_loss(real_logits, fake_logits)
    _update(state.discriminator, state.d_optimizer, d_loss)
    return real_logits.detach(), fake_logits.detach()


def _generate(state: State, game: Game, m: int, y: Tensor | None) -> Tensor:
    z = game.prior(m, state.rng)
    fake: Tensor = state.generator(z) if y is None else state.generator(z, y)
    return fake


def _judge(discriminator: nn.Module, x: Tensor, y: Tensor | None) -> Tensor:
    logits: Tensor = discriminator(x) if y is None else discriminator(x, y)
    # The losses want float32 of a network that computes in less.
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _judge_both(
    discriminator: nn.Module, game: Game, real: Tensor, fake: Tensor, y: Tensor | None
) -> Tensor:
    """Return the logits of real examples, then those of generated ones, (2m,)."""
    if game.joint:
        both = torch.cat([real.to(fake.dtype), fake])
        return _judge(discriminator, both, y if y is None else torch.cat([y, y]))
    return torch.cat([_judge(discriminator, real, y), _judge(discriminator, fake, y)])


def _meanwhile(device: torch.device, play: Callable[[], None]) -> Callable[[], None]:
    """Have `play` run beside what follows, where there is a GPU; the result waits for its end."""
    if device.type != "cuda":
        play()
        return lambda: None
    here, beside = torch.cuda.current_stream(device), _stream_beside(device)
    beside.wait_stream(here)
    with torch.cuda.stream(beside):
        play()
    return lambda: here.wait_stream(beside)


# One, whose memory is used again: each stream has its own.
_stream_beside = functools.cache(torch.cuda.Stream)


def _moved_by(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    # Not from the network: to walk its modules costs a fiftieth of a small pair's step.
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]


def _gradients(
    y: Tensor, inputs: Sequence[Tensor], slope: Tensor | None = None, retain_graph: bool = False
) -> list[Any]:
    """Return the gradients of `inputs`, None for those that `y` does not depend on."""
    return list(torch.autograd.grad(y, inputs, slope, retain_graph=retain_graph, allow_unused=True))


def _update(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    # Gradients of the one player alone: those of the other are never computed.
    parameters = _moved_by(optimizer)
    _apply(network, optimizer, parameters, _gradients(loss, parameters))


def _apply(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:
            continue
        # A fused optimizer goes through memory as it lies: a gradient in another order than its
        # parameter's, which convolutions may give, would be added to the wrong weights.
        in_order = gradient.stride() == parameter.stride()
        parameter.grad = gradient if in_order else torch.empty_like(parameter).copy_(gradient)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    bound(network)
    # Autocast keeps its copies of weights until its block ends, and does not see that they moved.
    torch.clear_autocast_cache()


@torch.no_grad()
def metrics(objective: Any, logits: Tensor) -> Tensor:
    """Return METRICS as one float32 tensor: means over n steps, whose logits are (n, 3, m)."""
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


def _autocast(state: State, game: Game) -> torch.autocast:
    return torch.autocast(
        state.rng.device.type, dtype=game.autocast, enabled=game.autocast is not None
    )
