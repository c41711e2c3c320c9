"""When a run's checkpoints are written, and the thread that writes them."""

import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from gan_cli.game.state import State
from gan_cli.training import checkpoints

log = logging.getLogger(__name__)


class CheckpointWriter:
    """Writes checkpoints into `directory`, in the background, and says when one is due.

    One is due every so many steps, for each number in `every_steps`, and after `minutes` without
    one; but not while the time spent on them is more than `share` of all the time since the start,
    or the last is still being written. None stands for no limit, and then none is left out. `sync`
    puts on disk what must not be older than a checkpoint.
    `written` counts them, and `spent` is the time in seconds, with what training did not wait for:
    it had to share the processor.
    """

    def __init__(
        self,
        directory: Path,
        every_steps: Collection[int],
        minutes: float | None,
        share: float | None,
        sync: Callable[[], None],
    ) -> None:
        self._directory, self._sync = directory, sync
        self._every_steps, self._minutes, self._share = every_steps, minutes, share
        self._pool = ThreadPoolExecutor(1)
        self._writing: Future[float] | None = None
        self._began = self._saved = time.monotonic()
        self.spent = self._last = 0.0
        self.written = 0
        self._wanted = False
        self._best: dict[str, Any] | None = None

    def due(self, step: int) -> bool:
        """Return whether to save after `step`. What is due while it costs too much stays due.

        Raises UserError where the last could not be written.
        """
        now = time.monotonic()
        self._wanted |= any(step % n == 0 for n in self._every_steps)
        self._wanted |= self._minutes is not None and now - self._saved >= 60 * self._minutes
        if self._writing is not None and self._writing.done():
            self.wait()
        if self._share is None:
            return self._wanted
        cheap = self.spent + self._last <= self._share * (now - self._began)
        return self._wanted and cheap and self._writing is None

    def set_best(self, state: State) -> None:
        """Take the state as it is now for the best so far, to be written with the next checkpoint.

        Should that never come, a resumed run finds it again.
        """
        self._best, self._wanted = _copy(state.state_dict()), True

    def save(self, state: State) -> None:
        """Have the state as it is now written, with the best one if there is a new one.

        Raises UserError where the one before could not be written.
        """
        self.wait()
        self._saved = time.monotonic()
        content = _copy(state.state_dict())
        self._writing = self._pool.submit(self._write, content, self._best, self._saved)
        self._wanted, self._best = False, None

    def wait(self) -> None:
        """Wait until what was saved is on disk. Raises UserError where it can't be written."""
        writing, self._writing = self._writing, None
        if writing is not None:
            self._last = writing.result()
            self.spent += self._last
            self.written += 1

    def share(self) -> float:
        """Return the share of the time since the start that was spent."""
        return self.spent / (time.monotonic() - self._began)

    def _write(self, content: dict[str, Any], best: dict[str, Any] | None, began: float) -> float:
        self._sync()
        if best is not None:
            checkpoints.save_best(self._directory, best)
        checkpoints.save(self._directory, content)
        return time.monotonic() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        if error is None:
            self.wait()
            share = 100 * self.share()
            log.debug("%d checkpoints, in %.2f %% of the time.", self.written, share)


def _copy(value: Any) -> Any:
    """Return a copy on the CPU."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
