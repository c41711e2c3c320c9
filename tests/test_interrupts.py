import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SMALL

# A signal while PyTorch's C++ imports NumPy, for one, was swallowed: the command went on.
TOLD = """
import os, signal, sys
class Told:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Told())
sys.argv = ["gan", "train", *{arguments!r}]
from gan_cli.cli import main
main()
"""


@pytest.mark.parametrize("module", ["hydra.conf", "numpy.linalg", "torch._dynamo.guards"])
def test_a_signal_during_an_import_ends_at_once(module: str, tmp_path: Path) -> None:
    code = TOLD.format(module=module, arguments=[*SMALL, "schedule.steps=1"])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (128 + 15, "Interrupted.\n")
    assert list(tmp_path.iterdir()) == []
