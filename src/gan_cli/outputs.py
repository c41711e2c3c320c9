"""Where Hydra lets a command write."""

import functools
import hashlib
import itertools
import shutil
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gan_cli import runs
from gan_cli.errors import UserError

HYDRA = ".hydra"
SWEEP_LOG = "sweep.log"
# Of a job's directory: file systems allow 255 bytes.
NAME_LENGTH = 150


@functools.cache
def directory(outputs: str, command: str, resume: str | None = None) -> str:
    """Return where a command writes: the run it resumes, or a new directory named by the time.

    Hydra asks more than once, hence the cache; a wrong `resume` is refused later, by `find`.
    """
    if resume is not None:
        try:
            return str(runs.find(resume, outputs).path)
        except UserError:
            pass
    stem = Path(outputs) / command / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")  # local time
    path, n = stem, 1
    while not _reserve(path):
        path, n = stem.with_name(f"{stem.name}_{n}"), n + 1
    return str(path)


_reserved: list[Path] = []


def release() -> None:
    """Let go of what was reserved, and remove it where it was for a command that wrote nothing."""
    while _reserved:
        path = _reserved.pop()
        if path.is_dir() and not any(path.iterdir()):
            discard(path)


def discard_reserved() -> None:
    """Remove what was reserved for a command that could not even begin."""
    while _reserved:
        discard(_reserved.pop())


def _reserve(path: Path) -> bool:
    """Make the directory, and say whether no one had it before; a place that can't be is free."""
    try:
        path.mkdir(parents=True)
        _reserved.append(path)
    except FileExistsError:
        return not path.exists()
    except OSError:  # RefuseUnwritable tells
        pass
    return True


@functools.cache
def sweep_directory(outputs: str, sweep: str | None = None) -> str:
    """Return where the jobs of a sweep go: one called `sweep`, or else by the time."""
    return str(Path(outputs) / "sweep" / (sweep or f"{datetime.now():%Y-%m-%d_%H-%M-%S}"))


def job_directory(overrides: list[str]) -> str:
    """Return a job's name in its sweep: those of its overrides that the sweep varies.

    What the command line sets for all of them is left out, so that the name stays the same when
    values are added.
    """
    return _job_name(overrides, sys.argv[1:])


def planned_jobs(sweep: Path) -> set[str]:
    """Return the names of the jobs of the command that last ran the sweep in a directory."""
    record = sweep / "multirun.yaml"
    if not record.is_file():
        return set()
    hydra = OmegaConf.load(record).hydra
    given = [*(f"{k}={v}" for k, v in (hydra.sweeper.params or {}).items()), *hydra.overrides.task]
    choices = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()]
        for o in OverridesParser.create().parse_overrides(given)
        if o.is_sweep_override()
    ]
    return {_job_name(list(overrides), []) for overrides in itertools.product(*choices)}


def _job_name(overrides: list[str], for_all: list[str]) -> str:
    name = ",".join(o.replace("/", "_") for o in overrides if o not in for_all)
    if len(name) > NAME_LENGTH:
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]
        name = f"{name[: NAME_LENGTH - 13]}-{digest}"
    return name or "all"


def note(out: Path, outcome: str) -> None:
    """Write what became of a sweep's job into the sweep's own log."""
    with (out.parent / SWEEP_LOG).open("a") as file:
        file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {out.name}: {outcome}\n")


def noted(out: Path) -> str | None:
    """Return what was noted last of a job, or None."""
    log = out.parent / SWEEP_LOG
    lines = log.read_text().splitlines() if log.is_file() else []
    # A line is day, time, name and outcome; names may have spaces in them.
    told, name = [line.split(" ", 2)[-1] for line in lines], f"{out.name}: "
    outcomes = [line.removeprefix(name) for line in told if line.startswith(name)]
    return outcomes[-1] if outcomes else None


@functools.cache
def record_directory(resume: str | None = None) -> str:
    """Return where in it Hydra records a command: a resumed run keeps its first record."""
    return HYDRA if resume is None else f"{HYDRA}/resumed-{datetime.now():%Y-%m-%d_%H-%M-%S}"


def discard(out: Path) -> None:
    """Remove a directory that Hydra made for a command that wrote nothing."""
    names = [path.name for path in out.iterdir()] if out.is_dir() else [""]
    if all(name == HYDRA or name.endswith(".log") for name in names) and out != Path.cwd():
        shutil.rmtree(out)
        for parent in (out.parent, out.parent.parent):
            if parent != Path.cwd() and not any(parent.iterdir()):
                parent.rmdir()


class RefuseUnwritable(Callback):
    """Says in one sentence, not in a traceback of Hydra's, that a directory can't be written."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Try `hydra.run.dir`."""
        self._try(config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Try `hydra.sweep.dir`."""
        self._try(config.hydra.sweep.dir)

    def _try(self, path: str) -> None:
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
            (Path(path) / ".writable").touch()
            (Path(path) / ".writable").unlink()
        except OSError as error:
            reason = error.strerror or error
            sys.exit(
                f"Cannot write to the output directory {path}: {reason}; choose another with "
                "outputs=DIRECTORY."
            )
