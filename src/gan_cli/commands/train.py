"""`gan train`: train a generator and a discriminator, or resume a run."""

import contextlib
import logging
import math
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gan_cli.config.build import build_source, build_trainer, length
from gan_cli.config.settings import CommandSettings, Node, Several, Sigmas
from gan_cli.data.source import Data, Source
from gan_cli.engines.compiled import Compiled
from gan_cli.engines.cuda_graph import Graph
from gan_cli.errors import DivergedError, MissingDataError, PrunedError, UserError
from gan_cli.figures.grid import Picture, picture, save_png
from gan_cli.files import printable, relative
from gan_cli.game.state import State
from gan_cli.ranges import Count, Decay, Fraction, NonNegative, Number, Positive, Seed
from gan_cli.runs import search, sweeps
from gan_cli.runs.directory import Run, lock, logging_to
from gan_cli.runs.environment import compare, environment
from gan_cli.runs.explain_errors import explain_full_disk
from gan_cli.runs.plan import show_plan
from gan_cli.runs.resume import given_settings, is_done, resume, resumed_config, target
from gan_cli.sampling.samples import draw_z, generate
from gan_cli.training import checkpoints
from gan_cli.training.checkpoint_writer import CheckpointWriter
from gan_cli.training.collapse import CollapseDetector
from gan_cli.training.device import multiply_in, take_gpu, warn_if_busy
from gan_cli.training.metric_logger import MetricLogger
from gan_cli.training.monitor import Monitor
from gan_cli.training.signals import stop_signals
from gan_cli.training.trainer import BEST_BY, Observers, Trainer

log = logging.getLogger(__name__)

# At most so many restores of a diverging run.
RESTORES = 3


@dataclass
class Schedule:
    """How long a run is, and what its updates are (Algorithm 1)."""

    updates: Literal["alternating", "simultaneous"]
    k: Count
    batch_size: Count
    epochs: Positive | None
    steps: Count | None


@dataclass
class Log:
    """When to log, and how many samples a grid has."""

    every_steps: Count
    grid_every_steps: Count
    grid: Annotated[int, Interval(ge=1, le=10_000)]


@dataclass
class Checkpoint:
    """When to write checkpoints, and the share of the time that they may take."""

    every_epochs: Positive | None
    every_steps: Count | None
    every_minutes: NonNegative | None
    share: Fraction | None


