"""Fixtures: the command in this process, and real data where they are."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from helpers.command import SMALL, Gan, Result, TrainOnce, in_process


@pytest.fixture
def compilers_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "inductor"))


@pytest.fixture(scope="session")
def call() -> Iterator[Callable[..., object]]:
    """Run a command line through the entry point, in this process, at half of its cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "SafeLoader", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        # Hydra composes every config twice, at first only to see whether it sets `hydra.mode`,
        # which ours leaves to -m.
        patch.setattr("hydra._internal.hydra.Hydra.get_mode", lambda *_args, **_settings: None)
        # tests/runs/test_overview.py has finished runs drawn, and test_report.py charts.
        patch.setattr("gan_cli.commands.train.show_finished", lambda _: None)
        patch.setattr("gan_cli.runs.report.draw", lambda *_: b"")
        yield in_process


@pytest.fixture
def gan(
    call: Callable[..., object], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], tmp_path: Path,
) -> Gan:  # fmt: skip
    """Run a command line through the entry point, in this process and in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        code = call(*arguments)
        out, err = capfd.readouterr()
        if isinstance(code, str):
            code, err = 1, f"{err}{code}\n"
        assert isinstance(code, int)
        return Result(code, out, err)

    return run


@pytest.fixture(scope="session")
def trained_before() -> dict[tuple[str, ...], Path]:
    return {}


@pytest.fixture
def train_once(
    gan: Gan, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
    trained_before: dict[tuple[str, ...], Path],
) -> TrainOnce:  # fmt: skip
    """Return a run of three steps at `to`: a copy, where a test before has trained its like."""

    def run(*settings: str, to: str = "a") -> Path:
        if settings not in trained_before:
            path = tmp_path_factory.mktemp("trained") / "a"
            few = [*SMALL, "schedule.steps=3", f"hydra.run.dir={path}"]
            assert gan("train", *few, *settings).code == 0
            trained_before[settings] = path
        return shutil.copytree(trained_before[settings], tmp_path / to)

    return run


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def mnist_dir() -> Path:
    """The directory with the real MNIST, or a skipped test."""
    path = Path(os.environ.get("GAN_DATA", "data")).absolute()
    if not (path / "MNIST/raw/train-images-idx3-ubyte").is_file():
        pytest.skip("needs MNIST under GAN_DATA")
    return path
