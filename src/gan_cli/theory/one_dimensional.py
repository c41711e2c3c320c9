"""The game on the line: Algorithm 1, its inner loop taken to the optimum, G's steps alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.game.objectives import Objective
from gan_cli.networks.mlp import Discriminator
from gan_cli.rng import stream, stream_seed
from gan_cli.theory.divergence import Mixture, value_on_grid
from gan_cli.theory.monotone import MonotoneGenerator


class LineDiscriminator(nn.Module):
    """D: x (n,) -> logits (n,), through tanh layers of the given `widths`, in float64.

    D sees (x - center) / scale, so that the units of x do not matter.
    """

    def __init__(self, widths: list[int], center: float, scale: float) -> None:
        super().__init__()
        self.center, self.scale = center, scale
        self.network = Discriminator([1], widths, ["tanh"]).double()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of D(x)."""
        return self.network(((x - self.center) / self.scale).unsqueeze(1))


@dataclass
class LineGame:
    """The players with their optimizers, their objective, and the random numbers.

    `lr` falls in proportion to the part of the `steps` that is still to come, so that the
    noise of the minibatches dies out and the players come to rest.
    """

    p_data: Mixture
    generator: MonotoneGenerator
    discriminator: LineDiscriminator
    objective: Objective
    k: int
    batch_size: int
    lr: float
    steps: int
    rng: torch.Generator
    step: int = 0

    def __post_init__(self) -> None:
        # The betas that GANs are usually trained with (Radford et al., 2016).
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(player.parameters(), lr=self.lr, betas=(0.5, 0.999))
            for player in (self.generator, self.discriminator)
        )

    def train(self, steps: int) -> None:
        """Play `steps` iterations of Algorithm 1, on fresh minibatches."""
        for _ in range(steps):
            for optimizer in (self.g_optimizer, self.d_optimizer):
                optimizer.param_groups[0]["lr"] = self.lr * (1 - self.step / self.steps)
            for _ in range(self.k):
                self._discriminator_step()
            self.generator_step()
            self.step += 1

    def _discriminator_step(self) -> None:
        real = self.p_data.sample(self.batch_size, self.rng)
        with torch.no_grad():
            fake = self.generator(self._draw_z())
        loss = self.objective.discriminator_loss(self.discriminator(real), self.discriminator(fake))
        _update(self.discriminator, self.d_optimizer, loss)

    def generator_step(self) -> None:
        """Let G descend its gradient once, D staying as it is."""
        logits = self.discriminator(self.generator(self._draw_z()))
        _update(self.generator, self.g_optimizer, self.objective.generator_loss(logits))

    def _draw_z(self) -> Tensor:
        z = torch.rand(
            self.batch_size, dtype=torch.float64, device=self.rng.device, generator=self.rng
        )
        return z.clamp(1e-12, 1 - 1e-12)  # logit(0) is not a number to go on with

    def train_discriminator(self, x: Tensor, iterations: int) -> None:
        """Take D to its optimum for G as it stands: L-BFGS on V over the grid `x` (n,).

        V is the exact expectation (equation 3), not a minibatch's: from finitely many samples D
        would learn which of them are real, and minibatches would leave it their noise.
        """
        log_p_data, log_p_g = self.p_data.log_density(x), self.generator.log_density(x)
        optimizer = torch.optim.LBFGS(
            self.discriminator.parameters(),
            max_iter=iterations,
            history_size=50,
            tolerance_grad=1e-9,
            tolerance_change=1e-12,
            line_search_fn="strong_wolfe",
        )

        def loss() -> float:
            optimizer.zero_grad()
            value = value_on_grid(self.discriminator(x), log_p_data, log_p_g, x)
            (-value).backward()
            return -value.item()

        optimizer.step(loss)


def new_line_game(
    p_data: Mixture,
    objective: Objective,
    generator: Mapping[str, Any],
    widths: Sequence[int],
    k: int,
    batch_size: int,
    lr: float,
    steps: int,
    seed: int,
    device: torch.device,
) -> LineGame:
    """Return a game on `device` before its first iteration, with the streams of `seed`.

    generator: what MonotoneGenerator takes beside p_data's center and scale. widths: of D's tanh
    layers. The rest is LineGame's.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "theory.discriminator"))
        d = LineDiscriminator(list(widths), p_data.mean, p_data.std)
    g = MonotoneGenerator(**generator, center=p_data.mean, scale=p_data.std)
    rng = stream(seed, "theory", device=device)
    return LineGame(p_data, g.to(device), d.to(device), objective, k, batch_size, lr, steps, rng)


def _update(player: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    # Gradients of the one player alone: those of the other are never computed.
    parameters = list(player.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()
