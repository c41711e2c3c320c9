import math

import numpy as np
import pytest
import torch
from helpers.trainers import small_trainer

from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Generator
from gan_cli.training.collapse import CollapseDetector
from gan_cli.training.optimizers import Momentum
from gan_cli.training.signals import Stop
from gan_cli.training.trainer import Observers, Trainer

SHAPE = (1, 3, 3)


def trainer() -> Trainer:
    torch.manual_seed(0)
    pair = Generator(4, SHAPE, [5, 7]), MaxoutDiscriminator(SHAPE, [4, 6], 3, [0.5])
    return small_trainer(*pair, Momentum(0.1), shape=SHAPE)


class Rows:
    """A metric logger that remembers what it got."""

    def __init__(self) -> None:
        self.images: list[int] = []

    def row(self, _values: dict[str, float], images: int) -> None:
        self.images.append(images)

    def advance(self) -> None: ...

    def grid(self, *_: object) -> None: ...


class Saves:
    """A checkpoint writer that is never due."""

    def due(self, _: int) -> bool:
        return False

    def save(self, *_: object) -> None: ...


def test_a_row_counts_the_images_since_the_last_in_this_session() -> None:
    t = trainer()
    for _ in range(3):
        t.train_step()  # by an earlier session, whose time is not this one's
    rows = Rows()
    observers = Observers(
        rows, Saves(), dict, CollapseDetector(0.25, stops=True),
        lambda: np.zeros((1, 1, 3), np.uint8), lambda *_: None, 5, 100, None, math.inf,
    )  # fmt: skip
    t.train(12, observers, Stop())
    m = t.minibatches.batch_size
    assert rows.images == [2 * m, 5 * m, 2 * m]
    assert not t.state.logits


def test_a_row_is_the_mean_over_all_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few steps' logits are kept."""
    whole = trainer()
    for _ in range(11):
        whole.train_step()
    assert len(whole.state.logits) == 11

    monkeypatch.setattr("gan_cli.training.trainer.LOGITS", 3)
    parts = trainer()
    for _ in range(8):
        parts.train_step()
    assert len(parts.state.logits) <= 3
    saved = parts.state.state_dict()
    resumed = trainer()
    resumed.state.load_state_dict(saved)
    for _ in range(3):
        resumed.train_step()
    torch.testing.assert_close(resumed.means(), whole.means())
