"""The directory of a sweep: its jobs, what they are called, and what became of them."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.types import RunMode
from omegaconf import OmegaConf

from gan_cli.errors import UserError

RECORD = "multirun.yaml"
LOG = "sweep.log"
# There while sweep.fail_fast holds, with the name of the job that failed once one has. A file, as
# jobs run in processes and on machines of their own.
FAIL_FAST = ".fail_fast"
# Bytes of a job's directory's name: file systems allow 255.
NAME_LENGTH = 150
# The name of the job of a sweep that varies nothing.
ALONE = "all"


@dataclass
class SweepSettings:
    """Settings of a sweep as a whole, which its jobs don't have."""

    fail_fast: bool


def named() -> str | None:
    """Return the name, or preset, that the command line gives a sweep, or None."""
    name: str | None = HydraConfig.get().runtime.choices["sweep"]
    return name


def is_job() -> bool:
    """Return whether this command is a job of a sweep."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def refuse_lone(fail_fast: bool) -> None:
    """Raise UserError where a sweep's name or `fail_fast` is given without -m, which makes one."""
    name = named()
    if is_job() or (name is None and not fail_fast):
        return
    setting, value = ("sweep.fail_fast", "true") if name is None else ("sweep", name)
    raise UserError(
        f"{setting} is {value}, but without -m this is a single run; "
        f"`gan train -m {setting}={value} ...` is a sweep."
    )


def directory(outputs: str, name: str | None = None) -> str:
    """Return where the jobs of a sweep go: by its name, or else by the time."""
    return str(Path(outputs) / "sweep" / (name or f"{datetime.now():%Y-%m-%d_%H-%M-%S}"))


def combinations(params: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, list[str]]:
    """Return the overrides of each job by its name, which has what the sweep varies.

    `params` are those of the sweep's config; of the same setting the command line's `arguments`
    win. Raises UserError for what has no list of values.
    """
    choices: dict[str, list[str]] = {}
    varied: set[str] = set()
    for override in parse(params, arguments):
        key = override.get_key_element()
        if not override.is_sweep_override():
            choices[key] = [str(override.input_line)]
            continue
        if not override.is_discrete_sweep():
            raise UserError(
                f"{override.input_line} is a range without steps; list values, as {key}=0.1,0.2, "
                "or search with hydra/sweeper=optuna."
            )
        choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        if not choices[key]:
            raise UserError(f"{override.input_line} has no values; it takes at least one.")
        varied.add(key)
    return {
        job_name([o for key, o in zip(choices, chosen, strict=True) if key in varied]): list(chosen)
        for chosen in itertools.product(*choices.values())
    }


def parse(params: Mapping[str, Any], arguments: Sequence[str]) -> list[Override]:
    """Return the overrides of a sweep, those of all its jobs and those that it varies.

    The sweep's own settings are none of them: a job is the run that it would be by itself.
    """
    own = [f"{key}={value}" for key, value in params.items()]
    # It knows which options there are, for glob(*).
    loader = GlobalHydra.instance().config_loader()
    given = OverridesParser.create(loader).parse_overrides([*own, *arguments])
    return [o for o in given if o.key_or_group.partition(".")[0] != "sweep"]


def by_setting(overrides: Iterable[str]) -> dict[str, str]:
    """Return the last override of each setting or group, by its name."""
    return {override.partition("=")[0].lstrip("+"): override for override in overrides}


def quoted(text: str) -> str:
    """Return text as a value in an override, whatever is in it."""
    return QuotedString(text, Quote.single).with_quotes()


def job_name(overrides: Sequence[str]) -> str:
    """Return the name of a job's directory."""
    name = ",".join(override.replace("/", "_") for override in overrides)
    if len(name.encode()) > NAME_LENGTH:
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]
        name = f"{name.encode()[: NAME_LENGTH - 13].decode(errors='ignore')}-{digest}"
    return name or ALONE


def planned(sweep: Path) -> set[str]:
    """Return the names of the jobs of the command that last ran the sweep in a directory."""
    try:
        hydra = OmegaConf.load(sweep / RECORD).hydra
        if hydra.sweeper._target_.endswith("OptunaSweeper"):  # what it tries next is not known
            return set()
        return set(combinations(hydra.sweeper.params or {}, hydra.overrides.task))
    except Exception:  # not there, or whatever a damaged file makes of the parsers
        return set()


def note(out: Path, outcome: str) -> None:
    """Write what became of a sweep's job into the sweep's own log."""
    with (out.parent / LOG).open("a") as file:
        file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {out.name}: {outcome}\n")
    marker = out.parent / FAIL_FAST
    if outcome.startswith("failed: ") and marker.exists():
        marker.write_text(out.name)


def set_fail_fast(sweep: Path, fail_fast: bool) -> None:
    """Begin a session of a sweep, in which with `fail_fast` no job begins after one has failed."""
    if fail_fast:
        (sweep / FAIL_FAST).write_text("")
    else:
        (sweep / FAIL_FAST).unlink(missing_ok=True)


def failed_fast(sweep: Path) -> str:
    """Return the name of the job after whose failure no other is to begin, or nothing."""
    marker = sweep / FAIL_FAST
    return marker.read_text() if marker.exists() else ""


def failure(out: Path) -> str | None:
    """Return why a job failed when it was last tried, or None."""
    log = out.parent / LOG
    text = log.read_text(errors="replace") if log.is_file() else ""
    # A line is day, time, name and outcome.
    outcomes = re.findall(rf"^\S+ \S+ {re.escape(out.name)}: (.*)$", text, re.MULTILINE)
    last = outcomes[-1] if outcomes else ""
    return last.removeprefix("failed: ") if last.startswith("failed: ") else None
