"""`gan bench`: the speed of training on this machine."""

import json
import logging
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import MinLen
from hydra import compose
from omegaconf import DictConfig

from gan_cli.benchmark import timings
from gan_cli.benchmark.interleaved import rates
from gan_cli.benchmark.plain_loop import Images, plain_loop, usual
from gan_cli.config.build import build_optimizers, build_source, build_trainer
from gan_cli.config.instantiate import build
from gan_cli.config.settings import CommandSettings
from gan_cli.data.source import Data, Split
from gan_cli.errors import UserError
from gan_cli.files import relative, write_atomically
from gan_cli.ranges import Positive, Several
from gan_cli.runs.environment import environment
from gan_cli.training.device import pick_device
from gan_cli.training.trainer import Trainer

log = logging.getLogger(__name__)

IMAGES = 10000  # of noise, which stand in for data: speed does not depend on what they show
# Networks of tutorials, whose loops use the same samples in both updates.
TUTORIALS = ("tutorial", "dcgan")


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan bench`."""

    recipes: Annotated[
        list[Literal["mnist", "algorithm_1", "tutorial", "cifar10_conv", "dcgan"]], MinLen(1)
    ]
    precisions: Annotated[list[Literal["fp32", "tf32", "bf16"]], MinLen(1)]
    compile: bool
    rounds: Several
    seconds: Positive


def run(cfg: DictConfig, out: Path) -> None:
    """Time every recipe of `cfg.recipes` and write table and numbers to `out`."""
    device = pick_device(cfg.device)
    if "tf32" in cfg.precisions and device.type != "cuda":
        raise UserError(
            f"precisions has tf32, which only GPUs have; on {device} it can have fp32 and bf16."
        )
    environ = environment(device, None, "noise")
    log.info(
        "%s, %s, %d threads, torch %s, commit %s; medians of %d rounds.", environ["processor"],
        environ["device"], environ["threads"], torch.__version__, environ["git_commit"], cfg.rounds,
    )  # fmt: skip

    measure = partial(rates, rounds=cfg.rounds, seconds=cfg.seconds, device=device)
    lines: list[timings.Timing] = []
    log.info("%s", timings.HEADER)
    for recipe in cfg.recipes:
        plain = partial(_plain_loop, _recipe(cfg, recipe), recipe not in TUTORIALS, device)
        for line in timings.time_recipe(
            recipe, partial(_new_trainer, cfg, recipe), plain, cfg.precisions, cfg.compile,
            measure, device,
        ):  # fmt: skip
            log.info("%s", line.row())
            lines.append(line)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    advice = timings.advice(lines, partial(_new_trainer, cfg, cfg.recipes[0]), measure, device)
    log.info("%s", advice)

    table = [timings.HEADER, timings.RULE, *(line.row() for line in lines), "", advice, ""]
    write_atomically(out / "bench.md", "\n".join(table).encode())
    content = {
        **environ, "command": " ".join(sys.argv), "rounds": cfg.rounds,
        "lines": [asdict(line) for line in lines], "advice": advice, "peak_memory_gb": memory,
    }  # fmt: skip
    write_atomically(out / "bench.json", json.dumps(content, indent=2).encode())
    log.info("Table: %s", relative(out / "bench.md"))


def _recipe(cfg: DictConfig, recipe: str, **settings: object) -> DictConfig:
    """Return the config of `gan train experiment=recipe` with the settings."""
    given = {"experiment": recipe, **settings, "device": cfg.device}
    if cfg.threads:
        given["threads"] = cfg.threads
    return compose("train", [f"{name}={value}" for name, value in given.items()])


def _noise(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randint(0, 256, (IMAGES, *shape), dtype=torch.uint8)


def _new_trainer(cfg: DictConfig, recipe: str, **settings: object) -> Trainer:
    """Return the recipe's trainer, with the settings, on noise."""
    composed = _recipe(cfg, recipe, **settings)
    source = build_source(composed)
    part = Split(_noise(source.shape), None)
    return build_trainer(composed, source, Data(part, part, part))


def _plain_loop(cfg: DictConfig, fresh_z: bool, device: torch.device) -> Iterator[None]:
    """Return the plain loop of the pair that a `gan train` config describes, on noise."""
    source = build_source(cfg)
    generator, discriminator = (
        usual(build(cfg, f"network.{player}")).to(device)
        for player in ("generator", "discriminator")
    )
    g_optimizer, d_optimizer = build_optimizers(cfg)
    return plain_loop(
        generator, discriminator, g_optimizer.build(generator.parameters()),
        d_optimizer.build(discriminator.parameters()), Images(_noise(source.shape), source.low < 0),
        cfg.schedule.batch_size, cfg.prior.dim, fresh_z, device,
    )  # fmt: skip
