"""The game on the line: Algorithm 1, its inner loop taken to the optimum, and steps of G alone."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from gan_cli.game.objectives import Objective
from gan_cli.game.state import new_state
from gan_cli.game.updates import Game, alternating, descend
from gan_cli.networks.mlp import Discriminator
from gan_cli.ranges import Count, PositiveFraction
from gan_cli.rng import stream_seed
from gan_cli.theory.divergence import Mixture, value_on_grid
from gan_cli.theory.monotone import MonotoneGenerator, Start


@dataclass(frozen=True)
class Schedule:
    """Iterations up to each panel of Figure 1, and what one of Algorithm 1's is.

    `before` iterations of Algorithm 1, D's inner loop of `inner`, `g_steps` of G alone, and `after`
    more of Algorithm 1, whose learning rate falls linearly from `lr` to 0, so that the noise of the
    minibatches dies out.
    """

    before: Count
    inner: Count
    g_steps: Count
    after: Count
    k: Count
    batch_size: Count
    lr: PositiveFraction


@dataclass(frozen=True)
class HiddenLayers:
    """The widths of D's tanh layers."""

    widths: list[Count]


class LineDiscriminator(nn.Module):
    """D: x (n,) -> logits (n,), through tanh layers of the given `widths`, in float64.

    D sees (x - center) / scale, so that the units of x do not matter.
    """

    def __init__(self, widths: Sequence[int], center: float, scale: float) -> None:
        super().__init__()
        self.center, self.scale = center, scale
        self.network = Discriminator([1], list(widths), ["tanh"]).double()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of D(x)."""
        return self.network(((x - self.center) / self.scale).unsqueeze(1))


class UnitInterval:
    """The prior U(0, 1), float64."""

    dim = 1

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw (n,)."""
        z = torch.rand(n, dtype=torch.float64, device=rng.device, generator=rng)
        return z.clamp(1e-12, 1 - 1e-12)  # G takes its logit


class LineGame:
    """The two players on the line, with p_data known, before their first iteration.

    start: G before its first update. widths: of D's tanh layers. All random numbers follow from
    `seed`.
    """

    def __init__(
        self,
        p_data: Mixture,
        objective: Objective,
        start: Start,
        widths: Sequence[int],
        schedule: Schedule,
        seed: int,
        device: torch.device,
    ) -> None:
        steps = schedule.before + schedule.after

        def set_learning_rate(optimizer: torch.optim.Optimizer, minibatches: int) -> None:
            step = minibatches // schedule.k
            optimizer.param_groups[0]["lr"] = schedule.lr * (1 - step / steps)

        def adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
            # The betas that GANs are usually trained with (Radford et al., 2016).
            return torch.optim.Adam(parameters, lr=schedule.lr, betas=(0.5, 0.999))

        torch.manual_seed(stream_seed(seed, "theory.discriminator"))
        self.discriminator = LineDiscriminator(widths, p_data.mean, p_data.std)
        self.generator = MonotoneGenerator(**asdict(start), center=p_data.mean, scale=p_data.std)
        self.state = new_state(self.generator, self.discriminator, (adam, adam), seed, device)
        self.state.rng.manual_seed(stream_seed(seed, "theory"))
        self.rules = Game(objective, UnitInterval(), set_learning_rate)
        self.p_data, self.schedule = p_data, schedule

    def train(self, steps: int) -> None:
        """Do `steps` iterations of Algorithm 1, on fresh minibatches."""
        m, k = self.schedule.batch_size, self.schedule.k
        for _ in range(steps):
            minibatches = [(self.p_data.sample(m, self.state.rng),) for _ in range(k)]
            alternating(self.state, self.rules, minibatches)
            self.state.step += 1

    def generator_step(self) -> None:
        """Let G descend its gradient once, with D fixed."""
        z = self.rules.prior(self.schedule.batch_size, self.state.rng)
        loss = self.rules.objective.generator_loss(self.discriminator(self.generator(z)))
        descend(self.state.g_optimizer, loss)

    def train_discriminator(self, x: Tensor, iterations: int) -> None:
        """Take D to its optimum for the present G: L-BFGS on V over the grid `x` (n,).

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
        optimizer.zero_grad()
