"""The training of a pair: update after update, and what is measured and written between them."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gan_cli.data.minibatches import Minibatches
from gan_cli.errors import DivergedError
from gan_cli.game.state import STORED_LOGITS, State
from gan_cli.game.updates import TRAINING_METRICS, Game, Update, metrics
from gan_cli.training.averaging import AVERAGE_EVERY, current_average, update_average
from gan_cli.training.checkpoint_writer import CheckpointWriter
from gan_cli.training.metric_logger import MetricLogger
from gan_cli.training.monitor import Monitor
from gan_cli.training.optimizers import Optimizer
from gan_cli.training.signals import Stop

log = logging.getLogger(__name__)

# Steps after which a grid is drawn besides those that are due: when samples change most.
EARLY = (10, 20, 50, 100, 200)
# After so many iterations logits that all lie in [0, 1] are no accident of the initial weights.
SIGMOID_CHECK_STEPS = 50


@dataclass
class Trainer:
    """Trains `state` by `update`, on `k` of the minibatches an iteration.

    `update` is one of `config.build.UPDATES`, as its engine executes it. `d_optimizer` gives the
    learning rate and momentum that a row of metrics reports. `ema_decay` and `ema_power` are those
    of the average of G's weights, as `update_average` takes them. Without `metric_logger`,
    `monitor` or `checkpoint_writer` nothing is logged, measured or saved.
    """

    state: State
    game: Game
    update: Update
    minibatches: Minibatches
    k: int
    d_optimizer: Optimizer
    ema_decay: float = 0.0
    ema_power: float = 8.0
    metric_logger: MetricLogger | None = None
    monitor: Monitor | None = None
    checkpoint_writer: CheckpointWriter | None = None
    # Whether all logits that were looked at since step 0 are in [0, 1].
    _like_probabilities: bool = field(default=False, init=False)

    @property
    def iterations_per_epoch(self) -> float:
        """How many iterations make an epoch."""
        return self.minibatches.per_epoch / self.k

    def train(
        self,
        steps: int,
        stop: Stop | None = None,
        prune: Callable[[int, float], None] | None = None,
    ) -> None:
        """Train up to iteration `steps`, to the monitor's target, or until a signal comes.

        `prune` takes each estimate by the monitor's criterion and its number, from 1, and raises
        PrunedError where a search ends the run. Raises DivergedError at the first row or checkpoint
        at which a metric or a weight is NaN or infinite, and UserError for what can't be written
        and for a collapse that is to end the run.
        """
        state, stop = self.state, stop or Stop()
        self._like_probabilities = state.step == 0
        if state.step == 0:
            # Before there is a row that could be lost.
            self.save()
            if self.metric_logger is not None and self.monitor is not None:
                self.metric_logger.grid(0, self.monitor.draw())

        while not self.is_over(steps) and stop.signal is None:
            # Update both players.
            self.train_step()

            # Measure samples.
            best, was_collapsed = state.best, state.collapsed
            estimates = self.validate(last=state.step == steps)
            last = self.is_over(steps)
            has_collapsed = state.collapsed and not was_collapsed

            # Log, with the estimates in the row of their own iteration.
            self.log(estimates, last)

            # Save.
            if self.checkpoint_writer is not None:
                if state.best != best and not math.isnan(state.best):
                    self.checkpoint_writer.set_best(state)
                if last or has_collapsed or stop.save or self.checkpoint_writer.due(state.step):
                    self.save()
                    stop.save = False

            # Report the estimates; a collapse, or a search, may end the run.
            if self.monitor is not None and estimates:
                if has_collapsed:
                    self.monitor.report_collapse(estimates)
                if prune is not None and not last:
                    prune(self.monitor.number(), estimates[self.monitor.settings.criterion.name])

        if stop.signal is not None:
            self.save()

    def is_over(self, steps: int) -> bool:
        """Return whether the run is as long as it should be, or as good."""
        good = self.monitor is not None and self.monitor.settings.is_reached(self.state.best)
        return good or self.state.step >= steps

    def train_step(self) -> None:
        """Do one iteration: an update of both players, and of the average when it is due."""
        state, first = self.state, self.state.step * self.k
        logits = self.update(state, self.game, [self.minibatches[first + i] for i in range(self.k)])
        if len(state.logits) == STORED_LOGITS:
            # On the device, without waiting for it.
            state.earlier = self.means()
            state.n_earlier += STORED_LOGITS
            state.logits.clear()
        state.logits.append(logits)
        state.step += 1
        if state.step % AVERAGE_EVERY == 0:
            update_average(
                state.average, state.generator, state.step, AVERAGE_EVERY, self.ema_decay,
                self.ema_power,
            )  # fmt: skip

    def average(self) -> nn.Module:
        """Return a copy of G with the average of its weights."""
        state = self.state
        return current_average(
            state.average, state.generator, state.step, self.ema_decay, self.ema_power
        )

    def means(self) -> Tensor:
        """Return TRAINING_METRICS as means over the iterations since the last row."""
        state, n = self.state, len(self.state.logits)
        latest = metrics(self.game.objective, torch.stack(state.logits))
        if state.earlier is None:
            return latest
        return state.earlier.lerp(latest, n / (state.n_earlier + n))

    def validate(self, last: bool) -> dict[str, float]:
        """Return the monitor's estimates where they are due; the state gets the best so far."""
        if self.monitor is None or not self.monitor.is_due(last):
            return {}
        return self.monitor.estimate()

    def log(self, estimates: Mapping[str, float], last: bool) -> None:
        """Write a row of metrics, which is a sync point, and a grid of samples, where due."""
        logger, step = self.metric_logger, self.state.step
        if logger is None:
            return
        logger.advance(images=self.k * self.minibatches.batch_size)
        if step % logger.every == 0 or estimates or last:
            self.state.refuse_diverged()
            self._warn_of_probabilities()
            logger.row({**self._row(), **estimates})
        if self.monitor is not None and (step % logger.grid_every == 0 or step in EARLY or last):
            logger.grid(step, self.monitor.draw())

    def save(self) -> None:
        """Write a checkpoint, with all rows that came before it on disk."""
        if self.checkpoint_writer is not None:
            self.state.refuse_diverged()
            if self.metric_logger is not None:
                self.metric_logger.sync()
            self.checkpoint_writer.save(self.state)

    def _row(self) -> dict[str, float]:
        """Return what a row reports of the updates since the last."""
        state, seen, per_epoch = self.state, self.state.step * self.k, self.minibatches.per_epoch
        means = dict(zip(TRAINING_METRICS, self.means().tolist(), strict=True))
        state.logits.clear()
        state.earlier, state.n_earlier = None, 0
        for name, value in means.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} at step {state.step}")
        lr, momentum = self.d_optimizer.schedule(seen - 1, (seen - 1) // per_epoch + 1)
        times = {"step": state.step, "epoch": seen / per_epoch}
        return {**times, **means, "learning_rate": lr, "momentum": momentum}

    def _warn_of_probabilities(self) -> None:
        """Warn, once, where the logits of all rows since step 0 are in [0, 1]."""
        if not self._like_probabilities:
            return
        low, high = torch.stack(self.state.logits).aminmax()
        self._like_probabilities = low.item() >= 0 and high.item() <= 1
        if self._like_probabilities and self.state.step >= SIGMOID_CHECK_STEPS:
            self._like_probabilities = False
            log.warning(
                "All that network.discriminator gave in the first %d steps is in [0, 1], as if it "
                "ended in a sigmoid: it must give logits, without one.", self.state.step,
            )  # fmt: skip
