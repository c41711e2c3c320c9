"""`gan train`: train a generator and a discriminator, or resume a run."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from gan_cli.config.build import build_source, build_trainer, settle, total_steps
from gan_cli.config.settings import CommandSettings, Node
from gan_cli.data.source import Data, Source
from gan_cli.engines.compiled import Compiled
from gan_cli.engines.cuda_graph import Graph
from gan_cli.errors import DivergedError, MissingDataError, PrunedError, UserError
from gan_cli.files import printable, relative
from gan_cli.game.schedules import ScheduleSettings
from gan_cli.game.state import State
from gan_cli.ranges import Count, Decay, NonNegative, Seed
from gan_cli.runs import own_modules, search, sweeps
from gan_cli.runs.collect import job_at
from gan_cli.runs.directory import Run, lock, logging_to
from gan_cli.runs.environment import compare, environment
from gan_cli.runs.explain_errors import explain_full_disk
from gan_cli.runs.overview import next_commands, show_finished
from gan_cli.runs.plan import show_plan
from gan_cli.runs.resume import given_settings, is_done, resume, resumed_config
from gan_cli.runs.sweeps import SweepSettings
from gan_cli.sampling.classes import Classes
from gan_cli.sampling.samples import draw_z
from gan_cli.training import checkpoints
from gan_cli.training.checkpoint_writer import CheckpointSettings, CheckpointWriter
from gan_cli.training.device import autocast_type, take_gpu, warn_if_busy
from gan_cli.training.metric_logger import LogSettings, MetricLogger
from gan_cli.training.monitor import Monitor, MonitorSettings, reference_of
from gan_cli.training.signals import Stop, stop_signals
from gan_cli.training.trainer import Trainer

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan train`."""

    dataset: Node
    network: Node
    objective: Node
    prior: Node
    optimizer: Node
    schedule: ScheduleSettings
    condition: Literal["label"] | None
    labels: Count | None
    classes: Count | None
    fake_labels: Literal["data", "uniform"]
    seed: Seed
    precision: Literal["auto", "fp32", "tf32", "bf16"]
    cuda_graph: bool
    compile: bool
    ema_decay: Decay
    ema_power: NonNegative
    data_dir: str
    log: LogSettings
    checkpoint: CheckpointSettings
    monitor: MonitorSettings
    on_nan: Literal["stop", "restore"]
    on_collapse: Literal["warn", "stop"]
    init_from: str | None
    resume: str | None
    dry_run: bool
    sweep: SweepSettings


def run(cfg: DictConfig, out: Path) -> float | None:
    """Train in the run directory `out`, from the start or from where it was left.

    Returns the monitor's last estimate by monitor.metric, if there is one: a search is after it.
    """
    sweeps.refuse_lone(cfg.sweep.fail_fast)
    _refuse_lone_ablation(cfg)
    if is_done(cfg, out):
        log.info("%s is finished already.", relative(out))
        return _last_estimate(out)
    cfg, out = resumed_config(cfg, out, Settings)
    if sweeps.is_job() and cfg.device in ("auto", "cuda"):
        take_gpu(out.parent)

    # The data, and what is trained on them.
    source = build_source(cfg)
    data = _load(cfg, source)
    classes = settle(cfg, source, data)
    if cfg.dry_run or data is None:
        show_plan(cfg, source, data)
        return None
    trainer = build_trainer(cfg, source, data)
    trainer.monitor = _monitor(cfg, trainer, source, data, classes)
    steps = total_steps(cfg, trainer.iterations_per_epoch)

    # The run directory.
    name = os.path.relpath(out)
    if printable(name) != name:
        raise UserError(
            f"The run directory is {printable(name)}, whose name is not UTF-8, as TensorBoard "
            "wants it; choose another with outputs=DIRECTORY."
        )
    out.mkdir(parents=True, exist_ok=True)
    with lock(out), stop_signals() as stop, logging_to(out / "train.log"):
        directory = Run(out) if Run.exists(out) else Run.create(out, cfg)
        fingerprint = data.fingerprint(labelled=cfg.classes is not None)
        if resume(cfg, directory, trainer.state, steps, fingerprint):
            directory.write_classes(classes.counts)
            _start_session(cfg, directory, trainer, steps, fingerprint)
            with _recording_failure(directory, trainer.state):
                while True:
                    try:
                        with _recording(cfg, directory, trainer, steps):
                            trainer.train(steps, stop, search.pruner(cfg, directory.path))
                        break
                    except DivergedError as error:
                        if cfg.on_nan == "stop":
                            raise
                        checkpoints.restore_diverged(trainer.state, directory.checkpoints, error)
        _conclude(directory, trainer.state, stop)
    return _last_estimate(out)


def _refuse_lone_ablation(cfg: DictConfig) -> None:
    choices = HydraConfig.get().runtime.choices
    name = choices["ablation"]
    if name is not None and choices["experiment"] is None and cfg.resume is None:
        raise UserError(
            f"ablation is {name}, which switches off a detail of experiment=mnist, and experiment "
            f"is null; give both: experiment=mnist ablation={name}."
        )


