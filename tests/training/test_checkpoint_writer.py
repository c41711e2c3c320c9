"""When checkpoints are written, and what is in them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gan_cli.errors import UserError
from gan_cli.training import checkpoints
from gan_cli.training.checkpoint_writer import CheckpointWriter


class State:
    """A state whose every number is the step."""

    def __init__(self) -> None:
        self.weights = torch.zeros(10)

    def state_dict(self) -> dict:
        return {"step": int(self.weights[0]), "weights": self.weights}

    def advance(self) -> None:
        self.weights += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the writer takes for the time, `clock.now`."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("gan_cli.training.checkpoint_writer.time.monotonic", lambda: clock.now)
    return clock


def saves(writer: CheckpointWriter, steps: int, clock: SimpleNamespace, seconds: int) -> list[int]:
    """Return after which of `steps`, each of so many seconds, checkpoints were saved."""
    state, saved = State(), []
    for step in range(1, steps + 1):
        state.advance()
        clock.now += seconds
        if writer.due(step):
            saved.append(step)
            writer.save(state)
    return saved


def test_the_best_is_written_with_the_next(tmp_path: Path) -> None:
    state = State()
    writer = CheckpointWriter(tmp_path, [5], None, None)
    state.advance()
    writer.set_best(state)
    state.advance()
    assert writer.due(2)
    writer.save(state)
    assert checkpoints.load_chosen(tmp_path, "best")["weights"].tolist() == [1] * 10
    assert checkpoints.load_newest(tmp_path)["weights"].tolist() == [2] * 10


@pytest.mark.parametrize(
    ("every", "minutes", "steps", "expected"),
    [
        ([4], None, 12, [4, 8, 12]),
        ([4, 6], None, 12, [4, 6, 8, 12]),
        ([], 0.5, 9, [3, 6, 9]),
        ([7], 0.5, 9, [3, 6, 7]),
        ([], None, 9, []),
    ],
)
def test_whichever_comes_first(
    every: list[int], minutes: float | None, steps: int, expected: list[int], tmp_path: Path,
    clock: SimpleNamespace,
) -> None:  # fmt: skip
    writer = CheckpointWriter(tmp_path, every, minutes, None)
    assert saves(writer, steps, clock, seconds=10) == expected


def test_no_more_than_its_share_of_the_time(
    tmp_path: Path, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        clock.now += 3

    monkeypatch.setattr(checkpoints, "save", slow)
    writer = CheckpointWriter(tmp_path, [1], None, 0.1)
    writer.save(State())
    saved = saves(writer, 200, clock, seconds=1)
    # Two of 3 s are a tenth of the first 60 s, 3 of which the first one took.
    assert saved[0] == 57
    assert writer.written == len(saved) + 1 == 7
    assert writer.share() == pytest.approx(7 * 3 / (200 + 7 * 3))


def test_what_can_not_be_written_is_raised(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path / "nowhere", [], None, None)
    with pytest.raises(UserError, match="Cannot write"):
        writer.save(State())
