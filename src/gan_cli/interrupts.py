"""Ctrl-C and SIGTERM: they end a command in order, or at once while modules are imported."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

_at_once = False
_undo: Callable[[], None] | None = None


def listen() -> None:
    """Have SIGINT and SIGTERM end the process at once, until `unwind`.

    SIGINT too where a script started the process in the background, which would ignore it. SIGUSR1,
    a scheduler's word that the end is near, is ignored: only training has something to save then.
    """
    global _at_once, _undo
    _at_once, _undo = True, None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def cease() -> None:
    """Leave both to the system, which ends the process: what it was to do is done."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def undo_by(undo: Callable[[], None]) -> None:
    """Have `undo()` called before an end at once."""
    global _undo
    _undo = undo


def unwind() -> None:
    """Have both raise KeyboardInterrupt, with the signal's number, from here on."""
    global _at_once
    _at_once = False


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Have both end the process at once within: for imports of what has parts in C++.

    PyTorch's and scipy's swallow an exception that comes in the midst of them, or abort, and some
    modules catch all that goes wrong as they try for another: the command would go on, or end in a
    traceback.
    """
    global _at_once
    before, _at_once = _at_once, True
    try:
        yield
    finally:
        _at_once = before


def say() -> None:
    """Say "Interrupted.", if standard error takes it."""
    with contextlib.suppress(OSError):
        print("Interrupted.", file=sys.stderr)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if not _at_once:
        raise KeyboardInterrupt(number)
    try:
        if _undo is not None:
            _undo()
        say()
    finally:
        os._exit(128 + number)
