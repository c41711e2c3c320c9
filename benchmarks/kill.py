"""Kill `gan train` at random moments, resume it, and compare with a run never killed.

    python benchmarks/kill.py [kills]      # 50 by default; minutes

Each kill is in a run of its own, on digits with small networks: started, killed with SIGKILL at
a random moment, resumed to its end. Checkpoints are written every few steps, so that many a kill
falls into a write. Prints how many runs ended with the same weights, optimizers, random streams,
rows and TensorBoard steps, and how many could not be resumed; the exit status is 1 unless all were
the same.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_cli.runs.directory import Run
from gan_cli.runs.environment import git_commit
from gan_cli.training import checkpoints

GAN = str(Path(sys.executable).with_name("gan"))
STEPS = 600
SETTINGS = [
    "network.generator.widths=[128,128]",
    "network.discriminator.units=[64,64]",
    f"schedule.steps={STEPS}",
    "schedule.batch_size=20",
    "checkpoint.every_steps=3",
    "checkpoint.share=null",
    "log.every_steps=5",
    "log.grid_every_steps=100",
    "monitor.every_epochs=2",
    "monitor.samples=100",
    "threads=1",
]


def main() -> None:
    """Run the trials and print their results."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as directory:
        cwd = Path(directory)
        began = time.monotonic()
        if start(cwd, "hydra.run.dir=whole").wait() != 0:
            sys.exit((cwd / "log").read_text())
        length, whole = time.monotonic() - began, story(cwd / "whole")
        killed = training = writing = refused = same = 0
        while killed < kills:
            run = cwd / f"run{killed}"
            process = start(cwd, f"hydra.run.dir={run.name}")
            time.sleep(rng.uniform(0, length))
            process.kill()
            process.wait()
            if Run.exists(run) and Run(run).status() == "finished":  # too late
                shutil.rmtree(run)
                continue
            killed += 1
            training += (run / "status.json").exists()
            writing += any((run / "checkpoints").glob(".*.tmp"))
            resumed = start(cwd, f"hydra.run.dir={run.name}").wait() == 0
            refused += not resumed
            same += resumed and equal(whole, story(run))
            print(f"{killed} kills, {same} the same", flush=True)
            shutil.rmtree(run)
    print(
        f"Of {kills} runs of {STEPS} steps, each killed once ({training} while it trained, "
        f"{writing} while a checkpoint was written), {same} ended with the same bits as one never "
        f"killed, and {refused} could not be resumed. Seed 0, commit {git_commit()}, torch "
        f"{torch.__version__}."
    )
    sys.exit(same != kills)


def start(cwd: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start `gan train` in `cwd`, with its output in a log."""
    with (cwd / "log").open("ab") as out:
        return subprocess.Popen(
            [GAN, "train", *SETTINGS, *arguments], cwd=cwd, stdout=out, stderr=out
        )


def story(run: Path) -> tuple[Any, list[str], list[int]]:
    """Return a run's last state, its rows without the speed, and the steps of its curves."""
    rows = (run / "metrics.csv").read_text().splitlines()
    speed = rows[0].split(",").index("images_per_second")
    without = [",".join(v for i, v in enumerate(row.split(",")) if i != speed) for row in rows]
    events = EventAccumulator(str(run / "tensorboard"), {"scalars": 0}).Reload()
    steps = [event.step for event in events.Scalars("game/d_loss")]
    return checkpoints.load_newest(run / "checkpoints"), without, steps


def equal(a: Any, b: Any) -> bool:
    """Compare two states, every tensor bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


if __name__ == "__main__":
    main()
