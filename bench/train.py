"""The speed of `gan train`, against the loop that people write, as ratios of one process.

    python bench/train.py [setting=value ...]      (GAN_DATA names the directory with MNIST)

Both loops alternate in short turns, so that whatever else the machine does slows both; a turn of
each comes first as warm-up. Printed are medians, quartiles and the median ratio of paired turns.
"""

import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version

import numpy as np
import plain
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from gan_cli import config
from gan_cli.commands.build import assemble, build_source
from gan_cli.training.environment import git_commit

STEPS, TURNS = 100, 7


def ours(cfg: DictConfig) -> Iterator[None]:
    """Play as `gan train` does, without its logbook, yielding after each step."""
    source = build_source(cfg)
    training = assemble(cfg, source, source.load())
    while True:
        training.step()
        yield


def rate(steps: Iterator[None]) -> float:
    """Return steps a second over STEPS of them."""
    start = time.perf_counter()
    for _ in range(STEPS):
        next(steps)
    return STEPS / (time.perf_counter() - start)


def main() -> None:
    """Print the machine, both rates and their ratio, for each recipe."""
    names = ("torch", "torchvision", "numpy", "gan-cli")
    print(", ".join(f"{name} {version(name)}" for name in names), f"at {git_commit()}")
    cpu = torch.cpu.get_capabilities().get("cpu_name", platform.processor())
    print(f"{cpu}, {torch.get_num_threads()} threads; {TURNS} turns of {STEPS} steps each")
    config.register()
    torch.manual_seed(0)
    baseline = plain.steps(os.environ.get("GAN_DATA", "data"))
    for recipe in (
        ["experiment=mnist", "precision=auto"],
        ["experiment=mnist", "precision=fp32"],
        ["dataset=mnist", "precision=auto"],
        ["dataset=mnist", "precision=fp32"],
    ):
        with initialize_config_module("gan_cli.conf", version_base="1.3"):
            cfg = compose("train", [*recipe, "device=cpu", *sys.argv[1:]])
        players = [baseline, ours(cfg)]
        for player in players:
            rate(player)
        rates = np.array([[rate(p) for p in players] for _ in range(TURNS)])
        slow, fast = np.quantile(rates, [0.25, 0.5, 0.75], axis=0).T
        ratio = np.median(rates[:, 1] / rates[:, 0])
        print(
            f"{' '.join(recipe):34} plain {slow[1]:5.1f} [{slow[0]:.1f}, {slow[2]:.1f}]  "
            f"ours {fast[1]:5.1f} [{fast[0]:.1f}, {fast[2]:.1f}] steps/s  ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
