"""The command line, before Hydra has it: text stays text, and guesses are answered."""

import contextlib
import difflib
import functools
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from gan_cli.errors import UserError
from gan_cli.help import CONF, groups, settings_of

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Settings that are paths or names, whose text stays as it was typed.
TEXT = {
    "outputs", "device", "data_dir", "run", "runs", "resume", "init_from", "save", "z", "samples",
    "results", "sweep", "a", "b", "dataset.data_dir", "dataset.path", "dataset.cache",
    "hydra.run.dir", "hydra.sweep.dir",
}  # fmt: skip

# Hydra's own options that a value follows, and all of them; all else is a setting.
VALUED = {
    "--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn",
    "--config-dir", "-cd", "--experimental-rerun", "--info", "-i",
}  # fmt: skip
OPTIONS = {
    *VALUED, "--hydra-help", "--resolve", "--run", "-r", "--multirun", "-m", "--shell-completion",
    "-sc",
}  # fmt: skip

# Settings whose names may be left out, in this order.
POSITIONAL = {
    "diff": ("a", "b"), "show": ("run",), "sample": ("run",), "interpolate": ("run",),
    "eval-parzen": ("run",), "evaluate": ("run",), "probe": ("run",),
}  # fmt: skip

# Commands whose settings can't be taken for the names of a sweep's runs, which have = in them.
TAKE_JOBS = {"diff", "show"}

LISTED = "gan {0} --help lists them."

# What other programs call a setting, by its last part.
SYNONYMS = {
    "learning_rate": "optimizer.lr",
    "rate": "optimizer.lr",
    "g_lr": "optimizer.generator.lr",
    "lr_g": "optimizer.generator.lr",
    "d_lr": "optimizer.discriminator.lr",
    "lr_d": "optimizer.discriminator.lr",
    "betas": "optimizer.beta1",
    "n_epochs": "schedule.epochs",
    "num_epochs": "schedule.epochs",
    "max_epochs": "schedule.epochs",
    "iterations": "schedule.steps",
    "max_steps": "schedule.steps",
    "num_steps": "schedule.steps",
    "batch": "schedule.batch_size",
    "bs": "schedule.batch_size",
    "d_steps": "schedule.k",
    "n_critic": "schedule.k",
    "z_dim": "prior.dim",
    "latent_dim": "prior.dim",
    "noise_dim": "prior.dim",
    "nz": "prior.dim",
    "dropout": "network.discriminator.keep_prob_hidden",
    "hidden": "network.generator.widths",
    "amp": "precision",
    "fp16": "precision",
    "gpu": "device",
    "gpus": "device",
    "cuda": "device",
    "data": "dataset",
    "model": "network",
    "output": "outputs",
    "output_dir": "outputs",
    "out": "outputs",
    "random_seed": "seed",
    "num_samples": "n",
    "class": "label",
    "conditional": "condition",
    "ema": "ema_decay",
    "log_every": "log.every_steps",
    "save_every": "checkpoint.every_steps",
}

# What other programs call a group's option.
OPTION_SYNONYMS = {"normal": "gaussian", "sgd": "momentum"}


def for_hydra(command: str, arguments: list[str]) -> list[str]:
    """Return a command's arguments as Hydra takes them.

    Raises UserError, with what was probably meant, for an option that there is not, for a value
    that a space has cut in two and for a word that is no setting.
    """
    multirun = bool({"-m", "--multirun"} & set(arguments))
    names = iter(POSITIONAL.get(command, ()))
    before = ["", *arguments]
    arguments = [
        _named(a, names) if b not in VALUED and _may_be_run(a, command) else a
        for b, a in zip(before, arguments, strict=False)
    ]
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        rest = [a for a in arguments[i + 1 : i + 2] if "=" not in a and not a.startswith("-")]
        if argument.startswith("--") and name not in OPTIONS:
            raise UserError(
                f"{name} is no option of gan {command}; settings have no dashes, as in "
                f"{_example(name.strip('-').replace('-', '_'), value or ''.join(rest), command)}."
            )
        if equals and rest and (value.endswith(",") or value.count("[") > value.count("]")):
            raise UserError(
                f"{argument} ends at a space; write the value without spaces, as in "
                f"{argument}{rest[0]}"
            )
        if not equals and not argument.startswith(("-", "~")) and before[i] not in VALUED:
            options = groups(command).items()
            meant = [f"{group}={argument}" for group, of in options if argument in of]
            if meant:
                hint = f"; did you mean {' or '.join(meant)}?"
            elif closest(argument, _defaults(command)):
                hint = f", as in {_example(argument, ''.join(rest), command)}."
            else:
                hint = f"; {LISTED.format(command)}"
            raise UserError(f"{argument!r}: a setting is given as setting=value{hint}")
    return [as_text(argument, multirun) for argument in arguments]


