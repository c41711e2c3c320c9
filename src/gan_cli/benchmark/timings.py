"""Timings of recipes beside the plain loop and their matrix products, and what follows of them."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from timeit import timeit
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from gan_cli.benchmark.interleaved import Quartiles, Runner, quartiles, repeat
from gan_cli.benchmark.products import products_of
from gan_cli.benchmark.separate_process import Start, in_own_process
from gan_cli.errors import UserError
from gan_cli.training.trainer import Trainer

log = logging.getLogger(__name__)

HEADER = (
    "| recipe            | precision      | plain, updates/s | ours, updates/s      | ratio "
    "| update / its products |"
)
RULE = "|---|---|---|---|---|---|"

# Returns iterations a second of each runner in each round, as `interleaved.updates_a_second` does.
Measure = Callable[[Sequence[Runner]], NDArray[np.float64]]


class NewTrainer(Protocol):
    """Makes a recipe's trainer, with settings of `gan train` changed."""

    def __call__(self, **settings: object) -> Trainer:
        """Return the trainer before its first iteration. Raises UserError for wrong settings."""
        ...


@dataclass(frozen=True)
class Timing:
    """A recipe's updates a second in one precision, and what they compare to.

    `compile_seconds` is what a compiled update's first step took; of others None. `ratio` is to the
    plain loop, `over_products` the time of an update over that of its products alone.
    """

    recipe: str
    precision: str
    compile_seconds: float | None
    plain: Quartiles
    ours: Quartiles
    ratio: float
    over_products: float

    def row(self) -> str:
        """Return a row of the table that HEADER begins."""
        plain, ours = (
            f"{r.median:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in (self.plain, self.ours)
        )
        how = self.precision + ("" if self.compile_seconds is None else ", compiled")
        return (
            f"| {self.recipe:<17} | {how:<14} | {plain:<16} | {ours:<20} | {self.ratio:5.2f} "
            f"| {self.over_products:21.2f} |"
        )


def table(timings: Sequence[Timing], advice: str) -> str:
    """Return the timings and what follows of them, as Markdown."""
    return "\n".join([HEADER, RULE, *(timing.row() for timing in timings), "", advice, ""])


def time_recipe(
    recipe: str,
    new_trainer: NewTrainer,
    plain_loop: Start,
    precisions: Sequence[str],
    compiled: bool,
    measure: Measure,
    device: torch.device,
) -> list[Timing]:
    """Time the plain loop, our updates in each precision, and their products alone, interleaved.

    compiled: time compiled updates too, on a CPU. Logs each timing, and what can't be compiled.
    """
    kinds: list[tuple[str, float | None]] = []
    runners: list[Runner] = []
    for precision in precisions:
        # How float32 is rounded is the process's, and a CUDA graph's for good: each at its time.
        trainer = new_trainer(precision=precision)
        trainer.train_step()
        # A graph's replay would hide the products.
        uncaptured = new_trainer(precision=precision, cuda_graph=False)
        products = repeat(products_of(uncaptured.train_step, device))
        kinds.append((precision, None))
        runners += [products, repeat(trainer.train_step)]
        if compiled and device.type == "cpu":
            other = new_trainer(precision=precision, compile=True)
            try:
                kinds.append((precision, timeit(other.train_step, number=1)))
                runners += [products, repeat(other.train_step)]
            except UserError as error:
                log.warning("%s: %s", recipe, error)
    with in_own_process(recipe, plain_loop) as plain:
        theirs, *measured = measure([plain, *runners]).T
    timings = [
        Timing(
            recipe, precision, compile_seconds, quartiles(theirs), quartiles(ours),
            float(np.median(ours / theirs)), float(np.median(alone / ours)),
        )
        for (precision, compile_seconds), alone, ours in zip(
            kinds, measured[::2], measured[1::2], strict=True
        )
    ]  # fmt: skip
    for timing in timings:
        log.info("%s", timing.row())
    return timings


def advice(
    timings: Sequence[Timing], new_trainer: NewTrainer, measure: Measure, device: torch.device
) -> str:
    """Return how the first recipe, `new_trainer`'s, is fastest.

    By precision, on a CPU by the number of threads, and where compiling is, when it pays.
    """
    of_first = [timing for timing in timings if timing.recipe == timings[0].recipe]
    best = max(of_first, key=lambda timing: timing.ours.median)
    text = f"Fastest for {best.recipe}: precision={best.precision}"
    if device.type != "cpu":
        return f"{text}."
    by_threads = _rates_by_threads(new_trainer(precision=best.precision), measure)
    values = ", ".join(f"{rate:.1f} with {n}" for n, rate in by_threads.items())
    threads = f"threads={max(by_threads, key=by_threads.__getitem__)}"
    if best.compile_seconds is None:
        return f"{text} {threads} (updates/s by threads: {values})."
    uncompiled = (best.precision, None)
    (other,) = (t for t in of_first if (t.precision, t.compile_seconds) == uncompiled)
    saved = 1 / other.ours.median - 1 / best.ours.median
    return (
        f"{text} {threads} compile=true (updates/s by threads, not compiled: {values}). Compiling "
        f"took {best.compile_seconds:.0f} s, which {math.ceil(best.compile_seconds / saved)} "
        "updates make up for."
    )


def _rates_by_threads(trainer: Trainer, measure: Measure) -> dict[int, float]:
    """Return updates a second by the number of threads, up to as many as there are now."""
    before = torch.get_num_threads()
    counts = [n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n < before] + [before]

    def with_threads(n: int) -> Runner:
        def run(iterations: int) -> None:
            torch.set_num_threads(n)
            repeat(trainer.train_step)(iterations)

        return run

    measured = measure([with_threads(n) for n in counts])
    torch.set_num_threads(before)
    return dict(zip(counts, np.median(measured, axis=0).tolist(), strict=True))
