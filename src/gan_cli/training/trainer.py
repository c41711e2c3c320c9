"""The training loop."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_cli.data.minibatches import Minibatches
from gan_cli.engines.captured import Captured
from gan_cli.errors import DivergedError
from gan_cli.figures.grid import Picture
from gan_cli.game.state import LOGITS, State
from gan_cli.game.updates import METRICS, Game, metrics
from gan_cli.training.averaging import AVERAGE_EVERY, update_average
from gan_cli.training.checkpoint_writer import Keeper
from gan_cli.training.collapse import Variety
from gan_cli.training.metric_logger import Logbook
from gan_cli.training.signals import Stop

log = logging.getLogger(__name__)

# The monitor's estimate that says which checkpoint is the best: the most is best.
BEST_BY = "parzen_valid"
# After so many iterations logits that all lie in [0, 1] are no accident of the initial weights.
FIRST = 50


@dataclass(frozen=True)
class Training:
    """A game set up to be played: `update` is the step function, with `k` minibatches a step.

    `optimizer` says at which rates D plays; `captured` is the update as a CUDA graph or a compiled
    program, or None.
    """

    state: State
    game: Game
    update: Callable[..., Tensor]
    k: int
    minibatches: Minibatches
    optimizer: Any
    captured: Captured | None = None

    def step(self) -> None:
        """Play one iteration."""
        state, t = self.state, self.state.step * self.k
        xs = [self.minibatches[t + i] for i in range(self.k)]
        logits = (self.captured or self.update)(state, self.game, xs)
        if len(state.logits) == LOGITS:
            # On the device, without waiting for it.
            state.earlier = self.means()
            state.n_earlier += LOGITS
            state.logits.clear()
        state.logits.append(logits)
        state.step += 1
        if state.step % AVERAGE_EVERY == 0:
            update_average(
                state.average, state.generator, state.step, AVERAGE_EVERY, self.game.ema_decay,
                self.game.ema_power,
            )  # fmt: skip

    def means(self) -> Tensor:
        """Return METRICS as means over the steps since the last row."""
        state, n = self.state, len(self.state.logits)
        latest = metrics(self.game.objective, torch.stack(state.logits))
        if state.earlier is None:
            return latest
        return state.earlier.lerp(latest, n / (state.n_earlier + n))


@dataclass(frozen=True)
class Intervals:
    """How often, in steps, something is written; all of it at the end as well."""

    log_every: int
    grid_every: int
    monitor_every: int | None


def train(
    training: Training,
    steps: int,
    intervals: Intervals,
    logbook: Logbook,
    draw: Callable[[], Picture],
    monitor: Callable[[], dict[str, float]],
    variety: Variety,
    judge: Callable[[int, float], None],
    target: float,
    keeper: Keeper,
    stop: Stop,
) -> None:
    """Play up to step `steps`, or until `stop` is told to or BEST_BY is at least `target`, in nats.

    `draw` pictures samples from the z that are watched. `monitor` measures samples: BEST_BY, which
    says what checkpoint is the best, and their variety, which `variety` judges; a search is told
    each estimate and its number by `judge`, and may give the run up. `keeper` says when a
    checkpoint is due, and writes it. Raises DivergedError at the first row or checkpoint at which
    a metric or a weight is NaN or infinite, and UserError for what can't be written and for a
    collapse that is to stop the run.
    """
    state, told = training.state, training.state.step
    like_probabilities = not state.step
    while not over(state, steps, target) and stop.signal is None:
        training.step()
        logbook.advance()

        # The monitor's estimates go into a row of their own step.
        every = intervals.monitor_every
        watched = every and (state.step % every == 0 or state.step == steps)
        estimates = monitor() if watched else {}
        best = estimates.get(BEST_BY, -math.inf)
        new_best = best > state.best
        state.best = max(state.best, best)
        last = over(state, steps, target)

        # Write down the means since the last row; this is a sync point.
        if state.step % intervals.log_every == 0 or watched or last:
            images = (state.step - told) * training.k * training.minibatches.batch_size
            state.refuse_diverged()
            if like_probabilities:
                low, high = torch.stack(state.logits).aminmax()
                like_probabilities = low.item() >= 0 and high.item() <= 1
                if like_probabilities and state.step >= FIRST:
                    log.warning(
                        "All that network.discriminator gave in the first %d steps is in [0, 1], "
                        "as if it ended in a sigmoid: it must give logits, so the sigmoid must go.",
                        state.step,
                    )
                    like_probabilities = False
            logbook.row({**_row(training), **estimates}, images)
            told = state.step

        if state.step % intervals.grid_every == 0 or last:
            logbook.grid(state.step, draw())

        if new_best:
            keeper.keep_best(state)
        collapse = variety.judge(state, estimates)
        if last or collapse or stop.save or keeper.due(state.step):
            state.refuse_diverged()
            keeper.save(state)
            stop.save = False
        if collapse:
            variety.tell(collapse)
        if every and BEST_BY in estimates and not last:
            judge(state.step // every, estimates[BEST_BY])

    if stop.signal is not None:
        state.refuse_diverged()
        keeper.save(state)


def over(state: State, steps: int, target: float) -> bool:
    """Say whether a run is as long as it should be, or as good."""
    return state.step >= steps or state.best >= target


def _row(training: Training) -> dict[str, float]:
    """Return the row for the steps since the last."""
    state, t = training.state, training.state.step * training.k
    means = dict(zip(METRICS, training.means().tolist(), strict=True))
    state.logits.clear()
    state.earlier, state.n_earlier = None, 0
    for name, value in means.items():
        if not math.isfinite(value):
            raise DivergedError(f"{name} is {value} at step {state.step}")
    per_epoch = training.minibatches.per_epoch
    lr, momentum = training.optimizer.rates(t - 1, (t - 1) // per_epoch + 1)
    times = {"step": state.step, "epoch": t / per_epoch}
    return {**times, **means, "learning_rate": lr, "momentum": momentum}
