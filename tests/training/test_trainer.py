import math

import numpy as np
import pytest
import torch
from test_state import MOMENTUM, training

from gan_cli.game.updates import simultaneous
from gan_cli.training.collapse import Variety
from gan_cli.training.signals import Stop
from gan_cli.training.trainer import Intervals, train


class Rows:
    """A logbook that keeps what it is told."""

    def __init__(self) -> None:
        self.images: list[int] = []

    def row(self, _values: dict[str, float], images: int) -> None:
        self.images.append(images)

    def advance(self) -> None: ...

    def grid(self, *_: object) -> None: ...


class Saves:
    """A keeper that is never due."""

    def due(self, _: int) -> bool:
        return False

    def save(self, *_: object) -> None: ...


def test_a_row_counts_the_images_since_the_last_in_this_session() -> None:
    t = training(MOMENTUM, simultaneous, 0.0)
    for _ in range(3):
        t.step()  # by an earlier session, whose time is not this one's
    rows = Rows()
    train(
        t, 12, Intervals(5, 100, None), rows, lambda: np.zeros((1, 1, 3), np.uint8), dict,
        Variety(0.25, stops=True), lambda *_: None, math.inf, Saves(), Stop(),
    )  # fmt: skip
    m = t.minibatches.batch_size
    assert rows.images == [2 * m, 5 * m, 2 * m]
    assert not t.state.logits


def test_a_row_is_the_mean_over_all_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few steps' logits are kept."""
    whole = training(MOMENTUM, simultaneous, 0.0)
    for _ in range(11):
        whole.step()
    assert len(whole.state.logits) == 11

    monkeypatch.setattr("gan_cli.training.trainer.LOGITS", 3)
    parts = training(MOMENTUM, simultaneous, 0.0)
    for _ in range(8):
        parts.step()
    assert len(parts.state.logits) <= 3
    saved = parts.state.state_dict()
    resumed = training(MOMENTUM, simultaneous, 0.0)
    resumed.state.load_state_dict(saved)
    for _ in range(3):
        resumed.step()
    torch.testing.assert_close(resumed.means(), whole.means())
