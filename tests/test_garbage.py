import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.command import SMALL, Result

from gan_cli.commands import theory
from gan_cli.data.source import Digits
from gan_cli.training.trainer import Training

FIRST_JOB = """
import gc, weakref
from gan_cli import cli
from gan_cli.training.trainer import Training
alive, step = [], Training.step
def watched(self):
    alive.append(weakref.ref(self.state.generator))
    step(self)
Training.step = watched
cli.main()
gc.collect()
print([generator() is not None for generator in alive])
"""


def test_garbage_lies_until_a_command_has_begun(
    gan: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    collects, set_apart, freeze = [], [], gc.freeze
    monkeypatch.setattr(gc, "freeze", lambda: set_apart.append(freeze()))

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def play(*arguments: Any) -> Any:
            collects.append(gc.isenabled())
            return function(*arguments)

        return play

    monkeypatch.setattr(Digits, "load", watched(Digits.load))
    monkeypatch.setattr(Training, "step", watched(Training.step))
    assert gan("train", *SMALL, "schedule.steps=2", "monitor.every=null").code == 0
    assert collects == [False, True, True]
    assert len(set_apart) == 1

    collects.clear()
    monkeypatch.setattr(theory, "run", watched(lambda *_: None))
    assert gan("theory").code == 0
    assert collects == [True]
    assert len(set_apart) == 2

    # Once for all jobs.
    collects.clear()
    sweep = ["-m", "optimizer.lr=0.1,-1,0.2", *SMALL, "schedule.steps=1", "monitor.every=null"]
    assert gan("train", *sweep).code == 1
    assert collects == [False, True, True, True]
    assert len(set_apart) == 3


def test_the_first_job_of_a_sweep_frees_its_networks(tmp_path: Path) -> None:
    """In a process of its own, with nothing set free behind its back."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_JOB, "train", "-m", "seed=1,2", *SMALL, "schedule.steps=1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[False, False]"
