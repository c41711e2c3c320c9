import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import GAN, SMALL

# Signals itself as `module` is imported. Only an end in order does what `atexit` has.
SIGNALLED = """
import atexit, os, sys
atexit.register(print, "In order.", file=sys.stderr)
class Finder:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Finder())
sys.argv = ["gan", "train", *{arguments!r}]
from gan_cli.cli import main
main()
"""

LONG = [*SMALL, "schedule.steps=50000", "log.every_steps=10"]


@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("hydra.conf", signal.SIGINT),
        ("numpy.linalg", signal.SIGTERM),
        ("torch._dynamo.guards", signal.SIGINT),
    ],
)
def test_a_signal_during_an_import_ends_at_once(
    module: str, number: signal.Signals, tmp_path: Path
) -> None:
    """While PyTorch's C++ imports NumPy, for one, an exception would be swallowed."""
    code = SIGNALLED.format(module=module, number=number.value, arguments=LONG)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 128 + number
    assert done.stderr.startswith("Interrupted.\n")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("outputs/train/*/config.yaml"))


def test_a_signal_ends_it_without_standard_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    code = SIGNALLED.format(module="numpy.linalg", number=signal.SIGTERM.value, arguments=LONG)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stderr=write, check=False)
    os.close(write)
    assert done.returncode == 128 + signal.SIGTERM
    assert not list(tmp_path.glob("outputs/train/*/config.yaml"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_has_ended_leaves_signals_alone(
    number: signal.Signals, tmp_path: Path
) -> None:
    """While Python takes itself apart an exception would be a traceback, and status 0."""
    code = (
        "import atexit, os, sys\n"
        "from gan_cli.cli import main\n"
        f"atexit.register(lambda: os.kill(os.getpid(), {number.value}))\n"
        "sys.argv = ['gan', '--version']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (-number, "")


def test_an_interrupted_sweep_leaves_no_workers(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    command = [GAN, "train", "-m", "hydra/launcher=joblib", *LONG, "seed=0,1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **pipes) as process:
        assert process.stdout is not None
        try:
            next(line for line in process.stdout if "step 10/" in line)
            process.send_signal(signal.SIGTERM)
            # Until no process is left that could write there.
            _, err = process.communicate(timeout=120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, "Traceback" in err) == (128 + signal.SIGTERM, False)
    assert err.startswith("Interrupted.\n")
