import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli import preload

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


def test_without_torchs_libraries_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preload._load(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    preload.libtorch()
