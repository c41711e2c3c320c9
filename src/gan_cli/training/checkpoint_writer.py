"""When a run's checkpoints are written."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gan_cli.game.state import State
from gan_cli.ranges import Count, Fraction, NonNegative, Positive
from gan_cli.training import checkpoints


@dataclass
class CheckpointSettings:
    """When to write checkpoints, and the share of the time that they may take."""

    every_epochs: Positive | None
    every_steps: Count | None
    every_minutes: NonNegative | None
    share: Fraction | None


class CheckpointWriter:
    """Writes checkpoints into `directory`, and decides when one is due.

    One is due every so many steps, for each number in `every_steps`, and after `minutes` without
    one; but not while the time spent on them is more than `share` of all the time since the start.
    None stands for no limit. `written` counts them, and `spent` is the time in seconds.
    """

    def __init__(
        self,
        directory: Path,
        every_steps: Collection[int],
        minutes: float | None,
        share: float | None,
    ) -> None:
        self._directory = directory
        self._every_steps, self._minutes, self._share = every_steps, minutes, share
        self._began = self._saved = time.monotonic()
        self.spent = self._last = 0.0
        self.written = 0
        self._wanted = False
        self._best: bytes | None = None

    def due(self, step: int) -> bool:
        """Return whether to save after `step`. What is due while it costs too much stays due."""
        now = time.monotonic()
        self._wanted |= any(step % n == 0 for n in self._every_steps)
        self._wanted |= self._minutes is not None and now - self._saved >= 60 * self._minutes
        cheap = self._share is None or self.spent + self._last <= self._share * (now - self._began)
        return self._wanted and cheap

    def set_best(self, state: State) -> None:
        """Take the state as it is now for the best so far, to be written with the next checkpoint.

        Should that never come, a resumed run finds it again.
        """
        self._best, self._wanted = checkpoints.pack(state.state_dict()), True

    def save(self, state: State) -> None:
        """Write the state, and the best one if there is a new one.

        Raises UserError where they can't be written.
        """
        self._saved = time.monotonic()
        if self._best is not None:
            checkpoints.save_best(self._directory, self._best)
        checkpoints.save(self._directory, state.state_dict())
        self._wanted, self._best = False, None
        self._last = time.monotonic() - self._saved
        self.spent += self._last
        self.written += 1

    def share(self) -> float:
        """Return the share of the time since the start that was spent."""
        return self.spent / (time.monotonic() - self._began)
