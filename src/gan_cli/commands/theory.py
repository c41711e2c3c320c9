"""`gan theory`: Figure 1 of the paper, and the theory of section 4 checked in numbers."""

import json
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Interval
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.instantiate import build
from gan_cli.config.settings import CommandSettings, Node
from gan_cli.figures.grid import save_png
from gan_cli.figures.plot import render
from gan_cli.files import relative, write_atomically
from gan_cli.ranges import Seed
from gan_cli.runs.environment import environment
from gan_cli.theory.divergence import Density, Mixture
from gan_cli.theory.figure1 import Panel, figure1
from gan_cli.theory.moments import Moment, summary, table, train
from gan_cli.theory.monotone import Start
from gan_cli.theory.one_dimensional import HiddenLayers, LineGame, Schedule
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan theory`."""

    objective: Node
    p_data: Density
    generator: Start
    discriminator: HiddenLayers
    schedule: Schedule
    quadrature: Annotated[int, Interval(ge=100, le=100_000)]
    seed: Seed


def run(cfg: DictConfig, out: Path) -> None:
    """Train a game on the line; write the figure, the table and the numbers to `out`."""
    start, device = time.perf_counter(), pick_device(cfg.device)
    game = LineGame(
        Mixture(cfg.p_data.means, cfg.p_data.stds, cfg.p_data.weights, device),
        build(cfg, "objective"), Start(**cfg.generator), cfg.discriminator.widths,
        Schedule(**cfg.schedule), cfg.seed, device,
    )  # fmt: skip

    moments: dict[str, Moment] = {}
    panels: list[Panel] = []
    for moment, panel in train(game, cfg.quadrature):
        moments[panel.title] = moment
        log.info("Panel (%s): %s.", "abcd"[len(panels)], panel.title)
        panels.append(panel)
    lines = table(moments)
    for line in lines:
        log.info("%s", line)
    origin = {"run": str(relative(out)), "seed": cfg.seed, "command": " ".join(sys.argv)}
    content = {
        **environment(device, None, "none"),
        **origin,
        "settings": OmegaConf.to_container(cfg, resolve=True),
        **summary(moments),
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_atomically(out / "theory.json", json.dumps(content, indent=2).encode())
    write_atomically(out / "theory.md", "\n".join([*lines, ""]).encode())
    save_png(out / "figure1.png", render(figure1(panels)), origin)
    log.info("Figure 1, the table and the numbers: %s", relative(out))
