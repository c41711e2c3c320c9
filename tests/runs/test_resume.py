"""A run that is stopped anywhere, however, and resumed is the run that was never stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.command import GAN, SMALL, Gan, TrainOnce, assert_same, rows, weights
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_cli.game.state import State
from gan_cli.training import checkpoints


def assert_same_history(whole: Path, resumed: Path) -> None:
    """Compare all that two runs wrote, but for speed: no gap, and nothing twice."""
    a, b = ([{**row, "images_per_second": ""} for row in rows(run)] for run in (whole, resumed))
    assert a == b

    steps = [int(row["step"]) for row in a]
    everything = {"scalars": 0, "images": 0}
    # TensorBoard reads them in the order of their names, which within a second is not that of time.
    files = sorted((resumed / "tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for i, path in enumerate(files):
        path.rename(path.with_name(f"{i}.tfevents"))
    events = EventAccumulator(str(resumed / "tensorboard"), everything).Reload()
    assert [event.step for event in events.Scalars("game/d_loss")] == steps
    losses = [event.value for event in events.Scalars("game/d_loss")]
    np.testing.assert_allclose(losses, [float(row["d_loss"]) for row in a], rtol=1e-6)

    grids = [sorted((run / "samples").glob("*.png")) for run in (whole, resumed)]
    assert [path.name for path in grids[0]] == [path.name for path in grids[1]]
    assert [event.step for event in events.Images("samples")] == [int(p.stem[5:]) for p in grids[1]]
    for one, other in zip(*grids, strict=True):
        assert np.array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(other)))
    assert not list(resumed.rglob("*.tmp"))


def crash(_: State) -> None:
    sys.exit(9)


def stop(_: State) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


# Any two of the three words meet in one of them.
@pytest.mark.parametrize(
    ("schedule", "optimizer", "ema_decay"),
    [
        ("alternating", "momentum", 0.0),
        ("alternating", "adam", 0.9),
        ("simultaneous", "momentum", 0.9),
        ("simultaneous", "adam", 0.0),
    ],
)
def test_stopped_and_resumed_is_never_stopped(
    schedule: str, optimizer: str, ema_decay: float, gan: Gan, tmp_path: Path, at_step
) -> None:
    arguments = [
        *SMALL, f"schedule={schedule}", f"optimizer={optimizer}", f"ema_decay={ema_decay}",
        "schedule.batch_size=100",  # three epochs
        "schedule.steps=39", "log.every_steps=7", "log.grid_every_steps=10",
        "checkpoint.every_steps=6", "checkpoint.share=null",
        "monitor.samples=300", "monitor.valid=50", "monitor.every_epochs=0.5",
    ]  # fmt: skip
    if schedule == "alternating":
        arguments.append("schedule.k=2")
    assert gan("train", *arguments, "hydra.run.dir=whole").code == 0

    path = "outputs/train/stopped"
    for step, action, command, code in (
        (3, stop, [*arguments, f"hydra.run.dir={path}"], 143),
        (16, crash, [f"resume={path}"], 9),
        (27, crash, [*arguments, f"hydra.run.dir={path}"], 9),
    ):
        at_step(step, action)
        assert gan("train", *command).code == code
    assert gan("train", f"resume={path}").code == 0

    assert_same(weights(tmp_path / "whole"), weights(tmp_path / path))
    assert_same_history(tmp_path / "whole", tmp_path / path)
    best = [checkpoints.load(tmp_path / run / "checkpoints/best.ckpt") for run in ("whole", path)]
    assert_same(*best)


def test_a_stopped_process_is_resumed_bit_for_bit(gan: Gan, tmp_path: Path) -> None:
    """In another one: this."""
    arguments = [*SMALL, "schedule.steps=220", "log.every_steps=10", "log.grid_every_steps=100"]
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
        if "step 20/" in line:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate()
    assert process.returncode == 128 + signal.SIGINT, err
    assert "`gan train resume=stopped` resumes it" in out
    assert json.loads((stopped / "status.json").read_text())["status"] == "interrupted"
    step = weights(stopped)["step"]
    assert 20 <= step < 220

    output = gan("train", "resume=stopped").output
    assert f"Resuming stopped: steps {step + 1} to 220" in output
    assert_same(weights(whole_run), weights(stopped))
    assert_same_history(whole_run, stopped)
    assert len(json.loads((stopped / "environment.json").read_text())) == 2
    assert (stopped / ".hydra/overrides.yaml").read_text().count("schedule.steps") == 1


def test_a_finished_run_can_be_extended(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", *SMALL, "schedule.steps=12", "hydra.run.dir=a").code == 0
    assert "schedule.steps=12" in gan("train", "resume=a").refusal
    for name in ("samples", "tensorboard"):  # where somebody has tidied up
        shutil.rmtree(tmp_path / "a" / name)
    assert gan("train", "resume=a", "schedule.steps=30").code == 0
    grids = sorted(path.stem for path in (tmp_path / "a/samples").iterdir())
    assert grids == ["step-000000020", "step-000000030"]
    assert any((tmp_path / "a/tensorboard").iterdir())
    assert gan("train", *SMALL, "schedule.steps=30", "hydra.run.dir=b").code == 0
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    # The monitor measured at the first part's end as well.
    for name in ("best", "maxima"):
        a.pop(name)
        b.pop(name)
    assert_same(a, b)
    assert [row["step"] for row in rows(tmp_path / "a")] == ["12", "30"]


def test_a_run_is_resumed_where_the_data_are_elsewhere(
    gan: Gan, tmp_path: Path, mnist_dir: Path
) -> None:
    assert gan("train", "dataset=mnist", *SMALL, "schedule.steps=2", "hydra.run.dir=a").code == 0
    config = tmp_path / "a/config.yaml"
    (tmp_path / "there").symlink_to(mnist_dir)
    for steps, more in ((3, []), (4, ["data_dir=there"])):
        config.write_text(config.read_text().replace(str(mnist_dir), "/nowhere"))
        assert gan("train", "resume=a", f"schedule.steps={steps}", *more).code == 0
    assert config.read_text().count("data_dir: there") == 2
    refusal = gan("train", "resume=a", "dataset=fashion_mnist", "schedule.steps=5").refusal
    assert "dataset.name: MNIST in the run, FashionMNIST now" in refusal


def test_a_run_is_not_resumed_with_other_settings(gan: Gan, train_once: TrainOnce) -> None:
    run = train_once()
    before = sorted((path, path.stat().st_mtime_ns) for path in run.glob("[!.t]*"))
    for arguments in (
        ["resume=a", "optimizer.lr=0.2", "schedule.steps=9"],
        [*SMALL, "optimizer.lr=0.2", "schedule.steps=9", "hydra.run.dir=a"],
        ["resume=a", "optimizer.lr=0.2", "ablation=minimax", "schedule.steps=9"],
    ):
        refusal = gan("train", *arguments).refusal
        assert "optimizer.lr: 0.001 in the run, 0.2 now" in refusal
    assert "NonSaturating in the run" in refusal
    assert before == sorted((path, path.stat().st_mtime_ns) for path in run.glob("[!.t]*"))


@pytest.mark.parametrize(
    ("name", "before", "after", "words"),
    [
        ("config.yaml", "\nschedule:", "\nschedules:", "is not the config of a run"),
        ("config.yaml", "ema_power: 8\n", "", "has no ema_power: the run is of an earlier version"),
        ("config.yaml", "\n  k: 1\n", "\n  k: 0\n", "a/config.yaml: schedule.k is 0; it should be"),
        ("metrics.csv", "step,", "\ufeffstep,", "metrics.csv begins with a byte order mark"),
        ("metrics.csv", "step,epoch,", "step,loss,", "has the columns step,loss,"),
    ],
)
def test_files_that_can_not_be_resumed_are_left_alone(
    name: str, before: str, after: str, words: str, gan: Gan, train_once: TrainOnce
) -> None:
    run = train_once()
    path = run / name
    whole = path.read_text()
    assert whole.count(before) == 1
    path.write_text(whole.replace(before, after))
    assert words in gan("train", "resume=a", "schedule.steps=9").refusal
    assert path.read_text() == whole.replace(before, after)
    assert '"status": "finished"' in (run / "status.json").read_text()
    path.write_text(whole)
    assert gan("train", "resume=a", "schedule.steps=9").code == 0


def test_a_run_without_its_checkpoints_is_not_begun_anew(gan: Gan, train_once: TrainOnce) -> None:
    run = train_once("log.every_steps=2")
    shutil.rmtree(run / "checkpoints")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert "a/checkpoints" in gan("train", "resume=a", "schedule.steps=8").refusal
    after = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert after == before
