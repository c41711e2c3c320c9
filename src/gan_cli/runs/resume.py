"""Whether a run is resumed, and with which settings."""

import math
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_cli.config import validate
from gan_cli.config.differences import differences, flatten
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.game.state import State
from gan_cli.runs import own_modules, sweeps
from gan_cli.runs.directory import Run, find
from gan_cli.runs.environment import refuse_other_data
from gan_cli.training import checkpoints
from gan_cli.training.metric_logger import refuse_other_columns
from gan_cli.training.monitor import MonitorSettings

# Settings that say where and how a run is executed and recorded, and not what is trained.
MACHINE = (
    "log", "checkpoint", "outputs", "device", "threads", "data_dir", "dataset.data_dir",
    "dataset.cache", "resume", "dry_run", "on_nan", "on_collapse", "cuda_graph", "compile",
    "sweep",
)  # fmt: skip
# All that may change when a run is resumed; data elsewhere are compared once they are read.
FREE = (*MACHINE, "schedule.epochs", "schedule.steps", "monitor", "dataset.path")
# Groups whose options set values anywhere in a config.
GLOBAL_GROUPS = {"experiment", "ablation"}
# Groups whose options have settings of their own.
COMPONENT_GROUPS = {"dataset", "network", "objective", "prior", "optimizer"}


def resume(cfg: DictConfig, run: Run, state: State, steps: int, fingerprint: str) -> bool:
    """Bring `state` to where `run` was left; return whether there is more to train.

    Raises UserError where the run can't be resumed: it was trained on other data, its files are of
    another version, its checkpoints are gone, or it is finished at the length that `cfg` has; the
    last of these is no error in a sweep.
    """
    refuse_other_data(run.sessions(), fingerprint)
    refuse_other_columns(run.metrics_path)
    run.refuse_lost_checkpoints()
    run.prepare()
    checkpoints.restore(state, run.checkpoints)
    # Estimates that are measured otherwise can't be compared with the best so far.
    if differences(run.config().monitor, cfg.monitor, ("every_epochs", "target", "collapse")):
        state.best = math.nan
        state.maxima.clear()
    monitor = MonitorSettings(**cfg.monitor)
    over = state.step >= steps or monitor.is_reached(state.best)
    refused = run.status() == "finished" and not sweeps.is_job()
    if state.step > steps or (over and refused):
        name = "epochs" if cfg.schedule.steps is None else "steps"
        more = f"schedule.{name}={cfg.schedule[name]}, the run's length, must be more"
        if state.step < steps:
            than = "more" if monitor.criterion.higher_is_better else "less"
            more = f"monitor.target must be {than} than {state.best:.4g}, or null"
        where = relative(run.path)
        raise UserError(f"{where} is trained up to step {state.step}; to resume it, {more}.")
    run.update_config(cfg)
    # Over is a run that was killed after its last checkpoint, or is now long, or good, enough.
    return not over


def is_done(cfg: DictConfig, out: Path) -> bool:
    """Return whether `out` is the finished run of a sweep's job, and nothing more is asked of it.

    Where `resume` must look more closely, at other data or another length, the answer is no.
    """
    if not sweeps.is_job() or not Run.exists(out):
        return False
    run = Run(out)
    return run.status() == "finished" and not differences(run.config(), cfg, MACHINE)


def resumed_config(cfg: DictConfig, out: Path, settings: type) -> tuple[DictConfig, Path]:
    """Return the config with which a run is resumed, and its directory; for a new run those given.

    With `cfg.resume`, that is the run's own config with the settings of this command line put in,
    unless one of GLOBAL_GROUPS is named. `settings` declares the types of a config's values. Raises
    UserError where anything but FREE differs, or the run's own config is not whole.
    """
    if cfg.resume is None and not Run.exists(out):
        return cfg, out
    if cfg.resume is None:
        old, new = Run(out).config(), cfg
    else:
        run = find(cfg.resume, cfg.outputs, "resume")
        own_modules.look_where_trained(run)
        out, old = run.path, run.config()
        known = flatten(old)
        others = [key for key in flatten(cfg) if key.split(".")[0] not in COMPONENT_GROUPS]
        if absent := [key for key in others if key not in known]:
            raise UserError(
                f"{run.config_path} has no {absent[0]}: the run is of an earlier version of gan, "
                "which alone can resume it."
            )
        try:  # people may have edited it
            validate.check(old, "train", settings)
        except UserError as error:
            raise UserError(f"{run.config_path}: {error}") from error
        new = _with_overrides(old, cfg)
    # Where the shape of images is left open, the run has found it in its data.
    if new.dataset.get("shape", ()) is None:
        new.dataset.shape = old.dataset.get("shape")
    if new.classes is None:
        new.classes = old.get("classes")
    if different := differences(old, new, FREE):
        raise UserError(
            f"{relative(out)} is a run with other settings, and can't resume with these "
            f"({'; '.join(different)})."
        )
    return new, out


def _with_overrides(old: DictConfig, cfg: DictConfig) -> DictConfig:
    names = sweeps.by_setting(HydraConfig.get().overrides.task)
    if GLOBAL_GROUPS & names.keys():
        return cfg
    new = old.copy()
    for name in names:
        OmegaConf.update(new, name, OmegaConf.select(cfg, name), force_add=True)
    there = new.dataset.get("data_dir")
    if there and ("data_dir" in names or not Path(there).is_dir()):
        new.dataset.data_dir = new.data_dir = cfg.data_dir
    return new


def given_settings(cfg: DictConfig) -> dict[str, bool | float | str]:
    """Return the command line's settings and the seed, as TensorBoard's table shows them."""
    given = sweeps.by_setting(HydraConfig.get().overrides.task)
    values = {key: OmegaConf.select(cfg, key) for key in given}
    return {
        key: value if isinstance(value, bool | int | float | str) else given[key].partition("=")[2]
        for key, value in {"seed": cfg.seed, **values}.items()
        if key not in ("outputs", "sweep", "resume")
    }
