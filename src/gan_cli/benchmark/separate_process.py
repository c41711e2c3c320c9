"""The plain loop in a process of its own, as people run it: nothing that ours sets is set there."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

import torch

from gan_cli.errors import UserError

Start = Callable[[], Iterator[object]]


@contextmanager
def in_own_process(recipe: str, start: Start) -> Iterator[Callable[[int], None]]:
    """Run `start`, of a module's own, in a new process; yield a function that does n iterations.

    The process has as many threads as this one. The function raises UserError, with `recipe`, where
    the process has ended.
    """
    # A forked process could neither use CUDA nor OpenMP's threads.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(
        target=_serve, args=(there, start, torch.get_num_threads()), daemon=True
    )
    # Ctrl-C reaches both: the new process ignores it from its start, and ends with this one.
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, interrupt)
    there.close()

    def run(n: int) -> None:
        try:
            here.send(n)
            here.recv()
        except (EOFError, OSError):
            process.join()
            raise UserError(
                f"The plain loop of {recipe} ended with exit status {process.exitcode}; is there "
                "memory enough for two?"
            ) from None

    try:
        yield run
    finally:
        here.close()
        process.join()


def _serve(requests: Connection, start: Start, threads: int) -> None:
    torch.set_num_threads(threads)
    iterations = start()
    with suppress(EOFError, BrokenPipeError):  # the other process has closed its end
        while True:
            n = requests.recv()
            for _ in range(n):
                next(iterations)
            requests.send(n)
