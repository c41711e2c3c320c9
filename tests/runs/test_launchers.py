"""The same sweep by every launcher, on this machine; and the script for Slurm."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.command import SMALL, Gan, TrainOnce, assert_same, rows, run_gan, weights

from gan_cli.training import device

SETTINGS = [
    *SMALL, "schedule.steps=4", "log.every_steps=2", "monitor.samples=50", "monitor.valid=20",
]  # fmt: skip
FAILED = "optimizer.lr=-1: optimizer.lr is -1; it should be greater than 0."


@pytest.fixture
def launchers() -> Iterator[None]:
    """Those whose workers outlive a sweep, ended."""
    yield
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()
    if "joblib" in sys.modules:
        sys.modules["joblib.externals.loky"].get_reusable_executor().shutdown(kill_workers=True)


@pytest.mark.usefixtures("launchers")
@pytest.mark.parametrize("launcher", ["joblib", "ray_local", "slurm_local"])
def test_the_same_results_by_every_launcher(
    launcher: str, gan: Gan, train_once: TrainOnce, tmp_path: Path
) -> None:
    pytest.importorskip(
        {"joblib": "joblib", "ray_local": "ray", "slurm_local": "submitit"}[launcher]
    )
    sweep = [f"hydra/launcher={launcher}", *SETTINGS, "optimizer.lr=0.1,-1", "sweep=study"]
    result = gan("train", "-m", *sweep)
    assert result.code == 1
    assert "1 of 2 jobs failed" in result.err
    assert FAILED.rstrip(".") in result.err
    assert "Traceback" not in result.out + result.err
    study = tmp_path / "outputs/sweep/study"
    (job,) = (path.parent for path in study.glob("*/config.yaml"))
    assert job.name == "optimizer.lr=0.1"
    log = (study / "sweep.log").read_text()
    assert log.count(": finished\n") == 1
    assert FAILED.replace(": ", ": failed: ", 1) in log
    alone = train_once(*SETTINGS, "optimizer.lr=0.1")
    assert_same(weights(job), weights(alone))
    for one, other in zip(rows(job), rows(alone), strict=True):
        assert {**one, "images_per_second": ""} == {**other, "images_per_second": ""}


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "77"}, "77"),
        ({"OMP_WAIT_POLICY": "passive"}, "none"),
    ],
)
def test_waiting_threads_do_not_spin_for_long(
    own: dict[str, str], seen: str, gan: Gan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a variable that is read where PyTorch is loaded, and that workers inherit."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    assert gan("--version").code == 0
    assert os.environ.get("GOMP_SPINCOUNT", "none") == seen


def test_the_script_for_slurm(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    # One that takes no jobs, so that no one waits for them.
    refuse = f'cp "$1" {tmp_path}/script.sh; echo No such partition >&2; exit 1'
    commands = {"srun": "exit 0", "sbatch": refuse}
    for name, body in commands.items():
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f"#!/bin/sh\n{body}\n")
        command.chmod(0o755)
    result = run_gan(
        "train", "-m", *SMALL, "seed=0,1", "sweep=study", "hydra/launcher=slurm",
        "hydra.launcher.partition=gpus",
        cwd=tmp_path, PATH=f"{tmp_path}/bin:{os.environ['PATH']}",
    )  # fmt: skip
    assert (result.code, "Traceback" in result.err) == (1, False)
    assert "No such partition" in result.err
    script = (tmp_path / "script.sh").read_text().splitlines()
    wanted = {
        "--array=0-1%2", "--gpus-per-node=1", "--cpus-per-task=4", "--mem=16GB", "--time=240",
        "--partition=gpus", "--signal=USR2@120", "--open-mode=append", "--job-name=train",
    }  # fmt: skip
    assert wanted <= {line.removeprefix("#SBATCH ") for line in script}
    assert "srun" in "\n".join(script)


def test_one_gpu_for_each_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take() -> str:
        """Take a GPU as another process would."""
        monkeypatch.setattr(device, "_gpu", [])
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        device.take_gpu(tmp_path)
        locks.append(device._gpu)
        return os.environ.get("CUDA_VISIBLE_DEVICES", "all")

    locks: list[list] = []
    monkeypatch.setattr(device.torch.cuda, "device_count", lambda: 1)
    assert take() == "all"
    monkeypatch.setattr(device.torch.cuda, "device_count", lambda: 2)
    assert [take(), take()] == ["0", "1"]
    # Another machine has GPUs of its own.
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(device.platform, "node", lambda: "another")
        assert take() == "0"
    locks.pop()

    waited = []

    def first_ends(seconds: float) -> None:
        waited.append(seconds)
        locks[1][0].release()

    monkeypatch.setattr(device.time, "sleep", first_ends)
    assert take() == "0"
    assert len(waited) == 1

    # What a scheduler gave is what there is; and a process keeps what it has.
    monkeypatch.setattr(device, "_gpu", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    device.take_gpu(tmp_path)
    device.take_gpu(tmp_path)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
