"""`gan train`: play the game, or go on with it."""

import contextlib
import logging
import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # as PyTorch's optimizers do when first used, where an interrupt may get lost
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gan_cli import garbage
from gan_cli.config.build import assemble, build_source, relative
from gan_cli.data.source import Data
from gan_cli.engines.compiled import Compiled
from gan_cli.engines.cuda_graph import Graph
from gan_cli.errors import DivergedError, PrunedError, UserError
from gan_cli.figures.grid import Picture, picture, save_png
from gan_cli.files import printable
from gan_cli.game.state import State
from gan_cli.runs import directory as runs
from gan_cli.runs import outputs, search
from gan_cli.runs.environment import compare, environment, precision, refuse_other_data
from gan_cli.runs.length import in_steps, refuse_finished, target
from gan_cli.runs.resume import (
    config_of_resumed,
    done_already,
    measured_otherwise,
    refuse_lone_sweep,
    told_settings,
)
from gan_cli.runs.trouble import full_disk_told, memory_told
from gan_cli.sampling.samples import draw_z, generate
from gan_cli.training import checkpoints
from gan_cli.training.checkpoint_writer import Keeper
from gan_cli.training.collapse import Variety
from gan_cli.training.device import take_gpu, warn_if_busy
from gan_cli.training.dry_run import load, show_plan
from gan_cli.training.metric_logger import Logbook, refuse_other_columns
from gan_cli.training.monitor import build_monitor
from gan_cli.training.signals import Stop, stop_signals
from gan_cli.training.trainer import BEST_BY, Intervals, Training, over, train

log = logging.getLogger(__name__)

# How often a diverging run is taken back at most.
RESTORES = 3


def run(cfg: DictConfig, out: Path) -> float | None:
    """Train in the run directory `out`, from the start or from where it was left.

    Returns the monitor's last estimate, if there is one: a search asks for the most.
    """
    _run(cfg, out)
    rows = runs.Run(out).rows() if runs.Run.exists(out) else []
    return next((row[BEST_BY] for row in reversed(rows) if BEST_BY in row), None)


def _run(cfg: DictConfig, out: Path) -> None:
    refuse_lone_sweep()
    if done_already(cfg, out):
        log.info("%s is finished already.", relative(out))
        outputs.discard(out)
        return
    if cfg.resume is not None or runs.Run.exists(out):
        cfg, out = config_of_resumed(cfg, out)
    if HydraConfig.get().mode == RunMode.MULTIRUN and cfg.device in ("auto", "cuda"):
        take_gpu(out.parent)
    source = build_source(cfg)
    data = load(cfg, source)
    if cfg.dataset.get("shape", source.shape) is None:
        # Known from here on: the networks follow it, and the run's own config has it.
        cfg.dataset.shape = list(source.shape)
    if cfg.dry_run or data is None:
        show_plan(cfg, source, data)
        outputs.discard(out)
        return
    with ThreadPoolExecutor(1) as beside:
        fingerprint = beside.submit(data.fingerprint)
        training = assemble(cfg, source, data)
    garbage.collect()
    state, per_epoch = training.state, training.minibatches.per_epoch
    steps = in_steps(cfg, per_epoch / training.k)

    below = os.path.relpath(out)
    if printable(below) != below:
        raise UserError(
            f"The run directory is {printable(below)}, whose name is no UTF-8, as TensorBoard "
            "wants it; choose another with outputs=DIRECTORY."
        )
    # The run directory, which this process alone may write from here on.
    out.mkdir(parents=True, exist_ok=True)
    with runs.lock(out), stop_signals() as stop:
        resumed = runs.Run.exists(out)
        directory = runs.Run(out) if resumed else runs.Run.create(out, cfg)
        refuse_other_data(directory.sessions(), fingerprint.result())
        refuse_other_columns(directory.metrics_path)
        directory.refuse_lost_checkpoints()
        directory.prepare()
        checkpoints.restore(state, directory.checkpoints)
        if resumed and measured_otherwise(directory.config(), cfg):
            state.best = -math.inf
            state.most.clear()
        if over(state, steps, target(cfg)):
            if directory.recorded() != "finished" and state.step <= steps:
                # Killed after its last checkpoint, or told now that it is long, or good, enough.
                directory.update_config(cfg)
                _conclude(cfg, directory, state, None)
                return
            refuse_finished(cfg, out, state, steps)
        if resumed:
            directory.update_config(cfg)
        device, autocast = state.rng.device, training.game.autocast
        here = {
            **environment(device, autocast, fingerprint.result()),
            "cuda_graph": isinstance(training.captured, Graph),
            "compile": isinstance(training.captured, Compiled),
            "record": HydraConfig.get().output_subdir,
        }
        compare(directory.sessions(), here)
        warn_if_busy()
        directory.add_environment(here)
        directory.set_status("running", state.step)
        log.info(
            "%s %s: steps %d to %d, on %s in %s with %d threads.",
            "Resuming" if state.step else "Training", relative(out), state.step + 1, steps,
            device, precision(autocast), torch.get_num_threads(),
        )  # fmt: skip
        try:
            with memory_told(cfg):
                _play_on(cfg, directory, training, steps, source, data, stop)
        except PrunedError as error:
            directory.set_status("interrupted", state.step, str(error))
            raise
        except BaseException as error:
            reason = str(error) or type(error).__name__
            # On a full disk there may be no room for that either: the checkpoints are what counts.
            with contextlib.suppress(UserError):
                directory.set_status("failed", state.step, reason)
            raise
        _conclude(cfg, directory, state, stop.signal)


