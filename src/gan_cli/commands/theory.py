"""`gan theory`: Figure 1 of the paper, and the theory of section 4 checked by numbers."""

import json
import logging
import math
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.instantiate import build
from gan_cli.errors import UserError
from gan_cli.figures.plot import save_plot
from gan_cli.files import relative, write_atomically
from gan_cli.rng import stream, stream_seed
from gan_cli.runs.environment import git_commit
from gan_cli.theory.divergence import DENSE, LOG_4, Mixture, Moment, grid, measure
from gan_cli.theory.figure1 import Panel, figure1
from gan_cli.theory.monotone import MonotoneGenerator
from gan_cli.theory.one_dimensional import LineDiscriminator, LineGame
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)

# The integrals are taken on a grid so many times finer than the one D was taken to its optimum on.
FINER = 10

# What D may lack of D* after its inner loop, at its worst point, without a word.
NEAR = 0.02


def run(cfg: DictConfig, out: Path) -> None:
    """Play the game and write the figure, the table and the numbers to `out`."""
    start = time.perf_counter()
    game, schedule = _build_game(cfg), cfg.schedule
    moments: dict[str, Moment] = {}
    panels: list[Panel] = []

    def look(title: str) -> None:
        moments[title] = _measure(game, cfg.quadrature)
        panels.append(_panel(game, title))
        log.info("Panel (%s): %s.", "abcd"[len(panels) - 1], title)

    # The four moments of the paper's caption.
    game.play(schedule.before)
    look("near convergence")
    game.train_discriminator(grid(game.p_data, game.generator, cfg.quadrature), schedule.inner)
    look("after D's inner loop")
    for _ in range(schedule.g_steps):
        game.generator_step()
    look("after G's step" + ("s" if schedule.g_steps > 1 else ""))
    game.play(schedule.after)
    look("at the end")

    short = list(moments.values())[1].d_error
    if short > NEAR:
        log.warning(
            "D is still %.3f from D* after its inner loop: schedule.inner is %d; more iterations, "
            "or more discriminator.widths, bring it nearer.", short, schedule.inner,
        )  # fmt: skip
    table = _table(moments)
    for line in table:
        log.info("%s", line)
    origin = {"run": str(relative(out)), "seed": cfg.seed, "command": " ".join(sys.argv)}
    content = {
        **origin,
        "settings": OmegaConf.to_container(cfg, resolve=True),
        "moments": {title: asdict(moment) for title, moment in moments.items()},
        "at_equilibrium": {"value": -LOG_4, "d": 0.5},
        "versions": {"gan-cli": version("gan-cli"), "torch": torch.__version__},
        "git_commit": git_commit(),
        "threads": torch.get_num_threads(),
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_atomically(out / "theory.json", json.dumps(content, indent=2).encode())
    write_atomically(out / "theory.md", "\n".join([*table, ""]).encode())
    save_plot(out / "figure1.png", figure1(panels), origin)
    log.info("Figure 1, the table and the numbers: %s", relative(out))


def _build_game(cfg: DictConfig) -> LineGame:
    device = pick_device(cfg.device)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    try:
        p_data = Mixture(cfg.p_data.means, cfg.p_data.stds, cfg.p_data.weights, device)
    except UserError as error:
        raise UserError(f"p_data: {error}") from None
    generator = MonotoneGenerator(**cfg.generator, center=p_data.mean, scale=p_data.std)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(cfg.seed, "theory.discriminator"))
        discriminator = LineDiscriminator(cfg.discriminator.widths, p_data.mean, p_data.std)
    return LineGame(
        p_data,
        generator.to(device),
        discriminator.to(device),
        build(cfg, "objective"),
        cfg.schedule.k,
        cfg.schedule.batch_size,
        cfg.schedule.lr,
        cfg.schedule.before + cfg.schedule.after,
        stream(cfg.seed, "theory", device=device),
    )


def _measure(game: LineGame, cells: int) -> Moment:
    """Return the moment's measures.

    Raises UserError where the game has diverged or the grid is too coarse for the densities.
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
def _panel(game: LineGame, title: str) -> Panel:
    p_data, device = game.p_data, game.rng.device
    low = float((p_data.means - 3.5 * p_data.stds).min())
    high = float((p_data.means + 3.5 * p_data.stds).max())
    x = torch.linspace(low, high, 801, dtype=torch.float64, device=device)
    z = (torch.arange(20, dtype=torch.float64, device=device) + 0.5) / 20

    densities = p_data.log_density(x).exp(), game.generator.log_density(x).exp()
    curves = (x, *densities, game.discriminator(x).sigmoid(), z, game.generator(z))
    return Panel(title, *(curve.cpu().numpy() for curve in curves))


def _table(moments: dict[str, Moment]) -> list[str]:
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
