import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from torch.utils import tensorboard

from gan_cli.game.updates import TRAINING_METRICS
from gan_cli.training.metric_logger import MetricLogger, truncate

WHOLE = "step,epoch,d_loss\n10,1,0.5\n20,2,0.4\n30,3,0.3\n"


@pytest.mark.parametrize(
    ("content", "step", "left"),
    [
        (WHOLE, 30, WHOLE),
        (WHOLE, 29, "step,epoch,d_loss\n10,1,0.5\n20,2,0.4\n"),
        (WHOLE, 0, "step,epoch,d_loss\n"),
        (WHOLE + "40,4", 99, WHOLE),  # a row cut short by a crash
        ("step,ep", 99, ""),
        ("", 5, ""),
    ],
)
def test_rows_after_the_checkpoint_go(content: str, step: int, left: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(content)
    truncate(path, step)
    assert path.read_text() == left


def test_no_file_no_rows(tmp_path: Path) -> None:
    truncate(tmp_path / "metrics.csv", 5)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[MetricLogger]:
    with closing(
        MetricLogger(
            tmp_path / "metrics.csv", tmp_path / "events", lambda *_: None, {"seed": 0}, 0, 9
        )
    ) as book:
        yield book


def test_nothing_for_tensorboard_before_there_is_something_to_tell(
    logger: MetricLogger, tmp_path: Path
) -> None:
    logger.advance()
    logger.sync()
    assert not (tmp_path / "events").exists()
    logger.grid(1, np.zeros((4, 4, 3), np.uint8))
    logger.sync()
    assert len(list((tmp_path / "events").iterdir())) == 1


def test_no_row_counts_the_making_of_the_writer(
    logger: MetricLogger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, make = time.perf_counter(), tensorboard.SummaryWriter

    def pass_by(seconds: float) -> None:
        nonlocal now
        now += seconds

    def slow(*args: object, **settings: int) -> tensorboard.SummaryWriter:
        pass_by(60)
        return make(*args, **settings)

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    monkeypatch.setattr(tensorboard, "SummaryWriter", slow)
    logger._since = now
    for step in (1, 2):
        pass_by(2)
        logger.row({"step": step, "epoch": 1.0, **dict.fromkeys(TRAINING_METRICS, 0.5)}, images=10)
    with (tmp_path / "metrics.csv").open() as file:
        assert [row["images_per_second"] for row in csv.DictReader(file)] == ["5", "5"]


def test_tensorboard_is_told_the_settings_once(tmp_path: Path) -> None:
    """By a run that was stopped before its first row as well, at step 2."""
    for step in (2, 5):
        with closing(
            MetricLogger(
                tmp_path / "csv", tmp_path / "events", lambda *_: None, {"seed": 7}, step, 9
            )
        ) as book:
            book.grid(step + 1, np.zeros((4, 4, 3), np.uint8))
    files = [path.read_bytes() for path in sorted((tmp_path / "events").iterdir())]
    assert sum(file.count(b"session_start_info") for file in files) == 1


@pytest.mark.parametrize("command", ["train", "sample", "interpolate", "eval_parzen"])
def test_no_command_imports_tensorboard(command: str) -> None:
    code = f"import sys, gan_cli.commands.{command}; print('tensorboard' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
