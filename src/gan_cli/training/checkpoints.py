"""Checkpoints: whole or not there, with a checksum, and read without running code."""

import hashlib
import io
import logging
import pickle
from pathlib import Path
from typing import Any

import torch

from gan_cli.errors import UserError
from gan_cli.files import write_atomically

log = logging.getLogger(__name__)

# The first line of the file, then the SHA-256 of what follows, then what torch.save wrote.
MAGIC = b"gan checkpoint 1\n"
KEEP = 2
BEST = "best.ckpt"


def save(directory: Path, content: dict[str, Any]) -> Path:
    """Write a checkpoint of `content`, which has a `step`, and drop all but the newest KEEP.

    Raises UserError where it can't be written; those there are stay.
    """
    path = directory / f"step-{content['step']:09d}.ckpt"
    _write(path, content)
    for old in _newest_first(directory)[KEEP:]:
        old.unlink(missing_ok=True)
    return path


def save_best(directory: Path, content: dict[str, Any]) -> None:
    """Write `content` as the best checkpoint, in place of the one before."""
    _write(directory / BEST, content)


def _write(path: Path, content: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = buffer.getvalue()
    write_atomically(path, MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)


def load(path: Path) -> dict[str, Any]:
    """Read one checkpoint, onto the CPU. Raises UserError where it is damaged or none."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    digest_end = len(MAGIC) + 65
    digest, payload = raw[len(MAGIC) : digest_end], raw[digest_end:]
    if not raw.startswith(MAGIC):
        raise UserError(f"{path} is not a checkpoint of gan, or of another version of it.")
    if digest != hashlib.sha256(payload).hexdigest().encode() + b"\n":
        raise UserError(f"{path} is damaged: its checksum does not match its content.")
    try:
        content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise UserError(f"{path} can't be read as tensors: {error}") from error
    assert isinstance(content, dict)
    return content


def load_newest(directory: Path) -> dict[str, Any]:
    """Read the newest checkpoint that is whole, and report each that isn't.

    Raises UserError where there is none.
    """
    paths = _newest_first(directory)
    for path, before in zip(paths, [*paths[1:], None], strict=False):
        try:
            return load(path)
        except UserError as error:
            log.warning("%s%s", error, " The one before it is used." if before else "")
    raise UserError(f"{directory.parent} has no whole checkpoint; nothing can be read from it.")


def load_chosen(directory: Path, which: str) -> dict[str, Any]:
    """Read the `newest` whole checkpoint, or the `best`. Raises UserError where there is none."""
    if which == "newest":
        return load_newest(directory)
    if not (directory / BEST).exists():
        raise UserError(
            f"checkpoint is best, but {directory.parent} has no best one yet: it takes a run with "
            "monitor.every set, past its first estimate. checkpoint=newest is there in any run."
        )
    return load(directory / BEST)


def restore(state: Any, directory: Path) -> None:
    """Load the newest whole checkpoint into a State, or nothing where none was written yet.

    Raises UserError where none of those there is whole, or where they are of other networks.
    """
    if _newest_first(directory):
        fit(state, load_newest(directory), directory)


def fit(what: Any, saved: dict[str, Any], directory: Path) -> None:
    """Load `saved` into `what`, a module or a State.

    Raises UserError where the networks differ, or the version of gan that saved it.
    """
    try:
        what.load_state_dict(saved)
    except KeyError as error:
        raise UserError(
            f"{directory} holds a checkpoint of another version of gan, without {error}."
        ) from error
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{directory} holds a checkpoint of another network: {reason}") from error


def _newest_first(directory: Path) -> list[Path]:
    return sorted(directory.glob("step-*.ckpt"), reverse=True)
