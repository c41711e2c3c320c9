import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli import cli, preload

linux = pytest.mark.skipif(sys.platform != "linux", reason="the libraries are named otherwise")

LOADING = """
import sys, threading
from pathlib import Path
from gan_cli import preload
def loaded():
    return "libtorch_cpu.so" in Path("/proc/self/maps").read_text()
preload.libtorch()
while not loaded() and threading.active_count() > 1:
    pass
"""

LOADED = f"""{LOADING}
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join()
print(loaded(), "torch" in sys.modules)
import torch
print(torch.ones(2, 3).sum().item())
"""


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@linux
def test_libraries_are_loaded_before_torch_is_imported() -> None:
    done = python(LOADED)
    assert (done.returncode, done.stdout) == (0, "True False\n6.0\n"), done.stderr


@linux
def test_a_process_may_end_while_they_load() -> None:
    assert python(LOADING).returncode == 0


def test_without_torchs_libraries_that_is_left_to_its_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preload._load(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr("threading.Thread", lambda **_: pytest.fail("there is nothing to load"))
    preload.libtorch()


# What only tells something, and what may change how the libraries are to be loaded.
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--cfg", "job"], False),
        (["-sc", "query=bash"], False),
        (["-m", "seed=0,1"], False),
        (["+hydra.job.env_set.OMP_NUM_THREADS=1"], False),
        (["schedule.steps=1"], True),
    ],
)
def test_when_they_are_loaded(
    arguments: list[str], expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(preload, "libtorch", lambda: begun.append(True))
    monkeypatch.setattr("hydra.main", lambda **_: lambda _task: lambda: None)
    monkeypatch.setattr(sys, "argv", ["gan train", *arguments])
    monkeypatch.chdir(tmp_path)
    cli.play("train")
    assert bool(begun) is expected
