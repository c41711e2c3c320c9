"""The command line, before Hydra has it: text stays text, and guesses are answered."""

import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gan_cli.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Settings that are paths or names, whose text stays as it was typed.
TEXT = {
    "outputs", "device", "data_dir", "run", "runs", "resume", "init_from", "save", "z", "samples",
    "results", "sweep", "a", "b", "dataset.data_dir", "dataset.path", "dataset.cache",
    "hydra.run.dir", "hydra.sweep.dir",
}  # fmt: skip

# Hydra's own options; all else is a setting.
OPTIONS = {
    "--hydra-help", "--cfg", "-c", "--resolve", "--package", "-p", "--run", "-r", "--multirun",
    "-m", "--shell-completion", "-sc", "--config-path", "-cp", "--config-name", "-cn",
    "--config-dir", "-cd", "--experimental-rerun", "--info", "-i",
}  # fmt: skip

# Settings whose names may be left out, in this order.
POSITIONAL = {"diff": ("a", "b"), "show": ("run",)}

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
    "output": "outputs",
    "output_dir": "outputs",
    "out": "outputs",
    "random_seed": "seed",
    "num_samples": "n",
    "ema": "ema_decay",
    "log_every": "log.every_steps",
    "save_every": "checkpoint.every_steps",
}


def for_hydra(command: str, arguments: list[str]) -> list[str]:
    """Return a command's arguments as Hydra takes them.

    Raises UserError, with what was probably meant, for an option that there is not and for a value
    that a space has cut in two.
    """
    multirun = bool({"-m", "--multirun"} & set(arguments))
    # The name of a sweep's run has = in it.
    names = iter(POSITIONAL.get(command, ()))
    arguments = [
        a if a.startswith("-") or a.partition("=")[0] in {*TEXT, "threads"} else _named(a, names)
        for a in arguments
    ]
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        rest = [a for a in arguments[i + 1 : i + 2] if "=" not in a and not a.startswith("-")]
        if argument.startswith("--") and name not in OPTIONS:
            shown = value if equals else "".join(rest) or "..."
            setting = suggest_setting(name.strip("-").replace("-", "_"), command) or "setting"
            raise UserError(
                f"{name} is no option of gan {command}; settings have no dashes, as in "
                f"{setting}={shown}."
            )
        if equals and rest and (value.endswith(",") or value.count("[") > value.count("]")):
            raise UserError(
                f"{argument} ends at a space; write the value without spaces, as in "
                f"{argument}{rest[0]}"
            )
    return [as_text(argument, multirun) for argument in arguments]


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


def suggest_setting(name: str, command: str) -> str | None:
    """Return the setting of a command that is probably meant by `name`, or None."""
    from hydra import compose, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra

    from gan_cli.config.differences import flatten

    running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        settings = compose(command)
    GlobalHydra.instance().hydra = running
    return closest(name, {*flatten(settings), *settings})


def closest(name: str, settings: Iterable[str]) -> str | None:
    """Return the setting that `name` is part of, another word for, or nearly spells, or None."""
    # Of several with the same last part, the one that the others follow.
    by_last = {s.rpartition(".")[2]: s for s in sorted(settings, key=lambda s: (-s.count("."), s))}
    last = name.rpartition(".")[2].lower()
    synonym = SYNONYMS.get(last)
    if synonym in by_last.values():
        return synonym
    close = difflib.get_close_matches(last, by_last, n=1, cutoff=0.75)
    return by_last[close[0]] if close else None
