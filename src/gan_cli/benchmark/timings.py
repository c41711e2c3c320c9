"""Timings of recipes beside the plain loop and their matrix products, and what follows of them."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from timeit import timeit
from typing import Protocol

import numpy as np
import torch

from gan_cli.benchmark.interleaved import Player, Rate, each, rates, summary
from gan_cli.benchmark.products import peak, products_of
from gan_cli.benchmark.separate_process import plain_apart
from gan_cli.errors import UserError
from gan_cli.training.device import multiply_in
from gan_cli.training.trainer import Trainer

log = logging.getLogger(__name__)

IMAGES = 10000  # of noise, which stand in for data: speed does not depend on what they show
HEADER = (
    "| recipe       | precision      | plain, updates/s | ours, updates/s      | ratio "
    "| update / its products | share of peak |"
)
RULE = "|---|---|---|---|---|---|---|"


class NewTrainer(Protocol):
    """Makes a recipe's trainer on IMAGES of noise, with settings of `gan train` changed."""

    def __call__(self, **settings: object) -> Trainer:
        """Return the trainer before its first iteration. Raises UserError for wrong settings."""
        ...


@dataclass(frozen=True)
class Timing:
    """A recipe's updates a second in one precision, and what they compare to.

    `compile_seconds` is what a compiled update's first step took; of others None. `ratio` is to the
    plain loop, `limit` the time of an update over that of its products alone, `share` of the
    hardware's measured peak in that precision.
    """

    recipe: str
    precision: str
    compile_seconds: float | None
    plain: Rate
    ours: Rate
    ratio: float
    limit: float
    share: float

    def row(self) -> str:
        """Return a row of the table that HEADER begins."""
        plain, ours = (
            f"{r.median:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in (self.plain, self.ours)
        )
        how = self.precision + ("" if self.compile_seconds is None else ", compiled")
        return (
            f"| {self.recipe:<12} | {how:<14} | {plain:<16} | {ours:<20} | {self.ratio:5.2f} "
            f"| {self.limit:21.2f} | {100 * self.share:11.0f} % |"
        )


def peak_flops(precision: str, device: torch.device, turns: int, seconds: float) -> float:
    """Return the fastest that `device` was seen to multiply in a quarter of the time, in FLOP/s."""
    multiply = peak(multiply_in(precision, device), device)
    return float(rates([each(multiply)], turns, seconds / 4, device).max()) * multiply()


def time_recipe(
    recipe: str,
    pair: str,
    new_trainer: NewTrainer,
    peaks: Mapping[str, float],
    compiled: bool,
    turns: int,
    seconds: float,
    device: torch.device,
) -> list[Timing]:
    """Time the plain loop, ours in each precision, and its products alone in turns.

    pair: of the plain loop, a key of PLAIN. peaks: FLOP/s by precision, `fp32`, `tf32` or `bf16`.
    compiled: time compiled updates too, on a CPU. turns, seconds: how many turns each has, of how
    many seconds. Where an update can't be compiled, that is logged.
    """
    players: list[Player] = []
    timed: list[tuple[str, int, float | None, int, int]] = []
    for precision in peaks:
        # How float32 is rounded is the process's, and a CUDA graph's for good: each at its time.
        trainer = new_trainer(precision=precision)
        trainer.train_step()
        # A graph's replay would hide them.
        unreplayed = new_trainer(precision=precision, cuda_graph=False)
        alone, flops = products_of(unreplayed.train_step, device)
        players += [each(alone), each(trainer.train_step)]
        products = len(players) - 1
        timed.append((precision, flops, None, products, len(players)))
        if compiled and device.type == "cpu":
            other = new_trainer(precision=precision, compile=True)
            try:
                first = timeit(other.train_step, number=1)
            except UserError as error:
                log.warning("%s: %s", recipe, error)
                continue
            players.append(each(other.train_step))
            timed.append((precision, flops, first, products, len(players)))
    with plain_apart(pair, trainer.minibatches.x.shape[1:], IMAGES, device) as plain:
        measured = rates([plain, *players], turns, seconds, device).T
    return [
        Timing(
            recipe, precision, first, summary(measured[0]), summary(measured[i]),
            float(np.median(measured[i] / measured[0])),
            float(np.median(measured[products] / measured[i])),
            float(np.median(measured[i])) * flops / peaks[precision],
        )
        for precision, flops, first, products, i in timed
    ]  # fmt: skip


def advice(
    timings: Sequence[Timing],
    new_trainer: NewTrainer,
    turns: int,
    seconds: float,
    device: torch.device,
) -> str:
    """Return how the first recipe is the fastest: its precision, and a CPU's number of threads.

    new_trainer: that recipe's. turns, seconds: for each number of threads.
    """
    of_first = [timing for timing in timings if timing.recipe == timings[0].recipe]
    best = max(of_first, key=lambda timing: timing.ours.median)
    text = f"Fastest for {best.recipe}: precision={best.precision}"
    if device.type != "cpu":
        return f"{text}."
    by_threads = _rates_by_threads(new_trainer(precision=best.precision), turns, seconds, device)
    values = ", ".join(f"{rate:.1f} with {n}" for n, rate in by_threads.items())
    threads = f"threads={max(by_threads, key=by_threads.__getitem__)}"
    if best.compile_seconds is None:
        return f"{text} {threads} (updates/s by threads: {values})."
    plain = (best.precision, None)
    (other,) = (t for t in of_first if (t.precision, t.compile_seconds) == plain)
    saved = 1 / other.ours.median - 1 / best.ours.median
    return (
        f"{text} {threads} compile=true (updates/s by threads, not compiled: {values}). To compile "
        f"took {best.compile_seconds:.0f} s, which {math.ceil(best.compile_seconds / saved)} "
        "updates make up for."
    )


def _rates_by_threads(
    trainer: Trainer, turns: int, seconds: float, device: torch.device
) -> dict[int, float]:
    """Return updates a second by the number of threads, up to as many as there are now."""
    before = torch.get_num_threads()
    counts = [n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n < before] + [before]

    def with_threads(n: int) -> Player:
        def run(steps: int) -> None:
            torch.set_num_threads(n)
            each(trainer.train_step)(steps)

        return run

    measured = rates([with_threads(n) for n in counts], turns, seconds, device)
    torch.set_num_threads(before)
    return dict(zip(counts, np.median(measured, axis=0).tolist(), strict=True))
