"""Where Hydra lets a command write."""

import contextlib
import functools
import os
import shutil
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from gan_cli import interrupts
from gan_cli.errors import UserError
from gan_cli.files import HYDRA
from gan_cli.runs import directory as runs


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
# Directories that were made for these, and are removed with them.
_made: set[str] = set()


def release() -> None:
    """Let go of what was reserved, and remove it where it was for a command that wrote nothing."""
    while _reserved:
        path = _reserved.pop()
        if path.is_dir() and not any(path.iterdir()):
            discard(path)


def discard_reserved(command: str) -> None:
    """Remove what was reserved for a command that could not even begin."""
    while _reserved:
        discard(_reserved.pop(), command)


def _reserve(path: Path) -> bool:
    """Make the directory, and say whether no one had it before; a place that can't be is free."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    try:
        path.mkdir(parents=True)
        _reserved.append(path)
        _made.update(os.path.abspath(place) for place in missing)
    except FileExistsError:
        return not path.exists()
    except OSError:  # RefuseUnwritable tells
        pass
    return True


@functools.cache
def record_directory(out: str | None = None) -> str:
    """Return where in its directory Hydra records a command: a run there keeps its first record.

    Hydra knows the directory only once it is about to make it.
    """
    resumed = out is not None and runs.Run.exists(Path(out))
    return f"{HYDRA}/resumed-{datetime.now():%Y-%m-%d_%H-%M-%S}" if resumed else HYDRA


def discard(out: Path, command: str | None = None) -> None:
    """Remove what Hydra wrote for a command that wrote nothing, and what was made to hold it.

    Of a run that is Hydra's record of the command, if no session of the run has it for its own.
    Where Hydra has failed it no longer knows the `command`, after which its log is called.
    """
    out = Path(os.path.abspath(out))
    if runs.Run.exists(out) and HydraConfig.initialized():
        record = HydraConfig.get().output_subdir or HYDRA
        if record not in [HYDRA, *(s.get("record") for s in runs.Run(out).sessions())]:
            shutil.rmtree(out / record, ignore_errors=True)
    names = {path.name for path in out.iterdir()} if out.is_dir() else {""}
    job = HydraConfig.get().job.name if HydraConfig.initialized() else command
    its_log = f"{job}.log"
    if names <= {HYDRA, its_log} and out != Path.cwd():
        shutil.rmtree(out / HYDRA, ignore_errors=True)
        (out / its_log).unlink(missing_ok=True)
        swept = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
        for path in (out, *out.parents):
            # A sweep's job has its directory from Hydra.
            if str(path) in _made or (swept and path == out):
                with contextlib.suppress(OSError):  # not empty
                    path.rmdir()


class RefuseUnwritable(Callback):
    """Says in one sentence, not in a traceback of Hydra's, that a directory can't be written."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Try `hydra.run.dir`."""
        self._try(config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Try `hydra.sweep.dir`, after the sweep's name: runs are looked for in one place alone."""
        interrupts.unwind()  # which a launcher needs, to end its workers
        name = config.hydra.runtime.choices.get("sweep")
        if name is not None and (name == ".." or Path(name).name != name):
            sys.exit(
                f"sweep is {name}; it must be a name without /, and outputs=DIRECTORY says where "
                "sweeps are."
            )
        self._try(config.hydra.sweep.dir)

    def _try(self, path: str) -> None:
        try:
            if not Path(path).exists():
                _reserve(Path(path))
            Path(path).mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=path):  # of no fixed name: two sweeps may begin here at once
                pass
        except OSError as error:
            reason = error.strerror or error
            sys.exit(
                f"Cannot write to the output directory {path}: {reason}; choose another with "
                "outputs=DIRECTORY."
            )
