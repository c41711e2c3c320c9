"""Fixtures: the command in this process, and real data where they are."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.command import Result

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@pytest.fixture
def compilers_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "inductor"))


@pytest.fixture
def gan(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Result]:
    """Run a command line through the entry point, in this process and in a directory of its own."""
    from hydra._internal.hydra import Hydra
    from hydra.core.hydra_config import HydraConfig

    from gan_cli import cli

    monkeypatch.chdir(tmp_path)
    # Hydra composes every config twice, at first only to see whether it sets `hydra.mode`, which
    # ours leaves to -m: a quarter of what all commands here take.
    monkeypatch.setattr(Hydra, "get_mode", lambda *_args, **_settings: None)
    # A third of what all commands here take; tests/runs/test_overview.py has finished runs drawn.
    monkeypatch.setattr("gan_cli.commands.train.show_finished", lambda _: None)

    def run(*arguments: str) -> Result:
        HydraConfig.instance().cfg = None  # what it knows of the command before
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        monkeypatch.setattr(sys, "argv", ["gan", *arguments])
        monkeypatch.setattr(sys, "path", list(sys.path))
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
        out, err = capfd.readouterr()
        if isinstance(code, str):
            code, err = 1, f"{err}{code}\n"
        assert isinstance(code, int)
        return Result(code, out, err)

    return run


@pytest.fixture
def mnist_dir() -> Path:
    """The directory with the real MNIST, or a skipped test."""
    path = Path(os.environ.get("GAN_DATA", "data")).absolute()
    if not (path / "MNIST/raw/train-images-idx3-ubyte").is_file():
        pytest.skip("needs MNIST under GAN_DATA")
    return path
