"""When checkpoints are written, and what is in them."""

import threading
from collections.abc import Callable
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

    @property
    def step(self) -> int:
        return int(self.weights[0])

    def state_dict(self) -> dict:
        return {"step": self.step, "weights": self.weights, "nested": [{"x": self.weights[:3]}]}

    def advance(self) -> None:
        self.weights += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the writer takes for the time, `clock.now`."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("gan_cli.training.checkpoint_writer.time.monotonic", lambda: clock.now)
    return clock


def nothing() -> None: ...


def saves(writer: CheckpointWriter, steps: int, clock: SimpleNamespace, seconds: int) -> list[int]:
    """Return after which of `steps`, each of so many seconds, checkpoints were saved."""
    state, saved = State(), []
    for step in range(1, steps + 1):
        state.advance()
        clock.now += seconds
        if writer.due(step):
            saved.append(step)
            writer.save(state)
            writer.wait()
    return saved


def test_what_is_written_is_the_state_as_it_was(tmp_path: Path) -> None:
    go = threading.Event()
    state = State()
    with CheckpointWriter(tmp_path, [], None, None, sync=go.wait) as writer:
        state.advance()
        writer.save(state)
        state.advance()  # while it is being written
        go.set()
    saved = checkpoints.load_newest(tmp_path)
    assert saved["weights"].tolist() == [1] * 10
    assert saved["nested"][0]["x"].tolist() == [1] * 3


def test_rows_are_on_disk_before_the_checkpoint(tmp_path: Path) -> None:
    seen = []

    def sync() -> None:
        seen.append(list(tmp_path.iterdir()))

    with CheckpointWriter(tmp_path, [], None, None, sync) as writer:
        writer.save(State())
    assert seen == [[]]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_best_is_written_with_the_next(tmp_path: Path) -> None:
    state = State()
    with CheckpointWriter(tmp_path, [5], None, None, nothing) as writer:
        state.advance()
        writer.set_best(state)
        state.advance()
        assert writer.due(2)
        writer.save(state)
    assert checkpoints.load_chosen(tmp_path, "best")["step"] == 1
    assert checkpoints.load_newest(tmp_path)["step"] == 2


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
    with CheckpointWriter(tmp_path, every, minutes, None, nothing) as writer:
        assert saves(writer, steps, clock, seconds=10) == expected


def test_no_more_than_its_share_of_the_time(tmp_path: Path, clock: SimpleNamespace) -> None:
    def slow() -> None:
        clock.now += 3

    with CheckpointWriter(tmp_path, [1], None, 0.1, slow) as writer:
        writer.save(State())
        writer.wait()
        saved = saves(writer, 200, clock, seconds=1)
        # Two of 3 s are a tenth of the first 60 s, 3 of which the first one took.
        assert saved[0] == 57
        assert writer.written == len(saved) + 1 == 7
        assert writer.share() == pytest.approx(7 * 3 / (200 + 7 * 3))


@pytest.mark.parametrize(("share", "expected"), [(None, True), (1.0, False)])
def test_the_last_is_waited_for_only_where_there_is_no_limit(
    share: float | None, expected: bool, tmp_path: Path
) -> None:
    go = threading.Event()
    with CheckpointWriter(tmp_path, [1], None, share, sync=go.wait) as writer:
        writer.save(State())
        assert writer.due(1) is expected
        go.set()


@pytest.mark.parametrize("notice", [CheckpointWriter.wait, lambda writer: writer.save(State())])
def test_what_can_not_be_written_is_raised(
    notice: Callable[[CheckpointWriter], None], tmp_path: Path
) -> None:
    writer = CheckpointWriter(tmp_path / "nowhere", [], None, None, nothing)
    writer.save(State())
    with pytest.raises(UserError, match="Cannot write"):
        notice(writer)
