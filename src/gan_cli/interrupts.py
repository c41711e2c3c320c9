"""Being told to end, by Ctrl-C or SIGTERM: at once while modules are imported, else in order."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

_at_once = True
_undo: Callable[[], None]


def listen() -> None:
    """Have both end the process at once, until `unwind`.

    SIGINT too where a script started this in the background, which would ignore it. SIGUSR1, a
    scheduler's word that the end is near, is ignored: only training has something to save then.
    """
    global _at_once
    _at_once = True
    undo_by(lambda: None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _told)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def undo_by(undo: Callable[[], None]) -> None:
    """Have `undo()` done before an end at once."""
    global _undo
    _undo = undo


def unwind() -> None:
    """Raise KeyboardInterrupt, with the signal's number, from here on."""
    global _at_once
    _at_once = False


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Within, end at once: an exception in the midst of an import of PyTorch may get lost.

    Its C++ swallows what interrupts an import of NumPy, or aborts, and some modules catch all that
    goes wrong as they try for another: the command would go on, or end in a traceback.
    """
    global _at_once
    before, _at_once = _at_once, True
    try:
        yield
    finally:
        _at_once = before


def tell() -> None:
    """Say what happened."""
    print("Interrupted.", file=sys.stderr)


def _told(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if not _at_once:
        raise KeyboardInterrupt(number)
    try:
        _undo()
        tell()
    finally:
        os._exit(128 + number)
