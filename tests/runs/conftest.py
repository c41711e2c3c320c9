"""Fixtures that have something happen between the steps of training."""

from collections.abc import Callable

import pytest

from gan_cli.game.state import State
from gan_cli.training.trainer import Trainer

Action = Callable[[State], object]


@pytest.fixture
def after_each_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[Action], None]:
    """Have something done to the state after each step from now on."""

    def patch(action: Action) -> None:
        step = Trainer.train_step

        def train_step(self: Trainer) -> None:
            step(self)
            action(self.state)

        monkeypatch.setattr(Trainer, "train_step", train_step)

    return patch


@pytest.fixture
def at_step(after_each_step: Callable[[Action], None]) -> Callable[[int, Action], None]:
    """Have something done to the state once, after the step of the given number."""
    planned: dict[int, Action] = {}

    def act(state: State) -> None:
        if state.step in planned:
            planned.pop(state.step)(state)

    after_each_step(act)
    return planned.__setitem__