def _play_on(
    cfg: DictConfig, run: runs.Run, training: Training, steps: int, source: Any, data: Data,
    stop: Stop,
) -> None:  # fmt: skip
    """Train; where the game diverges and that is asked for, go back and on with other numbers."""
    state = training.state
    while True:
        try:
            with full_disk_told(run, state):
                _play(cfg, run, training, steps, source, data, stop)
            return
        except DivergedError as error:
            if cfg.on_nan == "stop":
                raise
            if state.restored == RESTORES:
                raise UserError(f"{error} It was gone back {RESTORES} times already.") from error
            restored = state.restored + 1
            checkpoints.restore(state, run.checkpoints)
            state.start_streams(restored)
            log.warning(
                "%s Back to step %d, with new random numbers, for time %d of at most %d.",
                error, state.step, restored, RESTORES,
            )  # fmt: skip


def _play(
    cfg: DictConfig, run: runs.Run, training: Training, steps: int, source: Any, data: Data,
    stop: Stop,
) -> None:  # fmt: skip
    """Train up to step `steps`, or until `stop` is told to."""
    state, prior, device = training.state, training.game.prior, training.state.rng.device
    # The same z each time, so that progress can be watched.
    watched_z = draw_z(prior, cfg.log.grid, cfg.seed)

    def draw() -> Picture:
        return picture(source.to_pixels(generate(state.generator, watched_z, cfg.seed, device)))

    def save_grid(step: int, image: Picture) -> None:
        origin = {"run": relative(run.path), "step": step, "seed": cfg.seed}
        save_png(run.grid_path(step), image, {**origin, "command": " ".join(sys.argv)})

    def every_steps(epochs: float | None) -> int | None:
        per_epoch = training.minibatches.per_epoch / training.k
        return None if epochs is None else max(1, round(epochs * per_epoch))

    intervals = Intervals(cfg.log.every, cfg.log.grid_every, every_steps(cfg.monitor.every))
    every = (every_steps(cfg.checkpoint.every_epochs), cfg.checkpoint.every_steps)
    logbook = Logbook(
        run.metrics_path, run.tensorboard, save_grid, told_settings(cfg), state.step, steps
    )
    keeper = Keeper(
        run.checkpoints, list(filter(None, every)), cfg.checkpoint.every_minutes,
        cfg.checkpoint.share, logbook.sync,
    )  # fmt: skip
    variety = Variety(cfg.monitor.collapse, cfg.on_collapse == "stop")
    monitor, judge = build_monitor(cfg, training, source, data), search.pruner(run.path)
    with contextlib.closing(logbook), keeper:
        if not state.step:
            # Something to go back to, before there is a row that could be lost; and a first measure
            # of what a checkpoint costs.
            keeper.save(state)
            keeper.wait()
        train(
            training, steps, intervals, logbook, draw, monitor, variety, judge, target(cfg),
            keeper, stop,
        )  # fmt: skip
        keeper.wait()
    log.debug("%d checkpoints, in %.2f %% of the time.", keeper.written, 100 * keeper.share())


def _conclude(cfg: DictConfig, run: runs.Run, state: State, signal: int | None) -> None:
    where, step, aim = relative(run.path), state.step, target(cfg)
    if signal is not None:
        run.set_status("interrupted", step, f"signal {signal}")
        log.info("Stopped at step %d; `gan train resume=%s` goes on.", step, where)
        sys.exit(128 + signal)
    run.set_status("finished", step)
    log.info("Finished at step %d: %s", step, where)
    if state.best < aim < math.inf:
        log.warning("monitor.target is %g, and %.1f is the most that was reached.", aim, state.best)
    if run.grid_path(step).is_file():
        log.info("The last grid of samples: %s", relative(run.grid_path(step)))
