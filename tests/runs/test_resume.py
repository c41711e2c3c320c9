"""A run that is stopped anywhere, however, and taken up again is the run that was never stopped."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.command import GAN, SMALL, Result, assert_same, rows, weights
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_cli.training import checkpoints
from gan_cli.training.trainer import Trainer

Gan = Callable[..., Result]


def assert_same_story(whole: Path, resumed: Path) -> None:
    """Compare all that two runs wrote, but for speed: no gap, and nothing twice."""
    a, b = ([{**row, "images_per_second": ""} for row in rows(run)] for run in (whole, resumed))
    assert a == b

    steps = [int(row["step"]) for row in a]
    everything = {"scalars": 0, "images": 0}
    events = EventAccumulator(str(resumed / "tensorboard"), everything).Reload()
    assert [event.step for event in events.Scalars("game/d_loss")] == steps
    told = [event.value for event in events.Scalars("game/d_loss")]
    np.testing.assert_allclose(told, [float(row["d_loss"]) for row in a], rtol=1e-6)

    grids = [sorted((run / "samples").glob("*.png")) for run in (whole, resumed)]
    assert [path.name for path in grids[0]] == [path.name for path in grids[1]]
    assert [event.step for event in events.Images("samples")] == [int(p.stem[5:]) for p in grids[1]]
    for one, other in zip(*grids, strict=True):
        assert np.array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(other)))
    assert not list(resumed.rglob("*.tmp"))


class Crash(BaseException):
    """What ends a process without a word."""


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int | None], None]:
    """Have the step of the given number send a signal to its process, or crash for None."""
    step, planned = Trainer.train_step, {}

    def play(self: Trainer) -> None:
        step(self)
        if self.state.step in planned:
            number = planned.pop(self.state.step)
            if number is None:
                raise Crash
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Trainer, "train_step", play)
    return planned.__setitem__


# Any two of the four words meet in one of them.
@pytest.mark.parametrize(
    ("dataset", "schedule", "optimizer", "ema_decay"),
    [
        ("digits", "alternating", "momentum", 0.0),
        ("digits", "simultaneous", "adam", 0.9),
        ("mnist", "alternating", "adam", 0.9),
        ("mnist", "simultaneous", "momentum", 0.9),
        ("mnist", "simultaneous", "adam", 0.0),
    ],
)
def test_stopped_and_resumed_is_never_stopped(
    dataset: str, schedule: str, optimizer: str, ema_decay: float, gan: Gan, tmp_path: Path,
    stop_at: Callable[[int, int | None], None], request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    if dataset == "mnist":
        request.getfixturevalue("mnist_dir")
    arguments = [
        *SMALL, f"dataset={dataset}", f"schedule={schedule}", f"optimizer={optimizer}",
        f"ema_decay={ema_decay}", "schedule.steps=40", "log.every_steps=7",
        "log.grid_every_steps=10",
        "checkpoint.every_steps=6", "checkpoint.share=null", "monitor.samples=300",
        "monitor.valid=50", f"monitor.every_epochs={0.2 if dataset == 'digits' else 0.005}",
    ]  # fmt: skip
    if schedule == "alternating":
        arguments.append("schedule.k=2")
    assert gan("train", *arguments, "hydra.run.dir=whole").code == 0

    path = "outputs/train/stopped"
    stop_at(3, signal.SIGTERM)
    assert gan("train", *arguments, f"hydra.run.dir={path}").code == 143
    stop_at(16, None)
    with pytest.raises(Crash):
        gan("train", f"resume={path}")
    stop_at(27, None)
    with pytest.raises(Crash):
        gan("train", *arguments, f"hydra.run.dir={path}")
    stop_at(33, signal.SIGINT)
    assert gan("train", f"resume={path}").code == 130
    assert gan("train", "resume=latest").code == 0

    assert_same(weights(tmp_path / "whole"), weights(tmp_path / path))
    assert_same_story(tmp_path / "whole", tmp_path / path)
    best = [checkpoints.load(tmp_path / run / "checkpoints/best.ckpt") for run in ("whole", path)]
    assert_same(*best)


def test_a_stopped_process_goes_on_bit_for_bit(gan: Gan, tmp_path: Path) -> None:
    """In another one: this."""
    arguments = [*SMALL, "schedule.steps=300", "log.every_steps=10", "log.grid_every_steps=100"]
    whole = gan("train", *arguments, "hydra.run.dir=whole")
    assert whole.code == 0, whole.err
    whole_run, stopped = tmp_path / "whole", tmp_path / "stopped"

    process = subprocess.Popen(
        [GAN, "train", *arguments, "hydra.run.dir=stopped"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "step 100/" in line:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate()
    assert process.returncode == 128 + signal.SIGINT, err
    assert "`gan train resume=stopped` resumes it" in out
    assert json.loads((stopped / "status.json").read_text())["status"] == "interrupted"
    step = weights(stopped)["step"]
    assert 100 <= step < 300

    resumed = gan("train", "resume=stopped")
    assert resumed.code == 0, resumed.err
    assert f"Resuming stopped: steps {step + 1} to 300" in resumed.out
    assert_same(weights(whole_run), weights(stopped))
    assert_same_story(whole_run, stopped)
    assert len(json.loads((stopped / "environment.json").read_text())) == 2
    assert (stopped / ".hydra/overrides.yaml").read_text().count("schedule.steps") == 1


def test_a_finished_run_can_be_extended(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", *SMALL, "schedule.steps=12", "hydra.run.dir=a").code == 0
    result = gan("train", "resume=a")
    assert result.code == 1
    assert "finished at step 12" in result.err
    assert gan("train", "resume=a", "schedule.steps=30").code == 0
    assert gan("train", *SMALL, "schedule.steps=30", "hydra.run.dir=b").code == 0
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    # The first part's end was looked at by the monitor as well.
    for name in ("best", "maxima"):
        a.pop(name)
        b.pop(name)
    assert_same(a, b)
    assert [row["step"] for row in rows(tmp_path / "a")] == ["12", "30"]


def test_a_run_goes_on_where_the_data_are_elsewhere(
    gan: Gan, tmp_path: Path, mnist_dir: Path
) -> None:
    assert gan("train", "dataset=mnist", *SMALL, "schedule.steps=2", "hydra.run.dir=a").code == 0
    config = tmp_path / "a/config.yaml"
    (tmp_path / "there").symlink_to(mnist_dir)
    for steps, told in ((3, []), (4, ["data_dir=there"])):
        config.write_text(config.read_text().replace(str(mnist_dir), "/nowhere"))
        result = gan("train", "resume=a", f"schedule.steps={steps}", *told)
        assert result.code == 0, result.err
    assert config.read_text().count("data_dir: there") == 2
    result = gan("train", "resume=a", "dataset=fashion_mnist", "schedule.steps=5")
    assert result.code == 1
    assert "dataset.name: MNIST there, FashionMNIST here" in result.err


def test_a_run_is_not_resumed_with_other_settings(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", *SMALL, "schedule.steps=5", "hydra.run.dir=a").code == 0
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "a").glob("[!.t]*"))
    for arguments in (
        ["resume=a", "optimizer.lr=0.2", "schedule.steps=9"],
        [*SMALL, "optimizer.lr=0.2", "schedule.steps=9", "hydra.run.dir=a"],
        ["resume=a", "optimizer.lr=0.2", "ablation=minimax", "schedule.steps=9"],
    ):
        result = gan("train", *arguments)
        assert result.code == 1
        assert "optimizer.lr: 0.001 there, 0.2 here" in result.err
    assert "NonSaturating there" in result.err
    after = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "a").glob("[!.t]*"))
    assert before == after


def test_what_is_wrong_in_a_runs_own_files_is_told_before_it_goes_on(
    gan: Gan, tmp_path: Path
) -> None:
    assert gan("train", *SMALL, "schedule.steps=5", "hydra.run.dir=a").code == 0
    config, metrics = tmp_path / "a/config.yaml", tmp_path / "a/metrics.csv"
    whole = config.read_text()
    for before, after, words in (
        ("\nschedule:", "\nschedules:", "is not the config of a run"),
        ("ema_power: 8.0\n", "", "has no ema_power: the run is of an earlier version"),
    ):
        assert whole.count(before) == 1
        config.write_text(whole.replace(before, after))
        result = gan("train", "resume=a", "schedule.steps=9")
        assert result.code == 1
        assert words in result.err
        assert len(result.err.splitlines()) == 1
    config.write_text(whole)
    rows = metrics.read_bytes()
    for damaged in (b"\xef\xbb\xbf" + rows, b"\xff\xfe\nx\n"):
        metrics.write_bytes(damaged)
        result = gan("train", "resume=a", "schedule.steps=9")
        assert result.code == 1
        assert "metrics.csv has the columns" in result.err
        assert metrics.read_bytes() == damaged
        assert '"status": "finished"' in (tmp_path / "a/status.json").read_text()
    metrics.write_bytes(rows)
    assert gan("train", "resume=a", "schedule.steps=9").code == 0


@pytest.mark.parametrize("lost", ["checkpoints/step-*", "checkpoints"])
def test_a_run_without_its_checkpoints_is_not_begun_anew(
    lost: str, gan: Gan, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert (
        gan("train", *SMALL, "schedule.steps=5", "log.every_steps=2", f"hydra.run.dir={run}").code
        == 0
    )
    for path in run.glob(lost):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    result = gan("train", f"resume={run}", "schedule.steps=8")
    assert result.code == 1
    assert f"{run}/checkpoints holds no checkpoint to resume from" in result.err
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert after == before


def test_missing_directories_are_made_again(gan: Gan, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert gan("train", *SMALL, "schedule.steps=2", f"hydra.run.dir={run}").code == 0
    for name in ("samples", "tensorboard"):
        shutil.rmtree(run / name)
    result = gan("train", f"resume={run}", "schedule.steps=3")
    assert result.code == 0, result.err
    assert [path.name for path in (run / "samples").iterdir()] == ["step-000000003.png"]
    assert any((run / "tensorboard").iterdir())
