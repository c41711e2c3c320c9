"""`gan train`: play the game, or go on with it."""

import logging
import math
import sys
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_cli import outputs, runs
from gan_cli.commands.build import assemble, build_source, relative
from gan_cli.commands.resume import config_of_resumed
from gan_cli.data.sources import Data, Split
from gan_cli.errors import UserError
from gan_cli.evaluation.parzen import log_likelihood
from gan_cli.evaluation.sampling import draw_z, generate
from gan_cli.figures.grid import Picture, picture, save_png
from gan_cli.training import checkpoints, plan
from gan_cli.training.environment import environment
from gan_cli.training.logbook import Logbook
from gan_cli.training.loop import Intervals, Training, train
from gan_cli.training.signals import stop_signals

log = logging.getLogger(__name__)


def run(cfg: DictConfig, out: Path) -> None:
    """Train in the run directory `out`, from the start or from where it was left."""
    if cfg.resume is not None or runs.Run.exists(out):
        cfg, out = config_of_resumed(cfg, out)
    source = build_source(cfg)
    data = _load(cfg, source)
    if cfg.dataset.get("shape", source.shape) is None:
        # Known from here on: the networks follow it, and the run's own config has it.
        cfg.dataset.shape = list(source.shape)
    training = assemble(cfg, source, data or _stand_in(cfg, source))
    state, per_epoch = training.state, training.minibatches.per_epoch
    steps = cfg.schedule.steps or math.ceil(cfg.schedule.epochs * per_epoch / training.k)
    if cfg.dry_run or data is None:
        _show_plan(training, steps, data)
        outputs.discard(out)
        return

    # The run directory, which this process alone may write from here on.
    directory = runs.Run(out) if runs.Run.exists(out) else runs.Run.create(out, cfg)
    with directory.lock():
        checkpoints.restore(state, directory.checkpoints)
        if state.step >= steps:
            raise UserError(
                f"{relative(out)} is finished at step {state.step}; to go on with it, "
                f"schedule.epochs (or schedule.steps) must be more than now, {steps} steps."
            )
        directory.update_config(cfg)
        device, autocast = state.rng.device, training.game.autocast
        directory.add_environment(environment(device, autocast, data.fingerprint()))
        directory.set_status("running", state.step)
        log.info(
            "%s %s: steps %d to %d, on %s in %s with %d threads.",
            "Resuming" if state.step else "Training", relative(out), state.step + 1, steps,
            device, "bf16" if autocast else "fp32", torch.get_num_threads(),
        )  # fmt: skip
        try:
            signal = _play(cfg, directory, training, steps, source, data.valid.x)
        except BaseException as error:
            directory.set_status("failed", state.step, str(error) or type(error).__name__)
            raise
        _conclude(directory, state.step, signal)


def _play(
    cfg: DictConfig, run: runs.Run, training: Training, steps: int, source: Any, valid: Tensor
) -> int | None:
    """Train, and return the signal that stopped it, or None."""
    state, prior, device = training.state, training.game.prior, training.state.rng.device
    # The same z each time, so that progress can be watched.
    watched_z = draw_z(prior, cfg.log.grid, cfg.seed)
    monitor_z = draw_z(prior, cfg.monitor.samples, cfg.seed)
    points = source.to_measure(source.to_model(valid[: cfg.monitor.valid])).to(device)

    def draw() -> Picture:
        return picture(source.to_pixels(generate(state.generator, watched_z, device)))

    def save_grid(step: int, image: Picture) -> None:
        origin = {"run": relative(run.path), "step": step, "seed": cfg.seed}
        save_png(run.grid_path(step), image, {**origin, "command": " ".join(sys.argv)})

    def monitor() -> float:
        samples = source.to_measure(generate(state.generator, monitor_z, device)).to(device)
        return log_likelihood(points, samples, list(cfg.monitor.sigmas)).mean(1).max().item()

    def save() -> None:
        checkpoints.save(run.checkpoints, state.state_dict())

    def save_best() -> None:
        checkpoints.save_best(run.checkpoints, state.state_dict())

    epochs = cfg.monitor.every
    intervals = Intervals(
        cfg.log.every,
        cfg.log.grid_every,
        epochs and max(1, round(epochs * training.minibatches.per_epoch / training.k)),
        cfg.checkpoint.every_minutes,
    )
    logbook = Logbook(run.metrics_path, run.tensorboard, save_grid, state.step, steps)
    try:
        with stop_signals() as stop:
            train(training, steps, intervals, logbook, draw, monitor, save, save_best, stop)
    finally:
        logbook.close()
    return stop.signal


def _conclude(run: runs.Run, step: int, signal: int | None) -> None:
    where = relative(run.path)
    if signal is not None:
        run.set_status("interrupted", step, f"signal {signal}")
        log.info("Stopped at step %d; `gan train resume=%s` goes on.", step, where)
        sys.exit(128 + signal)
    run.set_status("finished", step)
    log.info("Finished at step %d: %s", step, where)
    log.info("The last grid of samples: %s", relative(run.grid_path(step)))


def _load(cfg: DictConfig, source: Any) -> Data | None:
    """Return the data, or None where a dry run finds them missing: it shows the networks still."""
    try:
        data: Data = source.load()
    except UserError as error:
        if not (cfg.dry_run and source.shape):
            raise
        log.warning("%s Until then, the plan is without data.", error)
        return None
    return data


def _stand_in(cfg: DictConfig, source: Any) -> Data:
    part = Split(torch.zeros(cfg.schedule.batch_size, *source.shape, dtype=torch.uint8), None)
    return Data(part, part, part)


def _show_plan(training: Training, steps: int, data: Data | None) -> None:
    state, minibatches, k = training.state, training.minibatches, training.k
    m = minibatches.batch_size
    for name, part in (data._asdict() if data else {}).items():
        labels = "no labels" if part.y is None else f"{len(part.y.unique())} classes"
        log.info("%-6s %s %s, %s", name, tuple(part.x.shape), part.x.dtype, labels)
    real = minibatches[0]
    g_rows = plan.layers(state.generator, training.game.prior(m, state.rng))
    d_rows = plan.layers(state.discriminator, torch.cat([real, real]))
    for line in [*plan.table("Generator", g_rows), *plan.table("Discriminator", d_rows)]:
        log.info("%s", line)
    if data:
        log.info(
            "%d steps, %s, with %d x %d training images each: %.4g epochs of %d minibatches.",
            steps, training.update.__name__, k, m, steps * k / minibatches.per_epoch,
            minibatches.per_epoch,
        )  # fmt: skip
    activations = sum(row[-1] for row in g_rows + d_rows)
    size = plan.memory(
        state.generator, state.discriminator, training.optimizer.slots, activations,
        minibatches.x.nbytes,
    )  # fmt: skip
    log.info("About %.0f MB on %s beside PyTorch itself.", size / 1e6, state.rng.device)
