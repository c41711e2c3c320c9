"""How long a run is, in steps or until it is good enough."""

import math
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.config.build import relative
from gan_cli.errors import UserError
from gan_cli.game.state import State


def in_steps(cfg: DictConfig, per_epoch: float) -> int:
    """Return how many steps the run has at most, with `per_epoch` of them to an epoch.

    Raises UserError where nothing says so.
    """
    if cfg.schedule.steps is not None:
        return int(cfg.schedule.steps)
    if cfg.schedule.epochs is None:
        raise UserError(
            "schedule.epochs and schedule.steps are both null; one of them must say how long the "
            "run is."
        )
    # 0.07 epochs of 100 steps are 7, though 0.07 * 100 > 7.
    return max(math.ceil(round(cfg.schedule.epochs * per_epoch, 6)), 1)


def target(cfg: DictConfig) -> float:
    """Return the estimate on validation that ends the run, in nats, or infinity."""
    return math.inf if cfg.monitor.target is None else float(cfg.monitor.target)


def refuse_finished(cfg: DictConfig, out: Path, state: State, steps: int) -> None:
    """Raise UserError for a run in `out` that is as long, or as good, as it should be."""
    if state.step >= steps and cfg.schedule.steps is not None:
        more = f"schedule.steps is {steps}, which counts before schedule.epochs, and must be more."
    elif state.step >= steps:
        more = f"schedule.epochs is {cfg.schedule.epochs:g}, {steps} steps, and must be more."
    else:
        more = f"monitor.target must be more than {state.best:.1f}, which was reached, or null."
    raise UserError(f"{relative(out)} is finished at step {state.step}; to go on with it, {more}")
