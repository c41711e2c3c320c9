"""Whether a run goes on, and with which settings."""

import logging
import math
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gan_cli.config import validate
from gan_cli.config.differences import differences, flatten
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.game.state import State
from gan_cli.runs.directory import Run, find
from gan_cli.runs.environment import refuse_other_data
from gan_cli.training import checkpoints
from gan_cli.training.metric_logger import refuse_other_columns
from gan_cli.training.trainer import BEST_BY, is_over

log = logging.getLogger(__name__)

# What may change when a run is resumed: its length, what is written, the machine, and where its
# data are.
FREE = (
    "schedule.epochs", "schedule.steps", "log", "monitor", "checkpoint", "outputs", "device",
    "threads", "data_dir", "dataset.data_dir", "dataset.path", "dataset.cache", "resume", "dry_run",
    "on_nan", "on_collapse", "cuda_graph", "compile",
)  # fmt: skip
# The data set whose files lie where dataset.path says, and not in data_dir.
FOLDER = "folder"
# Groups whose options are whole configs, or parts all over it.
WHOLE = {"experiment", "ablation"}
GROUPS = {"dataset", "network", "objective", "prior", "optimizer"}
LENGTH = ("schedule.epochs", "schedule.steps")


def resume(cfg: DictConfig, run: Run, state: State, steps: int, fingerprint: str) -> bool:
    """Bring `state` to where `run` was left; return whether there is more to train.

    Raises UserError where the run can't go on: it was trained on other data, its files are of
    another version, its checkpoints are gone, or it is finished at the length that `cfg` has.
    """
    refuse_other_data(run.sessions(), fingerprint)
    refuse_other_columns(run.metrics_path)
    run.refuse_lost_checkpoints()
    run.prepare()
    checkpoints.restore(state, run.checkpoints)
    if _measured_otherwise(run.config(), cfg):
        state.best = -math.inf
        state.maxima.clear()
    over = is_over(state, steps, target(cfg))
    if over and (run.recorded() == "finished" or state.step > steps):
        raise UserError(
            f"{relative(run.path)} is finished at step {state.step}; to resume it, "
            f"{_longer(cfg, state, steps)}"
        )
    run.update_config(cfg)
    # Over is a run that was killed after its last checkpoint, or is now long, or good, enough.
    return not over


def _longer(cfg: DictConfig, state: State, steps: int) -> str:
    if state.step >= steps and cfg.schedule.steps is not None:
        return f"schedule.steps is {steps}, which counts before schedule.epochs, and must be more."
    if state.step >= steps:
        return f"schedule.epochs is {cfg.schedule.epochs:g}, {steps} steps, and must be more."
    return f"monitor.target must be more than {state.best:.1f}, which was reached, or null."


def target(cfg: DictConfig) -> float:
    """Return the estimate on validation that ends the run, in nats, or infinity."""
    return math.inf if cfg.monitor.target is None else float(cfg.monitor.target)


def is_done(cfg: DictConfig, out: Path) -> bool:
    """Return whether `out` is the finished run of a sweep's job, of the same length too."""
    if HydraConfig.get().mode != RunMode.MULTIRUN or not Run.exists(out):
        return False
    run = Run(out)
    # Whether other files have the same pictures shows only when they are read.
    machine = tuple(name for name in FREE if name != "dataset.path")
    free = tuple(name for name in machine if name not in LENGTH)
    aim = cfg.monitor.target
    if aim is not None and any(row.get(BEST_BY, -math.inf) >= aim for row in run.rows()):
        free = machine  # It is as good as it should be, however long it was to be at most.
    elif aim != OmegaConf.select(run.config(), "monitor.target"):
        return False
    different = differences(run.config(), _of_shape(cfg, run.config()), free)
    return run.recorded() == "finished" and not different


def resumed_config(cfg: DictConfig, out: Path, settings: type) -> tuple[DictConfig, Path]:
    """Return the config with which a run goes on, and its directory; for a new run those given.

    With `cfg.resume`, that is the run's own config with the settings of this command line put in,
    unless one of WHOLE is named. Raises UserError where anything but FREE differs.
    """
    if cfg.resume is None and not Run.exists(out):
        return cfg, out
    if cfg.resume is None:
        old = Run(out).config()
        new = _of_shape(cfg, old)
    else:
        found = find(cfg.resume, cfg.outputs, "resume")
        out, old = found.path, found.config()
        _check(old, cfg, found, settings)
        new = _with_overrides(old, cfg)
    if different := differences(old, new, FREE):
        raise UserError(
            f"{relative(out)} is a run with other settings, and can't resume with these "
            f"({'; '.join(different)})."
        )
    return new, out


def _with_overrides(old: DictConfig, cfg: DictConfig) -> DictConfig:
    keys = [override.key_or_group for override in overrides()]
    if WHOLE & set(keys):
        return cfg
    new = old.copy()
    if HydraConfig.get().runtime.choices["dataset"] == FOLDER and "path" in old.dataset:
        # Named so that its path can be given: its other settings stay the run's own.
        keys = [key for key in keys if key != "dataset"]
    for key in keys:
        OmegaConf.update(new, key, OmegaConf.select(cfg, key), force_add=True)
    there = new.dataset.get("data_dir")
    given = "dataset.data_dir" in keys
    if there and not given and ("data_dir" in keys or not Path(there).is_dir()):
        new.dataset.data_dir = new.data_dir = cfg.data_dir
    return new


def _measured_otherwise(old: DictConfig, new: DictConfig) -> bool:
    """Return whether the monitor's estimates are no longer comparable with a run's best."""
    measure = ("monitor.weights", "monitor.samples", "monitor.valid", "monitor.sigmas")
    before, after = flatten(old), flatten(new)
    return any(before.get(key) != after[key] for key in measure)


def overrides() -> list[Override]:
    """Return what the command line sets."""
    return OverridesParser.create().parse_overrides(list(HydraConfig.get().overrides.task))


def given_settings(cfg: DictConfig) -> dict[str, bool | float | str]:
    """Return the command line's settings and the seed, as TensorBoard's table shows them."""
    given = {o.key_or_group: o.get_value_element_as_str() for o in overrides()}
    values = {key: OmegaConf.select(cfg, key) for key in given}
    return {
        key: value if isinstance(value, bool | int | float | str) else given[key]
        for key, value in {"seed": cfg.seed, **values}.items()
        if key not in ("outputs", "sweep", "resume")
    }


def _of_shape(cfg: DictConfig, old: DictConfig) -> DictConfig:
    """Return `cfg` with the shape of images that a run found in its data, where it leaves it open.

    A wrong one would be refused with the data.
    """
    if cfg.dataset.get("shape", ()) is None:
        cfg = cfg.copy()
        cfg.dataset.shape = old.dataset.shape
    return cfg


def _check(own: DictConfig, cfg: DictConfig, run: Run, settings: type) -> None:
    """Raise UserError for what is wrong in a run's `own` config, which people may have edited.

    Of groups, whose types their options choose, `cfg` has none.
    """
    known = flatten(own)
    if gone := [k for k in flatten(cfg) if k not in known and k.split(".")[0] not in GROUPS]:
        raise UserError(
            f"{run.config_path} has no {gone[0]}: the run is of an earlier version of gan, which "
            "alone can resume it."
        )
    try:
        validate.check(own, "train", settings)
    except UserError as error:
        raise UserError(f"{run.config_path}: {error}") from error
