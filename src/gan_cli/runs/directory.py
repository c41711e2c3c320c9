"""The run directory: the one place that knows its file names."""

import contextlib
import csv
import functools
import json
import logging
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from gan_cli.errors import UserError
from gan_cli.files import HYDRA, unfinished, write_atomically

log = logging.getLogger(__name__)

LOCK = ".lock"
CONFIG = "config.yaml"
STATUS = "status.json"


class Run:
    """One run's directory. Raises UserError where `path` holds none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_path = path / CONFIG
        self.environment_path = path / "environment.json"
        self.metrics_path = path / "metrics.csv"
        self.status_path = path / STATUS
        self.classes_path = path / "classes.json"
        self.tensorboard = path / "tensorboard"
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        if not self.config_path.is_file():
            raise UserError(f"{path} is not a run: it has no {CONFIG}.")

    @classmethod
    def create(cls, path: Path, config: DictConfig) -> "Run":
        """Make the directory a run of `config`, resolved."""
        path.mkdir(parents=True, exist_ok=True)
        _write_config(path / CONFIG, config)
        return cls(path)

    @staticmethod
    def exists(path: Path) -> bool:
        """Return whether `path` holds a run."""
        return (path / CONFIG).is_file()

    def config(self) -> DictConfig:
        """Return the resolved config. Raises UserError where it can't be read."""
        try:
            config = OmegaConf.load(self.config_path)
        except (OSError, ValueError, YAMLError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{self.config_path} can't be read: {reason}") from error
        whole = ("dataset", "network", "prior", "seed", "optimizer", "schedule")
        if not isinstance(config, DictConfig) or any(config.get(key) is None for key in whole):
            raise UserError(f"{self.config_path} is not the config of a run: it needs {whole}.")
        return config

    def update_config(self, config: DictConfig) -> None:
        """Write another resolved config, of the same recipe."""
        _write_config(self.config_path, config)

    def rows(self) -> list[dict[str, float]]:
        """Return what was measured, a row for each time. Raises UserError for a damaged file."""
        try:
            # With or without the mark that Excel puts before UTF-8.
            text = self.metrics_path.read_text("utf-8-sig") if self.metrics_path.is_file() else ""
        except ValueError as error:
            raise UserError(f"{self.metrics_path} is damaged: {error}.") from error
        table = csv.DictReader(text.splitlines())
        rows = []
        try:
            for row in table:
                if None in row:
                    raise ValueError("it has more values than there are columns")
                rows.append({name: float(value) for name, value in row.items() if value})
                if "step" not in rows[-1]:
                    raise ValueError("it has no step")
        except (TypeError, ValueError, csv.Error) as error:
            where = f"{self.metrics_path}, line {table.line_num}"
            raise UserError(f"{where}, is damaged: {error}.") from error
        return rows

    def grid_path(self, step: int) -> Path:
        """Return where the grid of samples at `step` goes."""
        return self.samples / f"step-{step:09d}.png"

    def evaluation(self, name: str) -> Path:
        """Return the directory of an evaluation that is kept with the run."""
        return self.path / "evaluation" / name

    def quality_path(self, weights: str) -> Path:
        """Return where the last `gan evaluate` of G's `weights`, raw or ema, is kept."""
        return self.evaluation(f"weights={weights}") / "quality.json"

    def grids(self) -> dict[int, Path]:
        """Return where the grids of samples are, by their steps, which rise."""
        paths = sorted(self.samples.glob(f"step-{'[0-9]' * 9}.png"))
        return {int(path.stem.removeprefix("step-")): path for path in paths}

    def set_status(self, status: str, step: int, reason: str | None = None) -> None:
        """Record `running`, `finished`, `interrupted` or `failed`, and why."""
        content = {
            "status": status,
            "reason": reason,
            "step": step,
            "host": platform.node(),
            "process": os.getpid(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(self.status_path, json.dumps(content, indent=2).encode())

    def step(self) -> int:
        """Return the step that was recorded with the status, or 0."""
        return int(read_json(self.status_path, dict).get("step", 0))

    def reason(self) -> str | None:
        """Return why the run is what was last recorded of it, where that is known."""
        return read_json(self.status_path, dict).get("reason")

    def status(self) -> str:
        """Return what was last recorded; a run whose process has gone since is `interrupted`."""
        status: str = read_json(self.status_path, dict).get("status", "interrupted")
        if status == "running":
            try:
                FileLock(self.path / LOCK, timeout=0).acquire().lock.release()
            except (Timeout, OSError):  # Where one can't write one can't look.
                return status
            return "interrupted"
        return status

    def last_written(self) -> float:
        """Return when the status, or else the config, was written, in seconds since 1970."""
        path = self.status_path if self.status_path.exists() else self.config_path
        return path.stat().st_mtime

    def sessions(self) -> list[dict[str, Any]]:
        """Return what each session ran on: a run has one more than it was resumed."""
        return [s for s in read_json(self.environment_path, list) if isinstance(s, dict)]

    def add_environment(self, environment: dict[str, Any]) -> None:
        """Append what this session runs on."""
        content = json.dumps([*self.sessions(), environment], indent=2)
        write_atomically(self.environment_path, content.encode())

    def write_classes(self, counts: Mapping[str, int]) -> None:
        """Record a conditional run's classes, by name, with how many training examples each has."""
        if counts:
            write_atomically(self.classes_path, json.dumps(counts, indent=2).encode())

    def classes(self) -> dict[str, int]:
        """Return what `write_classes` recorded; none for an unconditional run.

        Raises UserError where a conditional run has no whole record.
        """
        config = self.config()
        if config.condition is None:
            return {}
        counts: dict[str, int] = read_json(self.classes_path, dict)
        if len(counts) != config.classes or not all(isinstance(n, int) for n in counts.values()):
            raise UserError(
                f"{self.classes_path} is not the record of {config.classes} classes that this run "
                "of condition=label has; `gan train resume=...` writes it anew."
            )
        return counts

    def refuse_lost_checkpoints(self) -> None:
        """Raise UserError where the run has trained, but has no checkpoint to resume from."""
        if not any(self.checkpoints.glob("step-*")) and self.rows():
            raise UserError(
                f"{self.path} has trained, but {self.checkpoints} holds no checkpoint to resume "
                "from; put one back, or train anew in another directory."
            )

    def prepare(self) -> None:
        """Make the directories that are missing; remove what a killed process began to write."""
        for directory in (self.path, self.samples, self.checkpoints):
            directory.mkdir(exist_ok=True)
            for path in unfinished(directory):
                path.unlink(missing_ok=True)


def _write_config(path: Path, config: DictConfig) -> None:
    write_atomically(path, OmegaConf.to_yaml(config, resolve=True).encode())


def lock(path: Path) -> FileLock:
    """Return the held lock of the one process that may write to `path`; it goes with the process.

    Raises UserError where another holds it.
    """
    # `Run.status` holds it for an instant.
    lock = FileLock(path / LOCK, timeout=1)
    try:
        return lock.acquire().lock
    except Timeout:
        status = read_json(path / STATUS, dict)
        raise UserError(
            f"{path} is being written by process {status.get('process', '?')} on "
            f"{status.get('host', '?')}; stop that one first, or choose another directory."
        ) from None


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Log to the file `path` as well, where Hydra's own log of the command is another."""
    files = [h for h in logging.root.handlers if isinstance(h, logging.FileHandler)]
    if not files or Path(files[0].baseFilename) == path.absolute():
        yield
        return
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(files[0].formatter)
    logging.root.addHandler(handler)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
        handler.close()


def remove_record(out: Path, job: str, outputs: Path) -> None:
    """Remove what Hydra wrote for a command that wrote nothing, and empty directories above."""
    out, outputs = Path(os.path.abspath(out)), Path(os.path.abspath(outputs))
    names = {path.name for path in out.iterdir()} if out.is_dir() else {""}
    if names <= {HYDRA, f"{job}.log"} and out != Path.cwd():
        shutil.rmtree(out)
        for path in (p for p in out.parents if p == outputs or outputs in p.parents):
            if any(path.iterdir()):
                break
            path.rmdir()


def read_json(path: Path, kind: type) -> Any:
    """Return what the file holds, or an empty `kind` where that can't be had.

    Warns once of a file that is there, and why it can't.
    """
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, kind):
            raise ValueError(f"it holds a {type(content).__name__}, not a {kind.__name__}")
    except FileNotFoundError:
        return kind()
    except (OSError, ValueError) as error:
        _warn_once(f"{path} can't be read ({error}), and counts as empty.")
        return kind()
    return content


@functools.cache
def _warn_once(message: str) -> None:
    log.warning("%s", message)


def below(outputs: str) -> list[Run]:
    """Return the runs of `gan train` and of its sweeps below `outputs`."""
    paths = [*Path(outputs).glob("train/*"), *Path(outputs).glob("sweep/*/*")]
    return [Run(path) for path in paths if Run.exists(path)]


def find(run: str, outputs: str, setting: str = "run") -> Run:
    """Return the run at path `run`, or of that name below `outputs`.

    `latest` is the newest one that has stopped. Raises UserError, naming `setting`, where there is
    none, or several of a name.
    """
    if run != "latest" and Run.exists(Path(run)):
        return Run(Path(run))
    known = below(outputs)
    if run != "latest":
        named = [one for one in known if one.path.name == run]
        if len(named) == 1:
            return named[0]
        reason = "has no config.yaml" if Path(run).is_dir() else "is no directory"
        if named:
            reason = f"is the name of {len(named)} runs, {named[0].path} among them"
        raise UserError(
            f"{setting} is {run}, which is not a run: it {reason}; give a run's directory, its "
            "name, or latest."
        )
    stopped = [r for r in known if r.status() in ("finished", "interrupted")]
    if not stopped:
        raise UserError(
            f"{setting} is latest, but {Path(outputs).absolute()} holds no finished or interrupted "
            f"run; train one with `gan train`, or name one with {setting}=DIRECTORY."
        )
    return max(stopped, key=Run.last_written)
