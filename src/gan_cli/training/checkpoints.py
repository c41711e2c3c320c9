"""Checkpoints: whole or not there, with a checksum, and read without running code."""

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan_cli.errors import DivergedError, UserError
from gan_cli.files import write_atomically
from gan_cli.game.state import State

log = logging.getLogger(__name__)

# The file's first line, then the SHA-256 of what follows, then what torch.save wrote.
FORMAT = b"gan checkpoint "
VERSION = b"2"
MAGIC = FORMAT + VERSION + b"\n"
HEADER = len(MAGIC) + 65
KEEP = 2
BEST = "best.ckpt"
# At most so many restores of a diverging run.
RESTORES = 3


def save(directory: Path, content: dict[str, Any]) -> Path:
    """Write a checkpoint of `content`, which has a `step`, and drop all but the newest KEEP.

    Raises UserError where it can't be written; those there are stay.
    """
    path = _path(directory, content["step"])
    write_atomically(path, pack(content))
    for old in _newest_first(directory)[KEEP:]:
        old.unlink(missing_ok=True)
    return path


def save_best(directory: Path, packed: bytes) -> None:
    """Write what `pack` returned as the best checkpoint, in place of the one before."""
    write_atomically(directory / BEST, packed)


def pack(content: dict[str, Any]) -> bytes:
    """Return the bytes of a checkpoint file of `content`."""
    # By way of memory: an error on its way through PyTorch's writer would end the process.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    return MAGIC + _checksum(payload) + payload


def load(path: Path) -> dict[str, Any]:
    """Read one checkpoint, onto the CPU. Raises UserError where it is damaged or none."""
    try:
        with path.open("rb") as file:
            header, payload = file.read(HEADER), file.read()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    if not header.startswith(FORMAT):
        raise UserError(f"{path} is damaged, or not a checkpoint of gan.")
    version = header.removeprefix(FORMAT).partition(b"\n")[0]
    if version != VERSION:
        raise UserError(
            f"{path} is a checkpoint of format {version.decode(errors='replace')}, by another "
            f"version of gan; this one reads format {VERSION.decode()}."
        )
    if header.removeprefix(MAGIC) != _checksum(payload):
        raise UserError(f"{path} is damaged: its checksum does not match its content.")
    try:
        content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file made to deceive does to the parsers
        reason = " ".join(str(error).split())
        raise UserError(f"{path} can't be read as tensors alone: {reason}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not a run's state.")
    return content


def load_newest(directory: Path) -> dict[str, Any]:
    """Read the newest checkpoint that is whole, and report each that isn't.

    Raises UserError where there is none.
    """
    for path in _newest_first(directory):
        try:
            return load(path)
        except UserError as error:
            log.warning("%s The one before it is used, if there is one.", error)
    raise UserError(f"{directory.parent} has no whole checkpoint; nothing can be read from it.")


def load_chosen(directory: Path, which: str) -> dict[str, Any]:
    """Read the `newest` whole checkpoint, or the `best`. Raises UserError where there is none."""
    if which == "newest":
        return load_newest(directory)
    if not (directory / BEST).exists():
        raise UserError(
            f"checkpoint is best, but {directory.parent} has no best one yet: it takes a run with "
            "monitor.every_epochs set, past its first estimate; checkpoint=newest is in any run."
        )
    return load(directory / BEST)


def restore(state: State, directory: Path) -> None:
    """Load the newest whole checkpoint into `state`, or nothing where none was written yet.

    Damaged ones that are newer are set aside, under another name. Raises UserError where none of
    those there is whole, or where they are of other networks.
    """
    paths = _newest_first(directory)
    if paths:
        fit(state, load_newest(directory), directory)
        for path in paths:
            if path > _path(directory, state.step):
                path.rename(path.with_name(f"{path.name}.damaged"))


def restore_diverged(state: State, directory: Path, error: DivergedError) -> None:
    """Return to the last checkpoint, with other random numbers.

    Raises UserError where that was done RESTORES times already.
    """
    if state.restored == RESTORES:
        raise UserError(f"{error} It was restored {RESTORES} times already.") from error
    restored = state.restored + 1
    restore(state, directory)
    state.start_streams(restored)
    log.warning(
        "%s Back to step %d, with new random numbers, restore %d of at most %d.",
        error, state.step, restored, RESTORES,
    )  # fmt: skip


def fit(what: nn.Module | State, saved: dict[str, Any], directory: Path) -> None:
    """Load `saved` into `what`.

    Raises UserError where the networks differ, or the version of gan that saved it.
    """
    try:
        what.load_state_dict(saved)
    except KeyError as error:
        raise UserError(
            f"{directory} holds a checkpoint of another version of gan, without {error}."
        ) from error
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{directory} holds a checkpoint of another network: {reason}") from error


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(payload).hexdigest().encode() + b"\n"


def _path(directory: Path, step: int) -> Path:
    return directory / f"step-{step:09d}.ckpt"


def _newest_first(directory: Path) -> list[Path]:
    return sorted(directory.glob("step-*.ckpt"), reverse=True)
