from pathlib import Path

import pytest

from gan_cli.training.logbook import truncate

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
