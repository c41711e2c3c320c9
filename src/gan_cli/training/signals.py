"""Signals: to stop, or that the end is near."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """`signal` is the number of the signal that asked to stop, or None; `save` asks to save now."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.save = False


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Within, the first SIGTERM, SIGHUP or Ctrl-C is noted for the loop to see; a second ends it.

    SIGHUP, of a terminal that is closed, stays ignored under nohup. SIGUSR1, which schedulers send
    ahead of the end, asks to save. SIGUSR2 asks to stop, and is raised again after that: under
    Slurm Submitit waits for it, to queue the job once more.
    """
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if number == signal.SIGUSR1:
            stop.save = True
        else:
            stop.signal = number
            signal.signal(number, signal.SIG_DFL)

    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if stop.signal == signal.SIGUSR2:
            signal.raise_signal(signal.SIGUSR2)
