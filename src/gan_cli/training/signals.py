"""Being told to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """`signal` is the number of the signal that asked to stop, or None."""

    def __init__(self) -> None:
        self.signal: int | None = None


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Within, the first SIGTERM or Ctrl-C is noted for the loop to see; a second acts at once."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stop.signal = number
        signal.signal(number, signal.SIG_DFL)

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
