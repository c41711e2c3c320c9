"""`gan bench`: the speed of training on this machine."""

import json
import logging
import resource
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from hydra import compose
from omegaconf import DictConfig

from gan_cli.benchmark import timings
from gan_cli.benchmark.products import PEAK_SIZE
from gan_cli.config.build import build_source, build_trainer
from gan_cli.config.settings import CommandSettings, Several
from gan_cli.data.source import Data, Split
from gan_cli.errors import UserError
from gan_cli.files import relative, write_atomically
from gan_cli.ranges import Positive
from gan_cli.runs.environment import environment
from gan_cli.training.device import pick_device
from gan_cli.training.trainer import Trainer

log = logging.getLogger(__name__)

# The pair that the plain loop trains, where it is not of the recipe's name.
PAIRS = {"algorithm_1": "mnist"}


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan bench`."""

    recipes: list[Literal["mnist", "algorithm_1", "tutorial", "cifar10_conv", "dcgan"]]
    precisions: list[Literal["fp32", "tf32", "bf16"]]
    compile: bool
    turns: Several
    seconds: Positive


def run(cfg: DictConfig, out: Path) -> None:
    """Time every recipe of `cfg.recipes` and write table and numbers to `out`."""
    device = pick_device(cfg.device)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    if not cfg.recipes or not cfg.precisions:
        raise UserError("recipes and precisions must have an entry at least, as recipes=[mnist].")
    if "tf32" in cfg.precisions and device.type != "cuda":
        raise UserError(
            f"precisions has tf32, which only GPUs have; on {device} it can have fp32 and bf16."
        )
    environ = environment(device, None, "noise")
    log.info(
        "%s, %s, %d threads, torch %s, commit %s; medians of %d turns.", environ["processor"],
        environ["device"], environ["threads"], torch.__version__, environ["git_commit"], cfg.turns,
    )  # fmt: skip

    how = {"turns": cfg.turns, "seconds": cfg.seconds, "device": device}
    peaks = {name: timings.peak_flops(name, **how) for name in cfg.precisions}
    for name, flops in peaks.items():
        n = PEAK_SIZE[device.type]
        log.info("Products of %d x %d in %s: %.0f GFLOP/s", n, n, name, flops / 1e9)
    lines: list[timings.Timing] = []
    log.info("%s", timings.HEADER)
    for recipe in cfg.recipes:
        new_trainer, pair = partial(_new_trainer, cfg, recipe), PAIRS.get(recipe, recipe)
        for line in timings.time_recipe(recipe, pair, new_trainer, peaks, cfg.compile, **how):
            log.info("%s", line.row())
            lines.append(line)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    advice = timings.advice(lines, partial(_new_trainer, cfg, cfg.recipes[0]), **how)
    log.info("%s", advice)

    table = [timings.HEADER, timings.RULE, *(line.row() for line in lines), "", advice, ""]
    write_atomically(out / "bench.md", "\n".join(table).encode())
    content = {
        **environ, "command": " ".join(sys.argv), "turns": cfg.turns, "peak_flops": peaks,
        "lines": [asdict(line) for line in lines], "advice": advice, "peak_memory_gb": memory,
    }  # fmt: skip
    write_atomically(out / "bench.json", json.dumps(content, indent=2).encode())
    log.info("Table: %s", relative(out / "bench.md"))


def _new_trainer(cfg: DictConfig, recipe: str, **settings: object) -> Trainer:
    """Return the trainer of `gan train experiment=recipe` with the settings, on noise."""
    given = {"experiment": recipe, **settings, "device": cfg.device}
    if cfg.threads:
        given["threads"] = cfg.threads
    composed = compose("train", [f"{name}={value}" for name, value in given.items()])
    source = build_source(composed)
    part = Split(torch.randint(0, 256, (timings.IMAGES, *source.shape), dtype=torch.uint8), None)
    return build_trainer(composed, source, Data(part, part, part))