def _may_be_run(argument: str, command: str) -> bool:
    if argument.startswith(("-", "~")):
        return False
    name, equals, _ = argument.partition("=")
    return not equals or (command in TAKE_JOBS and name not in {*TEXT, "threads"})


def _named(argument: str, names: Iterator[str]) -> str:
    """Return an argument with the next of `names`, if there is one."""
    name = next(names, None)
    return f"{name}={argument}" if name else argument


def as_text(argument: str, multirun: bool = False) -> str:
    """Return `setting=value` with quotes where Hydra would read more than text in a path or name.

    To its grammar 2024_01 is the number 202401, for one. What is quoted already, a list, or with
    `multirun` has a comma is left to it, unless there is a file of that name.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    from gan_cli.runs.sweeps import quoted

    setting, _, value = argument.partition("=")
    if setting == "runs" and (items := re.fullmatch(r"\[([\w./~, -]+)\]", value)):
        return f"runs=[{','.join(quoted(item.strip()) for item in items[1].split(','))}]"
    marked = value[:1] in "'\"[" or "${" in value or (multirun and "," in value)
    if setting.lstrip("+") not in TEXT or (marked and not os.path.exists(value)):
        return argument
    with contextlib.suppress(HydraException):
        if OverridesParser.create().parse_override(argument).value() in (value, None):
            return argument
    return f"{setting}={quoted(value)}"


def expand_home(cfg: "DictConfig") -> None:
    """Put the home directory in place of ~ in a config's paths."""
    from omegaconf import OmegaConf

    for key in TEXT:
        value = OmegaConf.select(cfg, key, throw_on_missing=False)
        if isinstance(value, str) and value.startswith("~"):
            OmegaConf.update(cfg, key, os.path.expanduser(value))


def no_setting(name: str, command: str) -> str:
    """Return, as a sentence, that `name` is no setting of a command, and what may be meant."""
    group, _, part = name.partition(".")
    options = [
        f"{group}={option}"
        for option in groups(command).get(group, [])
        if part in settings_of((CONF / group / f"{option}.yaml").read_text())
    ]
    if options:
        hint = f"it is one of {' and '.join(options)}."
    elif meant := closest(name, _defaults(command)):
        hint = f"did you mean {meant}?"
    else:
        hint = LISTED.format(command)
    return f"{name} is no setting of gan {command}; {hint}"


def _example(name: str, value: str, command: str) -> str:
    """Return `setting=value` for what was typed as an option."""
    defaults = _defaults(command)
    setting = closest(name, defaults) or "setting"
    if not value and isinstance(defaults.get(setting), bool):
        value = "true"
    elif not value:
        value = "latest" if setting in ("run", "resume") else "VALUE"
    return f"{setting}={value}"


@functools.cache
def _defaults(command: str) -> dict[str, Any]:
    """Return a command's settings and nodes by their full names, as they are by default."""
    from hydra import compose, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra

    from gan_cli.config.differences import flatten

    running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        config = compose(command)
    GlobalHydra.instance().hydra = running
    return {**dict.fromkeys(map(str, config)), **flatten(config)}


def closest(name: str, settings: Iterable[str]) -> str | None:
    """Return the setting that `name` is part of, another word for, or nearly spells, or None."""
    # Of several with the same last part, the one that the others follow.
    by_last = {s.rpartition(".")[2]: s for s in sorted(settings, key=lambda s: (-s.count("."), s))}
    last = name.rpartition(".")[2].lower()
    synonym = SYNONYMS.get(last)
    if synonym in by_last.values():
        return synonym
    if begun := sorted(s for s in settings if s.startswith(f"{name}_")):
        return begun[0]
    close = difflib.get_close_matches(last, by_last, n=1, cutoff=0.75)
    return by_last[close[0]] if close else None
