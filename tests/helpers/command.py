"""The command as tests run it, and what they read of a run."""

import csv
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from gan_cli.training import checkpoints

GAN = str(Path(sys.executable).with_name("gan"))

# A pair that trains in no time, on digits.
SMALL = (
    "network.generator.widths=[32,32]",
    "network.discriminator.units=[16,16]",
    "schedule.batch_size=20",
    "precision=fp32",
    "threads=1",
)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def output(self) -> str:
        """Standard output of a command that did what it was asked."""
        assert self.code == 0, self.err
        return self.out

    @property
    def refusal(self) -> str:
        """The one sentence of a command that was refused."""
        assert (self.code, self.err.count("\n")) == (1, 1), self.err
        return self.err


Gan = Callable[..., Result]
TrainOnce = Callable[..., Path]


def in_process(*arguments: str, cwd: Path | None = None) -> object:
    """Run a command line through the entry point, in this process; return what it exits with."""
    from hydra.core.hydra_config import HydraConfig

    from gan_cli import cli

    HydraConfig.instance().cfg = None  # what it knows of the command before
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    with pytest.MonkeyPatch.context() as patch:
        if cwd is not None:
            patch.chdir(cwd)
        patch.setattr(sys, "argv", ["gan", *arguments])
        patch.setattr(sys, "path", list(sys.path))
        try:
            cli.main()
            code: object = 0
        except SystemExit as error:
            code = error.code
    for number, handler in handlers.items():
        signal.signal(number, handler)
    # The command's log, which a later record would open again, and no one close.
    for handler in logging.root.handlers[:]:
        if type(handler) is logging.FileHandler:
            logging.root.removeHandler(handler)
            handler.close()
    return code


def run_gan(*arguments: str, cwd: Path, **environment: str) -> Result:
    """Run the installed command as a process of its own."""
    done = subprocess.run(
        [GAN, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def only(pattern: str, cwd: Path) -> Path:
    (path,) = cwd.glob(pattern)
    return path


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def weights(run: Path) -> dict:
    return checkpoints.load_newest(run / "checkpoints")


def assert_same(
    a: object, b: object, equal: Callable[[torch.Tensor, torch.Tensor], bool] = torch.equal
) -> None:
    """Compare two states, every tensor bit for bit if `equal` is not another measure."""
    if isinstance(a, torch.Tensor):
        assert equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key], equal)
    elif isinstance(a, list):
        for one, other in zip(a, b, strict=True):
            assert_same(one, other, equal)
    else:
        assert a == b or (a != a and b != b)  # NaN is no best estimate yet