def _load(cfg: DictConfig, source: Source) -> Data | None:
    """Return the data, or None where a dry run finds them missing: it shows the networks still."""
    try:
        return source.load()
    except MissingDataError as error:
        labelled = cfg.condition is not None or cfg.labels is not None
        if not cfg.dry_run or not source.shape or labelled:
            raise
        log.warning("%s The plan below is without data.", error)
        return None


def _start_session(
    cfg: DictConfig, run: Run, trainer: Trainer, steps: int, fingerprint: str
) -> None:
    """Record and log where, and in which arithmetic, the run is trained this time."""
    device, step = trainer.state.rng.device, trainer.state.step
    threads = torch.get_num_threads()
    here = {
        **environment(device, autocast_type(cfg.precision, device), fingerprint),
        "cuda_graph": isinstance(trainer.update, Graph),
        "compile": isinstance(trainer.update, Compiled),
        "config_dirs": own_modules.config_directories(),
        "overrides": list(HydraConfig.get().overrides.task),
    }
    compare(run.sessions(), here)
    warn_if_busy()
    run.add_environment(here)
    run.set_status("running", step)
    log.info(
        "%s %s: steps %d to %d (%.4g epochs), %s updates, on %s in %s with %d thread%s.",
        "Resuming" if step else "Training", relative(run.path), step + 1, steps,
        steps / trainer.iterations_per_epoch, cfg.schedule.updates, device, here["precision"],
        threads, "" if threads == 1 else "s",
    )  # fmt: skip


@contextlib.contextmanager
def _recording_failure(run: Run, state: State) -> Iterator[None]:
    """Set the run's status where an error ends it."""
    try:
        yield
    except BaseException as error:
        status = "interrupted" if isinstance(error, PrunedError) else "failed"
        # On a full disk there may be no room for that either: the checkpoints are what counts.
        with contextlib.suppress(UserError):
            run.set_status(status, state.step, str(error) or type(error).__name__)
        raise


def _monitor(
    cfg: DictConfig, trainer: Trainer, source: Source, data: Data, classes: Classes
) -> Monitor:
    settings, state, space = MonitorSettings(**cfg.monitor), trainer.state, None
    if settings.metric == "frechet":
        # Imported here: trainings that compare no features need not wait for it.
        from gan_cli.metrics.features import feature_space

        space = feature_space(source, data, Path(cfg.outputs) / "cache")
    reference = reference_of(source, data, settings, space, state)
    n, prior = cfg.log.grid, trainer.game.prior
    samples = draw_z(prior, settings.samples, cfg.seed), *classes.drawn(settings.samples, cfg.seed)
    grid = draw_z(prior, n, cfg.seed), *classes.in_order(n)
    return Monitor(
        state, samples, grid, source, reference, cfg.seed, settings,
        trainer.average if settings.weights == "ema" else lambda: state.generator,
        _in_steps(settings.every_epochs, trainer), cfg.on_collapse == "stop",
    )  # fmt: skip


@contextlib.contextmanager
def _recording(cfg: DictConfig, run: Run, trainer: Trainer, steps: int) -> Iterator[None]:
    """Have the trainer write metrics and checkpoints into the run."""
    every = (_in_steps(cfg.checkpoint.every_epochs, trainer), cfg.checkpoint.every_steps)
    writer = trainer.checkpoint_writer = CheckpointWriter(
        run.checkpoints, list(filter(None, every)), cfg.checkpoint.every_minutes,
        cfg.checkpoint.share,
    )  # fmt: skip
    origin = {"run": relative(run.path), "seed": cfg.seed, "command": " ".join(sys.argv)}
    with (
        explain_full_disk(run, trainer.state),
        MetricLogger(
            run.metrics_path, run.tensorboard, run.grid_path, origin, given_settings(cfg),
            cfg.log.every_steps, cfg.log.grid_every_steps, trainer.state.step, steps,
        ) as trainer.metric_logger,
    ):  # fmt: skip
        yield
    log.debug("%d checkpoints, in %.2f %% of the time.", writer.written, 100 * writer.share())


def _in_steps(epochs: float | None, trainer: Trainer) -> int | None:
    return None if epochs is None else max(1, round(epochs * trainer.iterations_per_epoch))


def _conclude(run: Run, state: State, stop: Stop) -> None:
    where, step = relative(run.path), state.step
    if stop.signal is not None:
        run.set_status("interrupted", step, f"stopped by {signal.Signals(stop.signal).name}")
        resuming, *_ = next_commands(job_at(str(where), run.path))
        log.info("Stopped at step %d; `%s` resumes it.", step, resuming)
        sys.exit(128 + stop.signal)
    run.set_status("finished", step)
    log.info("Finished at step %d: %s", step, where)
    if (missed := job_at(str(where), run.path).missed) is not None:
        log.warning("%s.", missed)
    if not sweeps.is_job():  # `gan report` has the curves and samples of a sweep's jobs
        show_finished(run)


def _last_estimate(out: Path) -> float | None:
    job = job_at(str(out), out)
    name = job.criterion.name
    return next((row[name] for row in reversed(job.rows) if name in row), None)
