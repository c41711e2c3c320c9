"""`gan train -m`: stopped, taken up again, and every failure told when it happens."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL, Result, assert_same, rows, weights

from gan_cli import outputs
from gan_cli.training.loop import Training

Gan = Callable[..., Result]
SWEEP = [
    *SMALL, "schedule.steps=6", "log.every=2", "checkpoint.every_steps=2", "checkpoint.share=null",
    "monitor.every=null", "sweep=study",
]  # fmt: skip
GRID = ["optimizer.lr=0.05,0.1,0.2", "seed=range(4)"]


def jobs(cwd: Path) -> list[Path]:
    return sorted(path.parent for path in cwd.glob("outputs/sweep/study/*/config.yaml"))


def sessions(job: Path) -> int:
    return len(json.loads((job / "environment.json").read_text()))


class Crash(BaseException):
    """What ends a process without a word."""


def test_killed_in_the_middle_and_started_again(
    gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gan("train", "-m", *SWEEP, *GRID, "outputs=whole").code == 0
    step, steps = Training.step, []

    def play(self: Training) -> None:
        step(self)
        steps.append(self.state.step)
        if len(steps) == 5 * 6 + 5:
            raise Crash

    monkeypatch.setattr(Training, "step", play)
    with pytest.raises(Crash):
        gan("train", "-m", *SWEEP, *GRID)
    assert len(jobs(tmp_path)) == 6
    result = gan("train", "-m", *SWEEP, *GRID)
    assert result.code == 0, result.err
    assert result.out.count("is finished already") == 5
    # The one that was killed at step 5 went on from step 4.
    assert len(steps) == 12 * 6 + 1

    found = jobs(tmp_path)
    assert len(found) == 12
    assert "optimizer.lr=0.05,seed=0" in [job.name for job in found]
    assert [sessions(job) for job in found].count(2) == 1
    for job in found:
        whole = tmp_path / "whole/sweep/study" / job.name
        assert_same(weights(job), weights(whole))
        both = [[row["d_loss"] for row in rows(run)] for run in (job, whole)]
        assert both[0] == both[1]


def test_more_values_add_jobs_and_longer_ones_go_on(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", "-m", *SWEEP, "seed=0,1").code == 0
    before = {job.name: (job / "metrics.csv").read_bytes() for job in jobs(tmp_path)}
    assert gan("train", "-m", *SWEEP, "seed=1,2").code == 0
    assert [job.name for job in jobs(tmp_path)] == ["seed=0", "seed=1", "seed=2"]
    assert [sessions(job) for job in jobs(tmp_path)] == [1, 1, 1]
    for name, content in before.items():
        assert (tmp_path / "outputs/sweep/study" / name / "metrics.csv").read_bytes() == content

    assert gan("train", "-m", *SWEEP, "seed=0,1", "schedule.steps=8").code == 0
    assert [weights(job)["step"] for job in jobs(tmp_path)] == [8, 8, 6]
    result = gan("train", "-m", *SWEEP, "seed=0,1", "schedule.steps=8", "optimizer.lr=0.3")
    assert result.code == 1
    assert result.out.count("can't go on with these (optimizer.lr: 0.1 there, 0.3 here)") == 2
    assert [weights(job)["step"] for job in jobs(tmp_path)] == [8, 8, 6]


def test_a_failing_job_is_told_at_once_and_leaves_the_others(gan: Gan, tmp_path: Path) -> None:
    result = gan("train", "-m", *SWEEP, "optimizer.lr=-1,0.1,0.2", "seed=range(2)")
    assert result.code == 1
    assert "Traceback" not in result.err
    told = "optimizer.lr=-1,seed=1: optimizer.lr is -1.0; it must be a number greater than 0."
    assert result.out.index(told) < result.out.index("Finished at step")
    assert len(jobs(tmp_path)) == 4
    study = tmp_path / "outputs/sweep/study"
    assert told in (study / "optimizer.lr=-1,seed=1/train.log").read_text()
    log = (study / "sweep.log").read_text().splitlines()
    assert len(log) == 6
    assert log[1].endswith(f"{told.replace(': ', ': failed: ', 1)}")
    assert log[5].endswith("optimizer.lr=0.2,seed=1: finished")


def test_names_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["gan train", "-m", "seed=0,1", "threads=1", "prior=a,b"])
    assert outputs.job_directory(["seed=0", "threads=1", "prior=b"]) == "seed=0,prior=b"
    assert outputs.job_directory(["dataset.path=a/b.zip"]) == "dataset.path=a_b.zip"
    long = [outputs.job_directory([f"key{i}=" + "x" * 300]) for i in range(2)]
    assert long[0] != long[1]
    assert all(len(name) <= 150 for name in long)


def test_the_last_word_of_a_job_counts(tmp_path: Path) -> None:
    job, other = tmp_path / "lr=1,seed=1", tmp_path / "lr=1,seed=11"
    assert outputs.noted(job) is None
    outputs.note(job, "failed: no")
    outputs.note(job, "finished")
    outputs.note(other, "failed: seed=1: odd")
    assert outputs.noted(job) == "finished"
    assert outputs.noted(other) == "failed: seed=1: odd"
    assert outputs.noted(tmp_path / "seed=1") is None
