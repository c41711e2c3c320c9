"""How long `gan train experiment=mnist` takes to its first update, and what the time goes into.

    python benchmarks/start_up.py [rounds]  # 5 by default; GAN_DATA names MNIST

Two new processes a round: Python with no more than the imports of a loop that has one of
torchvision's data sets, one of PyTorch's optimizers, and Hydra; and the command itself. Prints
median and range of the seconds since the start of a process, and the ratio of the two.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict

import torch

from gan_cli.runs.environment import git_commit

IMPORTS = """
import hydra, torch, torch._dynamo, torchvision
stage("the imports alone")
"""
COMMAND = """
import importlib
from gan_cli import cli
perform = cli.perform
def watched(command, cfg):
    stage("config composed")
    import torch
    stage("torch imported")
    train = importlib.import_module("gan_cli.commands.train")
    stage("command imported")
    load, step = train._load, train.Trainer.train_step
    def loaded(*arguments):
        data = load(*arguments)
        stage("data read")
        return data
    def stepped(training):
        stage("run begun")
        step(training)
        stage("first update")
    train._load, train.Trainer.train_step = loaded, stepped
    return perform(command, cfg)
cli.perform = watched
sys.argv = ["gan", "train", "experiment=mnist", "schedule.steps=1"]
cli.main()
"""
STAGE = """
import sys, time
def stage(stage):
    print("@", time.monotonic() - {began}, stage, flush=True)
"""


def stages(code: str) -> dict[str, float]:
    """Return the seconds from the start of a process that runs `code` to each of its stages."""
    with tempfile.TemporaryDirectory() as directory:
        whole = STAGE.format(began=time.monotonic()) + code
        output = subprocess.run(
            [sys.executable, "-c", whole], cwd=directory, check=True, capture_output=True, text=True
        ).stdout
    lines = [line.split(" ", 2)[1:] for line in output.splitlines() if line.startswith("@ ")]
    return {stage: float(seconds) for seconds, stage in lines}


def main() -> None:
    """Print the machine, the medians and the ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    times = defaultdict(list)
    stages(COMMAND)  # for a warm file cache
    for _ in range(rounds):
        for stage, seconds in (stages(IMPORTS) | stages(COMMAND)).items():
            times[stage].append(seconds)
    print(
        f"commit {git_commit()}, torch {torch.__version__}, Python {platform.python_version()} "
        f"({sys.executable}), {os.cpu_count()} processors, "
        f"{torch.cpu.get_capabilities().get('cpu_name', platform.processor())}"
    )
    print(f"seconds since the start of the process: median (least to most), n = {rounds}")
    for stage, all_times in times.items():
        print(
            f"{stage:<18} {statistics.median(all_times):5.2f}  "
            f"({min(all_times):.2f} to {max(all_times):.2f})"
        )
    ratios = [a / b for a, b in zip(times["first update"], times["the imports alone"], strict=True)]
    print(f"first update / the imports alone: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