@dataclass
class MonitorSettings:
    """When and how the monitor estimates, and what follows from it."""

    every_epochs: Positive | None
    weights: Literal["raw", "ema"]
    samples: Several
    valid: Several
    sigmas: Sigmas
    target: Number | None
    collapse: Fraction


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan train`."""

    dataset: Node
    network: Node
    objective: Node
    prior: Node
    optimizer: Node
    schedule: Schedule
    seed: Seed
    precision: Literal["auto", "fp32", "tf32", "bf16"]
    cuda_graph: bool
    compile: bool
    ema_decay: Decay
    ema_power: NonNegative
    data_dir: str
    log: Log
    checkpoint: Checkpoint
    monitor: MonitorSettings
    on_nan: Literal["stop", "restore"]
    on_collapse: Literal["warn", "stop"]
    init_from: str | None
    resume: str | None
    dry_run: bool


def run(cfg: DictConfig, out: Path) -> float | None:
    """Train in the run directory `out`, from the start or from where it was left.

    Returns the monitor's last estimate, if there is one: a search maximises it.
    """
    sweeps.refuse_lone()
    if is_done(cfg, out):
        log.info("%s is finished already.", relative(out))
        return _last_estimate(out)
    cfg, out = resumed_config(cfg, out, Settings)
    if HydraConfig.get().mode == RunMode.MULTIRUN and cfg.device in ("auto", "cuda"):
        take_gpu(out.parent)

    # The data, and what is trained on them.
    source = build_source(cfg)
    data = _load(cfg, source)
    if cfg.dataset.get("shape", source.shape) is None:
        # Known from here on: the networks follow it, and the run's own config has it.
        cfg.dataset.shape = list(source.shape)
    if cfg.dry_run or data is None:
        show_plan(cfg, source, data)
        return None
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(data.fingerprint)
        trainer = build_trainer(cfg, source, data)
    state, fingerprint = trainer.state, hashed.result()
    steps = length(cfg, trainer.minibatches.per_epoch / trainer.k)

    # The run directory, which this process alone may write from here on.
    below = os.path.relpath(out)
    if printable(below) != below:
        raise UserError(
            f"The run directory is {printable(below)}, whose name is not UTF-8, as TensorBoard "
            "wants it; choose another with outputs=DIRECTORY."
        )
    out.mkdir(parents=True, exist_ok=True)
    with lock(out), stop_signals() as stop, logging_to(out / "train.log"):
        directory = Run(out) if Run.exists(out) else Run.create(out, cfg)
        if not resume(cfg, directory, state, steps, fingerprint):
            _conclude(cfg, directory, state, None)
            return _last_estimate(out)
        device, dtype = state.rng.device, multiply_in(cfg.precision, state.rng.device)
        here = {
            **environment(device, dtype, fingerprint),
            "cuda_graph": isinstance(trainer.update, Graph),
            "compile": isinstance(trainer.update, Compiled),
            "overrides": list(HydraConfig.get().overrides.task),
        }
        compare(directory.sessions(), here)
        warn_if_busy()
        directory.add_environment(here)
        directory.set_status("running", state.step)
        log.info(
            "%s %s: steps %d to %d, on %s in %s with %d threads.",
            "Resuming" if state.step else "Training", relative(out), state.step + 1, steps,
            device, here["precision"], torch.get_num_threads(),
        )  # fmt: skip
        try:
            while True:
                try:
                    with _observers(cfg, directory, trainer, steps, source, data) as observers:
                        trainer.train(steps, observers, stop)
                    break
                except DivergedError as error:
                    _restore(cfg, directory, state, error)
        except BaseException as error:
            status = "interrupted" if isinstance(error, PrunedError) else "failed"
            # On a full disk there may be no room for that either: the checkpoints are what counts.
            with contextlib.suppress(UserError):
                directory.set_status(status, state.step, str(error) or type(error).__name__)
            raise
        _conclude(cfg, directory, state, stop.signal)
    return _last_estimate(out)


def _load(cfg: DictConfig, source: Source) -> Data | None:
    """Return the data, or None where a dry run finds them missing: it shows the networks still."""
    try:
        return source.load()
    except MissingDataError as error:
        if not (cfg.dry_run and source.shape):
            raise
        log.warning("%s Until then, the plan is without data.", error)
        return None


@contextlib.contextmanager
def _observers(
    cfg: DictConfig, run: Run, trainer: Trainer, steps: int, source: Source, data: Data
) -> Iterator[Observers]:
    """Open logger and checkpoint writer, with a first checkpoint; close them with all on disk."""
    state, prior, device = trainer.state, trainer.game.prior, trainer.state.rng.device
    # The same z each time, so that progress can be watched.
    watched_z = draw_z(prior, cfg.log.grid, cfg.seed)

    def draw() -> Picture:
        return picture(source.to_pixels(generate(state.generator, watched_z, cfg.seed, device)))

    def save_grid(step: int, image: Picture) -> None:
        origin = {"run": relative(run.path), "step": step, "seed": cfg.seed}
        save_png(run.grid_path(step), image, {**origin, "command": " ".join(sys.argv)})

    def in_steps(epochs: float | None) -> int | None:
        per_epoch = trainer.minibatches.per_epoch / trainer.k
        return None if epochs is None else max(1, round(epochs * per_epoch))

    every = (in_steps(cfg.checkpoint.every_epochs), cfg.checkpoint.every_steps)
    monitor = Monitor(
        state, prior, source, data, cfg.seed, cfg.monitor.weights, cfg.monitor.samples,
        cfg.monitor.valid, list(cfg.monitor.sigmas), cfg.ema_decay, cfg.ema_power,
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        stack.enter_context(explain_full_disk(run, state))
        logger = MetricLogger(
            run.metrics_path, run.tensorboard, save_grid, given_settings(cfg), state.step, steps
        )
        stack.callback(logger.close)
        writer = CheckpointWriter(
            run.checkpoints, list(filter(None, every)), cfg.checkpoint.every_minutes,
            cfg.checkpoint.share, logger.sync,
        )  # fmt: skip
        stack.enter_context(writer)
        if not state.step:
            # On disk before there is a row that could be lost.
            writer.save(state)
            writer.wait()
        collapse = CollapseDetector(cfg.monitor.collapse, cfg.on_collapse == "stop")
        yield Observers(
            logger, writer, monitor, collapse, draw,
            search.pruner(run.path), cfg.log.every_steps,
            cfg.log.grid_every_steps,
            in_steps(cfg.monitor.every_epochs), target(cfg),
        )  # fmt: skip
        writer.wait()
    log.debug("%d checkpoints, in %.2f %% of the time.", writer.written, 100 * writer.share())


def _restore(cfg: DictConfig, run: Run, state: State, error: DivergedError) -> None:
    """Go back to the last checkpoint, with other random numbers, where that is asked for."""
    if cfg.on_nan == "stop":
        raise error
    if state.restored == RESTORES:
        raise UserError(f"{error} It was restored {RESTORES} times already.") from error
    restored = state.restored + 1
    checkpoints.restore(state, run.checkpoints)
    state.start_streams(restored)
    log.warning(
        "%s Back to step %d, with new random numbers, restore %d of at most %d.",
        error, state.step, restored, RESTORES,
    )  # fmt: skip


def _conclude(cfg: DictConfig, run: Run, state: State, signal: int | None) -> None:
    where, step, aim = relative(run.path), state.step, target(cfg)
    if signal is not None:
        run.set_status("interrupted", step, f"signal {signal}")
        log.info("Stopped at step %d; `gan train resume=%s` resumes it.", step, where)
        sys.exit(128 + signal)
    run.set_status("finished", step)
    log.info("Finished at step %d: %s", step, where)
    if state.best < aim < math.inf:
        log.warning("monitor.target is %g, and the best estimate was %.1f.", aim, state.best)
    if run.grid_path(step).is_file():
        log.info("The last grid of samples: %s", relative(run.grid_path(step)))


def _last_estimate(out: Path) -> float | None:
    return next((row[BEST_BY] for row in reversed(Run(out).rows()) if BEST_BY in row), None)
