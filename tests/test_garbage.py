import gc
from collections.abc import Callable
from typing import Any

import pytest
from conftest import SMALL, Result

from gan_cli.commands import theory
from gan_cli.data.sources import Digits
from gan_cli.training.loop import Training


def test_garbage_lies_until_a_command_has_begun(
    gan: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    collects, set_apart, freeze = [], [], gc.freeze
    monkeypatch.setattr(gc, "freeze", lambda: set_apart.append(freeze()))

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def play(*arguments: Any) -> Any:
            collects.append((gc.isenabled(), gc.get_freeze_count() > 10_000))
            return function(*arguments)

        return play

    monkeypatch.setattr(Digits, "load", watched(Digits.load))
    monkeypatch.setattr(Training, "step", watched(Training.step))
    assert gan("train", *SMALL, "schedule.steps=2", "monitor.every=null").code == 0
    assert collects == [(False, False), (True, True), (True, True)]

    collects.clear()
    monkeypatch.setattr(theory, "run", watched(lambda *_: None))
    assert gan("theory").code == 0
    assert collects == [(True, True)]

    # A sweep's second job finds it collected, and sets nothing apart that may be garbage.
    collects.clear()
    set_apart.clear()
    sweep = ["-m", "seed=1,2", *SMALL, "schedule.steps=1", "monitor.every=null"]
    assert gan("train", *sweep).code == 0
    assert collects == [(False, False), (True, True), (True, True), (True, True)]
    assert len(set_apart) == 1
