"""The plain loop in a process of its own, as people run it: nothing that ours sets is set there."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

import torch

from gan_cli.benchmark.plain_loop import PLAIN
from gan_cli.errors import UserError


@contextmanager
def plain_apart(
    pair: str, shape: Sequence[int], images: int, device: torch.device
) -> Iterator[Callable[[int], None]]:
    """Start the plain loop of PLAIN[pair]; yield a function that runs n iterations of it.

    It trains on noise of `images` images of `shape` (C, H, W), with as many threads as this process
    has. The function raises UserError where the loop has ended.
    """
    # A forked process could neither use CUDA nor OpenMP's threads.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(
        target=_serve,
        args=(there, pair, (images, *shape), str(device), torch.get_num_threads()),
        daemon=True,
    )
    # Ctrl-C reaches both: the new process has this from its start, and goes when this one says so.
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
                f"The plain loop of {pair} ended with exit status {process.exitcode}; is there "
                "memory enough for two?"
            ) from None

    try:
        yield run
    finally:
        here.close()
        process.join()


def _serve(asked: Connection, pair: str, shape: tuple[int, ...], device: str, threads: int) -> None:
    torch.set_num_threads(threads)
    noise = torch.randint(0, 256, shape, dtype=torch.uint8)
    steps = PLAIN[pair].steps(noise, torch.device(device))
    with suppress(EOFError, BrokenPipeError):  # the other one has hung up
        while True:
            n = asked.recv()
            for _ in range(n):
                next(steps)
            asked.send(n)
