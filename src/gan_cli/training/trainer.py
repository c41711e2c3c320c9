"""The training of a pair: update after update, and what is measured and written between them."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.data.minibatches import Minibatches
from gan_cli.errors import DivergedError
from gan_cli.figures.grid import Picture
from gan_cli.game.state import LOGITS, State
from gan_cli.game.updates import TRAINING_METRICS, Game, Update, metrics
from gan_cli.training.averaging import AVERAGE_EVERY, update_average
from gan_cli.training.checkpoint_writer import CheckpointWriter
from gan_cli.training.collapse import CollapseDetector
from gan_cli.training.metric_logger import MetricLogger
from gan_cli.training.optimizers import Optimizer
from gan_cli.training.signals import Stop

log = logging.getLogger(__name__)

# The monitor's estimate by which the best checkpoint is chosen: the highest is best.
BEST_BY = "parzen_valid"
# After so many iterations logits that all lie in [0, 1] are no accident of the initial weights.
SIGMOID_CHECK_STEPS = 50


@dataclass(frozen=True)
class Observers:
    """What measures and records a run while it trains; intervals are in iterations.

    `monitor` estimates how good samples are: BEST_BY, and diversity, which `collapse` watches.
    `draw` makes a picture of samples. A search gets each estimate, with its number from 1, by
    `prune`, which raises PrunedError to end the run. The run ends once BEST_BY is `target` (nats).
    """

    metric_logger: MetricLogger
    checkpoints: CheckpointWriter
    monitor: Callable[[], dict[str, float]]
    collapse: CollapseDetector
    draw: Callable[[], Picture]
    prune: Callable[[int, float], None]
    log_every: int
    grid_every: int
    monitor_every: int | None
    target: float = math.inf


@dataclass
class Trainer:
    """Trains `state` by `update`, on `k` of the minibatches an iteration.

    `update` is one of `config.build.UPDATES`, as its engine executes it. `d_optimizer` gives the
    learning rate and momentum that a row of metrics reports. `ema_decay` and `ema_power` are those
    of the average of G's weights, as `update_average` takes them.
    """

    state: State
    game: Game
    update: Update
    minibatches: Minibatches
    k: int
    d_optimizer: Optimizer
    ema_decay: float = 0.0
    ema_power: float = 8.0

    def train(self, steps: int, observers: Observers, stop: Stop) -> None:
        """Train up to iteration `steps`, until `observers.target` is reached, or `stop` is asked.

        Raises DivergedError at the first row or checkpoint at which a metric or a weight is NaN or
        infinite, and UserError for what can't be written and for a collapse that is to end the run.
        """
        state = self.state
        logged, may_be_probabilities = state.step, not state.step
        while not is_over(state, steps, observers.target) and stop.signal is None:
            self.train_step()
            observers.metric_logger.advance()

            # The monitor's estimates go into a row of their own iteration.
            every = observers.monitor_every
            best = state.best
            estimates = self.validate(observers) if every and self._is_due(every, steps) else {}
            last = is_over(state, steps, observers.target)
            if state.step % observers.log_every == 0 or estimates or last:
                may_be_probabilities = may_be_probabilities and self._warn_of_probabilities()
                self.log(observers, estimates, state.step - logged)
                logged = state.step
            if state.step % observers.grid_every == 0 or last:
                observers.metric_logger.grid(state.step, observers.draw())

            if state.best > best:
                observers.checkpoints.set_best(state)
            collapse = observers.collapse.check(state, estimates)
            if last or collapse or stop.save or observers.checkpoints.due(state.step):
                self.save(observers)
                stop.save = False
            if collapse:
                observers.collapse.report(collapse)
            if every and BEST_BY in estimates and not last:
                observers.prune(state.step // every, estimates[BEST_BY])

        if stop.signal is not None:
            self.save(observers)

    def train_step(self) -> None:
        """Do one iteration: an update of both players, and of the average when it is due."""
        state, t = self.state, self.state.step * self.k
        logits = self.update(state, self.game, [self.minibatches[t + i] for i in range(self.k)])
        if len(state.logits) == LOGITS:
            # On the device, without waiting for it.
            state.earlier = self.means()
            state.n_earlier += LOGITS
            state.logits.clear()
        state.logits.append(logits)
        state.step += 1
        if state.step % AVERAGE_EVERY == 0:
            update_average(
                state.average, state.generator, state.step, AVERAGE_EVERY, self.ema_decay,
                self.ema_power,
            )  # fmt: skip

    def means(self) -> Tensor:
        """Return TRAINING_METRICS as means over the iterations since the last row."""
        state, n = self.state, len(self.state.logits)
        latest = metrics(self.game.objective, torch.stack(state.logits))
        if state.earlier is None:
            return latest
        return state.earlier.lerp(latest, n / (state.n_earlier + n))

    def validate(self, observers: Observers) -> dict[str, float]:
        """Return the monitor's estimates, of which the state has the best so far."""
        estimates = observers.monitor()
        self.state.best = max(self.state.best, estimates.get(BEST_BY, -math.inf))
        return estimates

    def log(self, observers: Observers, estimates: dict[str, float], iterations: int) -> None:
        """Write a row of means over the last `iterations`; this is a sync point."""
        self.state.refuse_diverged()
        images = iterations * self.k * self.minibatches.batch_size
        observers.metric_logger.row({**self._row(), **estimates}, images)

    def save(self, observers: Observers) -> None:
        """Have a checkpoint written, in the background."""
        self.state.refuse_diverged()
        observers.checkpoints.save(self.state)

    def _is_due(self, every: int, steps: int) -> bool:
        return self.state.step % every == 0 or self.state.step == steps

    def _row(self) -> dict[str, float]:
        state, t = self.state, self.state.step * self.k
        means = dict(zip(TRAINING_METRICS, self.means().tolist(), strict=True))
        state.logits.clear()
        state.earlier, state.n_earlier = None, 0
        for name, value in means.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} at step {state.step}")
        per_epoch = self.minibatches.per_epoch
        lr, momentum = self.d_optimizer.rates(t - 1, (t - 1) // per_epoch + 1)
        times = {"step": state.step, "epoch": t / per_epoch}
        return {**times, **means, "learning_rate": lr, "momentum": momentum}

    def _warn_of_probabilities(self) -> bool:
        """Warn where all logits so far are in [0, 1]; return whether they may still be found to."""
        low, high = torch.stack(self.state.logits).aminmax()
        found = low.item() >= 0 and high.item() <= 1
        if found and self.state.step >= SIGMOID_CHECK_STEPS:
            log.warning(
                "All that network.discriminator gave in the first %d steps is in [0, 1], as if it "
                "ended in a sigmoid: it must give logits, so the sigmoid must go.", self.state.step,
            )  # fmt: skip
            return False
        return found


def is_over(state: State, steps: int, target: float) -> bool:
    """Return whether a run is as long as it should be, or as good."""
    return state.step >= steps or state.best >= target
