"""`gan bench`: the speed of training on this machine."""

import json
import logging
import math
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from timeit import timeit

import numpy as np
import torch
from hydra import compose
from omegaconf import DictConfig

from gan_cli.benchmark.interleaved import Player, Rate, each, rates, summary
from gan_cli.benchmark.products import PEAK_SIZE, peak, products_of
from gan_cli.benchmark.separate_process import plain_apart
from gan_cli.config.build import build_source, build_trainer
from gan_cli.data.source import Data, Split
from gan_cli.errors import UserError
from gan_cli.files import relative, write_atomically
from gan_cli.runs.environment import environment
from gan_cli.training.device import multiply_in, pick_device
from gan_cli.training.trainer import Trainer

log = logging.getLogger(__name__)

IMAGES = 10000  # of noise, which stand in for data: speed does not depend on what they show


@dataclass(frozen=True)
class Line:
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


def run(cfg: DictConfig, out: Path) -> None:
    """Time every recipe of `cfg.recipes` and write table and numbers to `out`."""
    device = pick_device(cfg.device)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    if not cfg.recipes or not cfg.precisions:
        raise UserError("recipes and precisions must have an entry at least, as recipes=[mnist].")
    if "tf32" in cfg.precisions and device.type != "cuda":
        raise UserError(
            f"precisions has tf32, which only GPUs have; on {device} it can have fp32 and bf16."
        )
    environ = environment(device, None, "noise")
    log.info(
        "%s, %s, %d threads, torch %s, commit %s; medians of %d turns.", environ["processor"],
        environ["device"], environ["threads"], torch.__version__, environ["git_commit"], cfg.turns,
    )  # fmt: skip

    peaks = {name: _peak(name, device, cfg) for name in cfg.precisions}
    for name, flops in peaks.items():
        n = PEAK_SIZE[device.type]
        log.info("Products of %d x %d in %s: %.0f GFLOP/s", n, n, name, flops / 1e9)
    lines: list[Line] = []
    log.info("%s", HEADER)
    for recipe in cfg.recipes:
        for line in _measure(recipe, cfg, device, peaks):
            log.info("%s", _row(line))
            lines.append(line)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    advice = _advice(lines, cfg, device)
    log.info("%s", advice)

    table = [HEADER, RULE, *map(_row, lines), "", advice, ""]
    write_atomically(out / "bench.md", "\n".join(table).encode())
    content = {
        **environ, "command": " ".join(sys.argv), "turns": cfg.turns, "peak_flops": peaks,
        "lines": [asdict(line) for line in lines], "advice": advice, "peak_memory_gb": memory,
    }  # fmt: skip
    write_atomically(out / "bench.json", json.dumps(content, indent=2).encode())
    log.info("Table: %s", relative(out / "bench.md"))


# The overrides of each recipe, and the pair that the plain loop plays for it.
RECIPES = {
    "mnist": (["experiment=mnist"], "mnist"),
    "algorithm_1": (["experiment=algorithm_1"], "mnist"),
    "tutorial": (["experiment=tutorial"], "tutorial"),
    "cifar10_conv": (["experiment=cifar10_conv"], "cifar10_conv"),
    "dcgan": (["experiment=dcgan"], "dcgan"),
}
HEADER = (
    "| recipe       | precision      | plain, updates/s | ours, updates/s      | ratio "
    "| update / its products | share of peak |"
)
RULE = "|---|---|---|---|---|---|---|"


