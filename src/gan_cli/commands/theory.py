"""`gan theory`: Figure 1 of the paper, and the theory of section 4 checked in numbers."""

import json
import logging
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Interval
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.instantiate import build
from gan_cli.config.settings import CommandSettings, Node
from gan_cli.figures.grid import save_png
from gan_cli.figures.plot import render
from gan_cli.files import relative, write_atomically
from gan_cli.ranges import Count, Number, Positive, PositiveFraction, Seed
from gan_cli.runs.environment import git_commit
from gan_cli.theory.divergence import LOG_4, Mixture
from gan_cli.theory.figure1 import Panel, figure1
from gan_cli.theory.moments import Moment, table, train
from gan_cli.theory.one_dimensional import LineGame
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)

# The largest error of D against D* with which its inner loop counts as long enough.
NEAR = 0.02


@dataclass
class Density:
    """A mixture of normal densities, an entry for each component."""

    means: list[Number]
    stds: list[Positive]
    weights: list[Positive]


@dataclass
class LineGenerator:
    """A rising piecewise function of z, and where its density starts."""

    units: Annotated[int, Interval(ge=1, le=10_000)]
    shift: Annotated[float, Interval(ge=-1000, le=1000)]
    spread: Annotated[float, Interval(gt=0, le=1000)]


@dataclass
class LineDiscriminator:
    """The widths of its hidden layers."""

    widths: list[Count]


@dataclass
class LineSchedule:
    """The steps between Figure 1's panels."""

    before: Count
    inner: Count
    g_steps: Count
    after: Count
    k: Count
    batch_size: Count
    lr: PositiveFraction


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan theory`."""

    objective: Node
    p_data: Density
    generator: LineGenerator
    discriminator: LineDiscriminator
    schedule: LineSchedule
    quadrature: Annotated[int, Interval(ge=100, le=100_000)]
    seed: Seed


def run(cfg: DictConfig, out: Path) -> None:
    """Train a game on the line; write the figure, the table and the numbers to `out`."""
    start, device, schedule = time.perf_counter(), pick_device(cfg.device), cfg.schedule
    game = LineGame(
        Mixture(cfg.p_data.means, cfg.p_data.stds, cfg.p_data.weights, device),
        build(cfg, "objective"), dict(cfg.generator), cfg.discriminator.widths, schedule.k,
        schedule.batch_size, schedule.lr, schedule.before + schedule.after, cfg.seed, device,
    )  # fmt: skip

    moments: dict[str, Moment] = {}
    panels: list[Panel] = []
    steps = (schedule.before, schedule.inner, schedule.g_steps, schedule.after)
    for moment, panel in train(game, *steps, cfg.quadrature):
        moments[panel.title] = moment
        log.info("Panel (%s): %s.", "abcd"[len(panels)], panel.title)
        panels.append(panel)
    d_error = moments["after D's inner loop"].d_error
    if d_error > NEAR:
        log.warning(
            "D is still %.3f from D* after its inner loop: schedule.inner is %d; more iterations, "
            "or more discriminator.widths, bring it nearer.", d_error, schedule.inner,
        )  # fmt: skip
    lines = table(moments)
    for line in lines:
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
    write_atomically(out / "theory.md", "\n".join([*lines, ""]).encode())
    save_png(out / "figure1.png", render(figure1(panels)), origin)
    log.info("Figure 1, the table and the numbers: %s", relative(out))
