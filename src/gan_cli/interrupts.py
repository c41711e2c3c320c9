"""Ctrl-C and SIGTERM: at once while modules are imported, in order while a command works."""

import contextlib
import os
import signal
import sys
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM)


def end_at_once() -> None:
    """Have both end the process at once, with status 128 + the signal.

    An exception amid the import of PyTorch or scipy, whose parts in C++ swallow it, would be lost.
    SIGINT too where a script started the process in the background, which would ignore it. SIGUSR1,
    by which a scheduler announces the end, is ignored: only training has something to save then.
    """
    for number in NUMBERS:
        signal.signal(number, _exit)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def unwind() -> None:
    """Have both raise KeyboardInterrupt, with the signal's number."""
    for number in NUMBERS:
        signal.signal(number, _raise)


def leave() -> None:
    """Leave both to the system: the command has done its work."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)


def report() -> None:
    """Print "Interrupted.", if standard error takes it."""
    with contextlib.suppress(OSError):
        print("Interrupted.", file=sys.stderr)


def _exit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    try:
        report()
    finally:
        os._exit(128 + number)


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt(number)
