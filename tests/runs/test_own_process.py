"""`gan_cli.train`: what `gan train` does, from a process that it leaves as it was."""

import io
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

import pytest
import torch
from helpers.command import SMALL, weights
from hydra.core.global_hydra import GlobalHydra

import gan_cli
from gan_cli.errors import UserError


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def process() -> list[object]:
    """Return what of this process a command in it would change."""
    return [
        list(sys.argv), list(sys.path), os.getcwd(), dict(os.environ), threading.enumerate(),
        list(logging.root.handlers), logging.root.level, torch.get_num_threads(),
        torch.get_rng_state().tolist(), GlobalHydra.instance().is_initialized(),
        *(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)),
    ]  # fmt: skip


class CtrlC(io.StringIO):
    """Standard output where Ctrl-C comes amid training: to this process, or to both."""

    def __init__(self, both: bool) -> None:
        super().__init__()
        self.both = both

    def write(self, text: str) -> int:
        if "step 10/" in text:
            if self.both:
                (status,) = Path().glob("my runs/train/*/status.json")
                os.kill(json.loads(status.read_text())["process"], signal.SIGINT)
            raise KeyboardInterrupt
        return super().write(text)


@pytest.mark.parametrize("both", [False, True])
def test_ctrl_c_stops_with_a_checkpoint(
    both: bool, directory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Once, however many processes the terminal, or the notebook, sends it to."""
    # A module of the caller's that has the name of one of Python's, or of a package.
    (directory / "tokenize.py").write_text("raise RuntimeError")
    before = process()
    long = ["device=cpu", "schedule.steps=50000", "log.every_steps=10"]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output := CtrlC(both))
        with pytest.raises(KeyboardInterrupt):
            gan_cli.train([*SMALL, "outputs='my runs'", *long])
    assert process() == before
    stopped = gan_cli.load(outputs="my runs")
    step = weights(stopped.path)["step"]
    assert step >= 10
    log = output.getvalue()
    assert f"Training {stopped.path}: steps 1 to 50000" in log
    assert f"Stopped at step {step}; `gan train 'resume={stopped.path}'` resumes it." in log
    assert "interrupted" in repr(stopped)
    if both:
        return
    resumed = gan_cli.train(["resume=latest", "outputs=my runs", f"schedule.steps={step + 2}"])
    assert process() == before
    assert resumed.path == stopped.path
    assert resumed.device.type == "cpu"
    assert f"Finished at step {step + 2}: {resumed.path}" in capfd.readouterr().out
    assert [path.name for path in Path("my runs/train").iterdir()] == [resumed.path.name]
    assert resumed.sample(3).shape == (3, 1, 8, 8)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["lr=0.1"], r"^lr is no setting of gan train; did you mean optimizer.lr\?$"),
        (["--cfg", "job"], "dry_run must be false"),  # it ends well, and sooner than a dry run
        (["resume=latest"], "resume is latest, but .* holds no finished or interrupted run"),
        (["-m", "seed=0,1"], "overrides has -m"),
        ("seed=1", "overrides is the text 'seed=1'; it must be a list"),
    ],
)
def test_what_is_wrong_is_the_command_s_sentence(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        gan_cli.train(overrides)
    assert not list(Path().rglob("config.yaml"))


def test_a_bug_in_a_network_keeps_its_traceback(directory: Path) -> None:
    (directory / "my_networks.py").write_text("def G(**settings): raise ZeroDivisionError")
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*my_networks.py.*ZeroDivisionError"):
        gan_cli.train(["network.generator={_target_: my_networks.G}"])
