"""Where Hydra lets a command write."""

import functools
import shutil
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gan_cli import runs
from gan_cli.errors import UserError
from gan_cli.files import HYDRA


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
            if not Path(path).exists():
                _reserve(Path(path))
            with TemporaryFile(dir=path):  # of no fixed name: two sweeps may begin here at once
                pass
        except OSError as error:
            reason = error.strerror or error
            sys.exit(
                f"Cannot write to the output directory {path}: {reason}; choose another with "
                "outputs=DIRECTORY."
            )
