"""`gan bench`: the speed of training on this machine."""

import json
import logging
import resource
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import MinLen
from omegaconf import DictConfig

from gan_cli.benchmark import timings
from gan_cli.benchmark.interleaved import updates_a_second
from gan_cli.config.recipe import new_trainer, start_of_plain_loop
from gan_cli.config.settings import CommandSettings
from gan_cli.errors import UserError
from gan_cli.files import relative, write_atomically
from gan_cli.ranges import AtLeastTwo, Positive
from gan_cli.runs.environment import environment
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan bench`."""

    recipes: Annotated[
        list[
            Literal[
                "mnist", "mnist_conditional", "algorithm_1", "tutorial", "cifar10_conv", "dcgan"
            ]
        ],
        MinLen(1),
    ]
    precisions: Annotated[list[Literal["fp32", "tf32", "bf16"]], MinLen(1)]
    compile: bool
    rounds: AtLeastTwo
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

    measure = partial(updates_a_second, rounds=cfg.rounds, seconds=cfg.seconds, device=device)
    timed: list[timings.Timing] = []
    log.info("%s", timings.HEADER)
    for name in cfg.recipes:
        timed += timings.time_recipe(
            name, partial(new_trainer, cfg, name), start_of_plain_loop(cfg, name, device),
            cfg.precisions, cfg.compile, measure, device,
        )  # fmt: skip
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    advice = timings.advice(timed, partial(new_trainer, cfg, cfg.recipes[0]), measure, device)
    log.info("%s", advice)

    write_atomically(out / "bench.md", timings.table(timed, advice).encode())
    content = {
        **environ, "command": " ".join(sys.argv), "rounds": cfg.rounds,
        "timings": [asdict(timing) for timing in timed], "advice": advice, "peak_memory_gb": memory,
    }  # fmt: skip
    write_atomically(out / "bench.json", json.dumps(content, indent=2).encode())
    log.info("Table: %s", relative(out / "bench.md"))