def _row(line: Line) -> str:
    plain, ours = (f"{r.median:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in (line.plain, line.ours))
    how = line.precision + ("" if line.compile_seconds is None else ", compiled")
    return (
        f"| {line.recipe:<12} | {how:<14} | {plain:<16} | {ours:<20} | {line.ratio:5.2f} "
        f"| {line.limit:21.2f} | {100 * line.share:11.0f} % |"
    )


def _measure(
    recipe: str, cfg: DictConfig, device: torch.device, peaks: dict[str, float]
) -> list[Line]:
    """Let the plain loop, ours in each precision, and its products alone take turns."""
    overrides, pair = RECIPES[recipe]
    players: list[Player] = []
    lines: list[tuple[str, int, float | None, int, int]] = []
    for precision in cfg.precisions:
        # How float32 is rounded is the process's, and a CUDA graph's for good: each at its time.
        training = _training([*overrides, f"precision={precision}"], cfg)
        training.train_step()
        # A graph's replay would hide them.
        alone, flops = products_of(
            _training([*overrides, f"precision={precision}", "cuda_graph=false"], cfg).train_step,
            device,
        )
        players += [each(alone), each(training.train_step)]
        products = len(players) - 1
        lines.append((precision, flops, None, products, len(players)))
        if cfg.compile and device.type == "cpu":
            compiled = _training([*overrides, f"precision={precision}", "compile=true"], cfg)
            try:
                seconds = timeit(compiled.train_step, number=1)
            except UserError as error:
                log.warning("%s: %s", recipe, error)
                continue
            players.append(each(compiled.train_step))
            lines.append((precision, flops, seconds, products, len(players)))
    with plain_apart(pair, training.minibatches.x.shape[1:], IMAGES, device) as plays:
        measured = rates([plays, *players], cfg.turns, cfg.seconds, device).T
    return [
        Line(
            recipe, precision, seconds, summary(measured[0]), summary(measured[i]),
            float(np.median(measured[i] / measured[0])),
            float(np.median(measured[products] / measured[i])),
            float(np.median(measured[i])) * flops / peaks[precision],
        )
        for precision, flops, seconds, products, i in lines
    ]  # fmt: skip


def _training(overrides: list[str], cfg: DictConfig) -> Trainer:
    threads = [f"threads={cfg.threads}"] if cfg.threads else []
    composed = compose("train", [*overrides, f"device={cfg.device}", *threads])
    source = build_source(composed)
    noise = torch.randint(0, 256, (IMAGES, *source.shape), dtype=torch.uint8)
    part = Split(noise, None)
    return build_trainer(composed, source, Data(part, part, part))


def _peak(precision: str, device: torch.device, cfg: DictConfig) -> float:
    """Return the fastest that the hardware was seen to multiply, in FLOP/s."""
    multiply = peak(multiply_in(precision, device), device)
    return float(rates([each(multiply)], cfg.turns, cfg.seconds / 4, device).max()) * multiply()


def _advice(lines: list[Line], cfg: DictConfig, device: torch.device) -> str:
    """Say how a recipe is the fastest: in which precision, and on a CPU with how many threads."""
    of_one = [line for line in lines if line.recipe == lines[0].recipe]
    best = max(of_one, key=lambda line: line.ours.median)
    advice = f"Fastest for {best.recipe}: precision={best.precision}"
    if device.type != "cpu":
        return f"{advice}."
    before = torch.get_num_threads()
    training = _training([*RECIPES[best.recipe][0], f"precision={best.precision}"], cfg)
    counts = [n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n < before] + [before]

    def with_threads(n: int) -> Player:
        def play(steps: int) -> None:
            torch.set_num_threads(n)
            each(training.train_step)(steps)

        return play

    medians = np.median(
        rates([with_threads(n) for n in counts], cfg.turns, cfg.seconds, device), axis=0
    )
    torch.set_num_threads(before)
    told = ", ".join(f"{m:.1f} with {n}" for n, m in zip(counts, medians, strict=True))
    threads = f"threads={counts[int(medians.argmax())]}"
    if best.compile_seconds is None:
        return f"{advice} {threads} (updates/s by threads: {told})."
    (other,) = (x for x in of_one if (x.precision, x.compile_seconds) == (best.precision, None))
    saved = 1 / other.ours.median - 1 / best.ours.median
    return (
        f"{advice} {threads} compile=true (updates/s by threads, not compiled: {told}). To compile "
        f"took {best.compile_seconds:.0f} s, which {math.ceil(best.compile_seconds / saved)} "
        "updates make up for."
    )
