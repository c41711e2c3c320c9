"""The four moments of Figure 1's caption, and the claims of section 4 at them by numbers."""

import math
from collections.abc import Iterator, Mapping

import torch

from gan_cli.errors import UserError
from gan_cli.theory.divergence import DENSE, LOG_4, Moment, grid, measure
from gan_cli.theory.figure1 import Panel
from gan_cli.theory.one_dimensional import LineGame

# The integrals are taken on a grid so many times finer than the one D was taken to its optimum on.
FINER = 10


def train(
    game: LineGame, before: int, inner: int, g_steps: int, after: int, cells: int
) -> Iterator[tuple[str, Moment, Panel]]:
    """Train the game and yield each moment's title, what is measured then, and its panel.

    `before` iterations of Algorithm 1, D's inner loop of `inner` iterations on a grid of `cells`,
    `g_steps` of G alone, and `after` more of Algorithm 1. Raises UserError as `measure_game` does.
    """

    def look(title: str) -> tuple[str, Moment, Panel]:
        return title, measure_game(game, cells), panel(game, title)

    game.train(before)
    yield look("near convergence")
    game.train_discriminator(grid(game.p_data, game.generator, cells), inner)
    yield look("after D's inner loop")
    for _ in range(g_steps):
        game.generator_step()
    yield look("after G's step" + ("s" if g_steps > 1 else ""))
    game.train(after)
    yield look("at the end")


def measure_game(game: LineGame, cells: int) -> Moment:
    """Return what is measured of the game as it stands, on a grid FINER times finer than `cells`.

    Raises UserError where training has diverged or the grid is too coarse for the densities.
    """
    x = grid(game.p_data, game.generator, FINER * cells)
    if not bool(torch.isfinite(x).all() and torch.isfinite(game.discriminator(x)).all()):
        raise UserError(
            f"The game diverged by step {game.step}: schedule.lr is {game.lr:g}; try a smaller one."
        )
    moment = measure(game.discriminator, game.generator, game.generator.log_density, game.p_data, x)
    for name, mass in zip(("p_data", "p_g"), moment.mass, strict=True):
        if not math.isclose(mass, 1, abs_tol=1e-6):
            raise UserError(
                f"quadrature is {cells}, on which {name} integrates to {mass:.7g} at step "
                f"{game.step}; it must be more, or the p_data.stds closer to each other."
            )
    return moment


@torch.no_grad()
def panel(game: LineGame, title: str) -> Panel:
    """Return the game as it stands, as a panel of Figure 1."""
    p_data, device = game.p_data, game.rng.device
    low = float((p_data.means - 3.5 * p_data.stds).min())
    high = float((p_data.means + 3.5 * p_data.stds).max())
    x = torch.linspace(low, high, 801, dtype=torch.float64, device=device)
    z = (torch.arange(20, dtype=torch.float64, device=device) + 0.5) / 20

    densities = p_data.log_density(x).exp(), game.generator.log_density(x).exp()
    curves = (x, *densities, game.discriminator(x).sigmoid(), z, game.generator(z))
    return Panel(title, *(curve.cpu().numpy() for curve in curves))


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
