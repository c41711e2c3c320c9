"""What checkpoints cost `gan train`, at the default intervals.

    python benchmarks/checkpoints.py      (GAN_DATA names the directory with MNIST)

Runs the command itself, and reads from its log how many checkpoints it wrote and which share of its
time went into them, from the first step to the last.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from gan_cli.runs.environment import git_commit

GAN = str(Path(sys.executable).with_name("gan"))
RUNS = {
    "digits, 100 epochs": ["schedule.epochs=100"],
    "experiment=mnist, 3 epochs": ["experiment=mnist", "schedule.epochs=3"],
}


def main() -> None:
    """Print a line a run."""
    print(
        f"commit {git_commit()}, torch {torch.__version__}, "
        f"{torch.cpu.get_capabilities().get('cpu_name', '')}"
    )
    for name, settings in RUNS.items():
        with tempfile.TemporaryDirectory() as directory:
            command = [GAN, "train", *settings, "hydra.run.dir=run"]
            subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
            log = (Path(directory) / "run/train.log").read_text()
            sizes = [path.stat().st_size for path in Path(directory).glob("run/checkpoints/*")]
        found = re.search(r"(\d+) checkpoints, in ([\d.]+) % of the time", log)
        assert found is not None
        megabytes = max(sizes) / 1e6
        print(f"{name}: {found[1]} checkpoints of {megabytes:.0f} MB, {found[2]} % of the time")


if __name__ == "__main__":
    main()
