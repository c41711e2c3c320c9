"""With which settings a run goes on."""

import math
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config import validate as config
from gan_cli.config.build import relative
from gan_cli.config.differences import differences, flatten
from gan_cli.errors import UserError
from gan_cli.runs import directory as runs
from gan_cli.runs import outputs, sweeps
from gan_cli.training.trainer import BEST_BY

# What may change when a run is taken up again: its length, what is written, the machine, and where
# its data are.
FREE = (
    "schedule.epochs", "schedule.steps", "dataset.epochs", "log", "monitor", "checkpoint",
    "outputs", "device", "threads", "data_dir", "dataset.data_dir", "dataset.path", "dataset.cache",
    "resume", "dry_run", "on_nan", "on_collapse", "cuda_graph", "compile",
)  # fmt: skip
# The data set whose files lie where dataset.path says, and not in data_dir.
FOLDER = "folder"
# Groups whose options are whole configs, or parts all over it.
WHOLE = {"experiment", "ablation"}
GROUPS = {"dataset", "network", "objective", "prior", "optimizer"}
LENGTH = ("schedule.epochs", "schedule.steps", "dataset.epochs")


def refuse_lone_sweep() -> None:
    """Raise UserError where a sweep is named without -m, which alone makes one."""
    name = sweeps.named()
    if HydraConfig.get().mode != RunMode.MULTIRUN and name is not None:
        raise UserError(
            f"sweep is {name}, but without -m this is a single run; "
            f"`gan train -m sweep={name} ...` is a sweep."
        )


def done_already(cfg: DictConfig, out: Path) -> bool:
    """Say whether `out` is the finished run of a sweep's job, of the same length too."""
    if HydraConfig.get().mode != RunMode.MULTIRUN or not runs.Run.exists(out):
        return False
    run = runs.Run(out)
    # Whether other files have the same pictures shows only when they are read.
    machine = tuple(name for name in FREE if name != "dataset.path")
    free = tuple(name for name in machine if name not in LENGTH)
    target = cfg.monitor.target
    if target is not None and any(row.get(BEST_BY, -math.inf) >= target for row in run.rows()):
        free = machine  # It is as good as it should be, however long it was to be at most.
    elif target != OmegaConf.select(run.config(), "monitor.target"):
        return False
    different = differences(run.config(), _of_shape(cfg, run.config()), free)
    return run.recorded() == "finished" and not different


def measured_otherwise(old: DictConfig, new: DictConfig) -> bool:
    """Say whether the monitor's estimates are no longer those that a run's best is one of."""
    measure = ("monitor.weights", "monitor.samples", "monitor.valid", "monitor.sigmas")
    before, after = flatten(old), flatten(new)
    return any(key in before and before[key] != after[key] for key in measure)


def _overrides() -> list[Override]:
    return OverridesParser.create().parse_overrides(list(HydraConfig.get().overrides.task))


def told_settings(cfg: DictConfig) -> dict[str, bool | float | str]:
    """Return the settings that the command line told, those that all runs have anyhow left out."""
    given = {o.key_or_group: o.get_value_element_as_str() for o in _overrides()}
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


def _check(own: DictConfig, cfg: DictConfig, run: runs.Run) -> None:
    """Raise UserError for what is wrong in a run's `own` config, which people may have edited.

    Of groups, whose types their options choose, `cfg` tells none.
    """
    typed = cfg.copy()
    try:
        for name in typed.keys() & own.keys() - GROUPS:
            section = isinstance(typed[name], DictConfig)
            typed[name] = OmegaConf.merge(typed[name], own[name]) if section else own[name]
        config.check(typed)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{run.config_path}: {error.full_key} is wrong: {reason}.") from error
    except UserError as error:
        raise UserError(f"{run.config_path}: {error}") from error


def config_of_resumed(cfg: DictConfig, out: Path) -> tuple[DictConfig, Path]:
    """Return the config with which the run in `out`, or at `cfg.resume`, goes on, and where it is.

    With `resume`, that is the run's own config with the settings of this command line put in,
    unless one of WHOLE is named. Raises UserError where anything but FREE differs.
    """
    if cfg.resume is None:
        old = runs.Run(out).config()
        new = _of_shape(cfg, old)
    else:
        found = runs.find(cfg.resume, cfg.outputs, "resume")
        if found.path.absolute() != out.absolute():
            outputs.discard(out)
            out = found.path
        old = found.config()
        _check(old, cfg, found)
        keys = [override.key_or_group for override in _overrides()]
        new = cfg
        if not WHOLE & set(keys):
            new = old.copy()
            for name in ("log", "monitor", "checkpoint"):
                # What the version that began the run did not have yet.
                new[name] = OmegaConf.merge(cfg[name], old.get(name, {}))
            if HydraConfig.get().runtime.choices["dataset"] == FOLDER and "path" in old.dataset:
                # Named so that its path can be told: its other settings stay the run's own.
                keys = [key for key in keys if key != "dataset"]
            for key in keys:
                OmegaConf.update(new, key, OmegaConf.select(cfg, key), force_add=True)
            there = new.dataset.get("data_dir")
            told = "dataset.data_dir" in keys
            if there and not told and ("data_dir" in keys or not Path(there).is_dir()):
                new.dataset.data_dir = new.data_dir = cfg.data_dir
    different = differences(old, new, FREE)
    if different:
        raise UserError(
            f"{relative(out)} is a run with other settings, and can't go on with these "
            f"({'; '.join(different)})."
        )
    return new, out
