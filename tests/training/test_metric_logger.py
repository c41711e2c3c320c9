import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan_cli.game.updates import TRAINING_METRICS
from gan_cli.help import COMMANDS
from gan_cli.training import metric_logger
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


def new_logger(run: Path, step: int, every: int = 1) -> MetricLogger:
    paths = run / "metrics.csv", run / "events", lambda at: run / f"{at}.png"
    return MetricLogger(
        *paths, origin={}, settings={"seed": 7}, every=every, grid_every=1, step=step, steps=9
    )


def test_images_per_second_are_those_of_whole_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(metric_logger.time, "perf_counter", lambda: now)
    values = {"epoch": 1.0, **dict.fromkeys(TRAINING_METRICS, 0.5)}
    with new_logger(tmp_path, 0, every=3) as logger:
        # The first and the last row come between two intervals' ends.
        for step, iterations in ((1, 1), (3, 2), (6, 3), (7, 1)):
            for _ in range(iterations):
                logger.advance(images=10)
            now += 2
            logger.row({"step": step, **values})
    with (tmp_path / "metrics.csv").open() as file:
        rates = [row["images_per_second"] for row in csv.DictReader(file)]
    assert rates == ["5", "7.5", "15", "15"]


def test_a_line_is_logged_for_each_interval(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the last estimate, which was made in between."""
    values = {"epoch": 1.0, **dict.fromkeys(TRAINING_METRICS, -1.0)}
    with caplog.at_level("INFO"), new_logger(tmp_path, 0, every=4) as logger:
        logger.row({"step": 3, **values, "parzen_valid": 12.5})
        for step in (4, 8, 9):
            logger.row({"step": step, **values})
    steps = [record.message.partition("step ")[2].split()[0] for record in caplog.records]
    assert steps == ["4/9", "8/9", "9/9"]
    assert caplog.text.count("Parzen 12.5 nats") == 3


def test_a_value_near_zero_is_explained_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"epoch": 1.0, **dict.fromkeys(TRAINING_METRICS, 0.5)}
    with caplog.at_level("INFO"), new_logger(tmp_path, 0) as logger:
        for step, value in enumerate((-1.4, -0.01, -0.02), start=1):
            logger.row({"step": step, **values, "value": value})
    assert ["near 0" in record.message for record in caplog.records].count(True) == 1
    assert "V is -0.010" in caplog.text


def test_tensorboard_gets_the_settings_once(tmp_path: Path) -> None:
    """By a run that was stopped before its first row as well, at step 2."""
    for step in (2, 5):
        with new_logger(tmp_path, step) as logger:
            logger.grid(step + 1, np.zeros((4, 4, 3), np.uint8))
    files = [path.read_bytes() for path in sorted((tmp_path / "events").iterdir())]
    assert sum(file.count(b"session_start_info") for file in files) == 1


def test_no_command_imports_tensorboard() -> None:
    commands = (f"gan_cli.commands.{name.replace('-', '_')}" for name in COMMANDS)
    code = f"import sys, {', '.join(commands)}; print('tensorboard' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
