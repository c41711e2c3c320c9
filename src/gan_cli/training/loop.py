"""The training loop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_cli.data.minibatches import Minibatches
from gan_cli.errors import UserError
from gan_cli.figures.grid import Picture
from gan_cli.training.logbook import Logbook
from gan_cli.training.signals import Stop
from gan_cli.training.state import State
from gan_cli.training.step import METRICS, Game, metrics


@dataclass(frozen=True)
class Training:
    """A game set up to be played: `update` is the step function, with `k` minibatches a step.

    `optimizer` says at which rates.
    """

    state: State
    game: Game
    update: Callable[..., Tensor]
    k: int
    minibatches: Minibatches
    optimizer: Any

    def step(self) -> None:
        """Play one iteration."""
        state, t = self.state, self.state.step * self.k
        xs = [self.minibatches[t + i] for i in range(self.k)]
        state.logits.append(self.update(state, self.game, xs))
        state.step += 1


@dataclass(frozen=True)
class Intervals:
    """How often, in steps and minutes, something is written; all of it at the end as well."""

    log_every: int
    grid_every: int
    monitor_every: int | None
    checkpoint_minutes: float


def train(
    training: Training,
    steps: int,
    intervals: Intervals,
    logbook: Logbook,
    draw: Callable[[], Picture],
    monitor: Callable[[], float],
    save: Callable[[], None],
    save_best: Callable[[], None],
    stop: Stop,
) -> None:
    """Play up to step `steps`, or until `stop` is told to.

    `draw` pictures samples from the z that are watched, `monitor` estimates log-likelihood in nats,
    `save` and `save_best` write a checkpoint. Raises UserError at the first row in which a metric
    is NaN or infinite.
    """
    state = training.state
    saved_at, told = time.monotonic(), state.step
    while state.step < steps and stop.signal is None:
        training.step()
        logbook.advance()
        last = state.step == steps

        # The monitor's estimate goes into a row of its own step.
        watched = intervals.monitor_every and (state.step % intervals.monitor_every == 0 or last)
        estimate = monitor() if watched else math.nan

        # Write down the means since the last row; this is a sync point.
        if state.step % intervals.log_every == 0 or watched or last:
            images = (state.step - told) * training.k * training.minibatches.batch_size
            logbook.row({**_row(training), "parzen_valid": estimate}, images)
            told = state.step
        if estimate > state.best:
            state.best = estimate
            save_best()

        if state.step % intervals.grid_every == 0 or last:
            logbook.grid(state.step, draw())

        if last or time.monotonic() - saved_at > 60 * intervals.checkpoint_minutes:
            save()
            saved_at = time.monotonic()

    if stop.signal is not None:
        save()


def _row(training: Training) -> dict[str, float]:
    """Return the row for the steps since the last."""
    state, t = training.state, training.state.step * training.k
    told = metrics(training.game.objective, torch.stack(list(state.logits))).tolist()
    means = dict(zip(METRICS, told, strict=True))
    state.logits.clear()
    for name, value in means.items():
        if not math.isfinite(value):
            raise UserError(
                f"{name} is {value} at step {state.step}: the game has diverged; a smaller "
                "optimizer.lr is the first thing to try."
            )
    per_epoch = training.minibatches.per_epoch
    lr, momentum = training.optimizer.rates(t - 1, (t - 1) // per_epoch + 1)
    times = {"step": state.step, "epoch": t / per_epoch}
    return {**times, **means, "learning_rate": lr, "momentum": momentum}
