"""The four moments of Figure 1's caption, and the claims of section 4 at them in numbers."""

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.theory.divergence import (
    LOG_4,
    Mixture,
    OfX,
    grid,
    jensen_shannon,
    optimal_logits,
    value_of_game,
)
from gan_cli.theory.figure1 import Panel
from gan_cli.theory.monotone import MonotoneGenerator
from gan_cli.theory.one_dimensional import LineGame

log = logging.getLogger(__name__)

# The largest error of D against D* with which its inner loop counts as long enough.
NEAR = 0.02
# The grid of the integrals is so many times finer than the one that D is optimised on.
FINER = 10
# Where p_data + p_g is below this, in units of 1 / p_data's std, D has hardly anything to go by.
DENSE = 0.01


@dataclass(frozen=True)
class Moment:
    """What is measured of D and G at one moment of training; values in nats.

    `value` is V(D, G) and `value_at_optimum` V(D*, G) (equation 1), `jensen_shannon` JSD(p_data ||
    p_g), `c_of_g` -log 4 + 2 JSD (theorem 1). `d_error` and `d_from_half` are the largest
    |D - D*| and |D - 1/2| where p_data + p_g > DENSE; `mass` is the integral of p_data and of p_g
    over the grid, which a grid too coarse gets wrong.
    """

    value: float
    value_at_optimum: float
    c_of_g: float
    jensen_shannon: float
    d_error: float
    d_from_half: float
    mass: tuple[float, float]


@torch.no_grad()
def measure(discriminator: OfX, generator: MonotoneGenerator, p_data: Mixture, x: Tensor) -> Moment:
    """Return what is measured of logits `discriminator` and of G, by integrals on the grid `x`."""
    log_p_data, log_p_g = p_data.log_density(x), generator.log_density(x)

    def optimum(at: Tensor) -> Tensor:
        return optimal_logits(p_data.log_density(at), generator.log_density(at))

    d, dense = discriminator(x).sigmoid(), log_p_data.exp() + log_p_g.exp() > DENSE / p_data.std
    jsd = jensen_shannon(log_p_data, log_p_g, x)
    return Moment(
        value_of_game(discriminator, p_data.log_density, generator, x),
        value_of_game(optimum, p_data.log_density, generator, x),
        -LOG_4 + 2 * jsd,
        jsd,
        float((d - optimum(x).sigmoid())[dense].abs().max()),
        float((d - 0.5)[dense].abs().max()),
        (float(torch.trapezoid(log_p_data.exp(), x)), float(torch.trapezoid(log_p_g.exp(), x))),
    )


def train(game: LineGame, cells: int) -> Iterator[tuple[Moment, Panel]]:
    """Train the game by its schedule and yield each moment with its panel, which has its title.

    D's inner loop is on a grid of `cells`, which must resolve the densities. Raises UserError where
    training has diverged or the grid is too coarse.
    """
    schedule = game.schedule
    game.train(schedule.before)
    yield _measure(game, cells), _panel(game, "near convergence")
    game.train_discriminator(grid(game.p_data, game.generator, cells), schedule.inner)
    moment = _measure(game, cells)
    if moment.d_error > NEAR:
        log.warning(
            "D is still %.3f from D* after its inner loop: schedule.inner is %d; more iterations, "
            "or more discriminator.widths, bring it nearer.", moment.d_error, schedule.inner,
        )  # fmt: skip
    yield moment, _panel(game, "after D's inner loop")
    for _ in range(schedule.g_steps):
        game.generator_step()
    yield _measure(game, cells), _panel(game, "after G's steps")
    game.train(schedule.after)
    yield _measure(game, cells), _panel(game, "at the end")


def _measure(game: LineGame, cells: int) -> Moment:
    x, step = grid(game.p_data, game.generator, FINER * cells), game.state.step
    if not bool(torch.isfinite(x).all() and torch.isfinite(game.discriminator(x)).all()):
        raise UserError(
            f"Training diverged by step {step}: schedule.lr is {game.schedule.lr:g}; try a smaller "
            "one."
        )
    moment = measure(game.discriminator, game.generator, game.p_data, x)
    for name, mass in zip(("p_data", "p_g"), moment.mass, strict=True):
        if not math.isclose(mass, 1, abs_tol=1e-6):
            raise UserError(
                f"quadrature is {cells}, on which {name} integrates to {mass:.7g} at step {step}; "
                "it must be more, or the p_data.stds closer to each other."
            )
    return moment


@torch.no_grad()
def _panel(game: LineGame, title: str) -> Panel:
    p_data = game.p_data
    low = float((p_data.means - 3.5 * p_data.stds).min())
    high = float((p_data.means + 3.5 * p_data.stds).max())
    x = torch.linspace(low, high, 801, dtype=torch.float64, device=p_data.means.device)
    z = (torch.arange(20, dtype=torch.float64, device=x.device) + 0.5) / 20

    densities = p_data.log_density(x).exp(), game.generator.log_density(x).exp()
    curves = (x, *densities, game.discriminator(x).sigmoid(), z, game.generator(z))
    return Panel(title, *(curve.cpu().numpy() for curve in curves))


def summary(moments: Mapping[str, Moment]) -> dict[str, object]:
    """Return what was measured, and what it should be at the equilibrium, for JSON."""
    return {
        "moments": {title: asdict(moment) for title, moment in moments.items()},
        "at_equilibrium": {"value": -LOG_4, "d": 0.5},
    }


def table(moments: Mapping[str, Moment]) -> list[str]:
    """Return the claims of section 4 with what was measured, then the moments, as Markdown."""
    _, inner, after_g, end = moments.values()
    claims = [
        ("D* = p_data / (p_data + p_g): max abs(D - D*) after D's inner loop", inner.d_error, 0.0),
        ("V(D, G) after D's inner loop is V(D*, G)", inner.value, inner.value_at_optimum),
        ("V(D*, G) = -log 4 + 2 JSD, after D's inner loop", inner.value_at_optimum, inner.c_of_g),
        ("V(D*, G) = -log 4 + 2 JSD, after G's steps", after_g.value_at_optimum, after_g.c_of_g),
        ("V(D*, G) = -log 4 + 2 JSD, at the end", end.value_at_optimum, end.c_of_g),
        ("V(D, G) at the end is -log 4", end.value, -LOG_4),
        ("V(D*, G) at the end is -log 4", end.value_at_optimum, -LOG_4),
        ("D = 1/2 at the end: max abs(D - 1/2)", end.d_from_half, 0.0),
    ]
    return [
        "| claim of section 4 | measured | in theory | difference |",
        "|---|---|---|---|",
        *(f"| {name} | {a:.6f} | {b:.6f} | {abs(a - b):.1e} |" for name, a, b in claims),
        "",
        "| moment | V(D, G) | V(D*, G) | JSD | max abs(D - D*) | max abs(D - 1/2) |",
        "|---|---|---|---|---|---|",
        *(
            f"| {title} | {m.value:.6f} | {m.value_at_optimum:.6f} | {m.jensen_shannon:.6f} "
            f"| {m.d_error:.4f} | {m.d_from_half:.4f} |"
            for title, m in moments.items()
        ),
        "",
        f"V and JSD in nats; D where p_data + p_g > {DENSE:g} (times 1 / p_data's std).",
    ]
