import math

import numpy as np
from test_state import MOMENTUM, training

from gan_cli.training.loop import Intervals, train
from gan_cli.training.signals import Stop
from gan_cli.training.step import simultaneous
from gan_cli.training.variety import Variety


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
