from types import SimpleNamespace

import pytest
import torch
from helpers.trainers import noise, small_trainer

from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Generator
from gan_cli.training.optimizers import Momentum
from gan_cli.training.trainer import Trainer

SHAPE = (1, 3, 3)


def trainer() -> Trainer:
    torch.manual_seed(0)
    pair = Generator(4, SHAPE, [5, 7]), MaxoutDiscriminator(SHAPE, [4, 6], 3, [0.5])
    return small_trainer(*pair, Momentum(0.1), noise(SHAPE))


class Rows:
    """A metric logger that counts the images of each row."""

    every = 5

    def __init__(self) -> None:
        self.images = [0]

    def advance(self, images: int) -> None:
        self.images[-1] += images

    def row(self, _values: dict[str, float]) -> None:
        self.images.append(0)


def test_nothing_need_be_logged_measured_or_saved() -> None:
    t = trainer()
    t.train(12)
    assert t.state.step == 12


def test_a_row_counts_the_images_since_the_last_in_this_session() -> None:
    t = trainer()
    for _ in range(3):
        t.train_step()  # by an earlier session, whose time is not this one's
    t.metric_logger = Rows()
    t.train(12)
    m = t.minibatches.batch_size
    assert t.metric_logger.images == [2 * m, 5 * m, 2 * m, 0]
    assert not t.state.logits


def test_rows_are_on_disk_before_the_checkpoint() -> None:
    t, calls = trainer(), []
    t.metric_logger = SimpleNamespace(sync=lambda: calls.append("sync"))
    t.checkpoint_writer = SimpleNamespace(save=lambda _: calls.append("save"))
    t.save()
    assert calls == ["sync", "save"]


def test_a_row_is_the_mean_over_all_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few steps' logits are kept."""
    whole = trainer()
    for _ in range(11):
        whole.train_step()
    assert len(whole.state.logits) == 11

    monkeypatch.setattr("gan_cli.training.trainer.STORED_LOGITS", 3)
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
