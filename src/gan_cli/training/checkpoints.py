"""Checkpoints: whole or not there, with a checksum, and read without running code."""

import hashlib
import io
import logging
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from gan_cli.errors import UserError
from gan_cli.files import replacing

log = logging.getLogger(__name__)

# The file's first line, then the SHA-256 of what follows, then what torch.save wrote.
FORMAT = b"gan checkpoint "
MAGIC = FORMAT + b"2\n"
HEADER = len(MAGIC) + 65
KEEP = 2
BEST = "best.ckpt"


def save(directory: Path, content: dict[str, Any]) -> Path:
    """Write a checkpoint of `content`, which has a `step`, and drop all but the newest KEEP.

    Raises UserError where it can't be written; those there are stay.
    """
    path = _path(directory, content["step"])
    _write(path, content)
    for old in _newest_first(directory)[KEEP:]:
        old.unlink(missing_ok=True)
    return path


def save_best(directory: Path, content: dict[str, Any]) -> None:
    """Write `content` as the best checkpoint, in place of the one before."""
    _write(directory / BEST, content)


def _write(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(bytes(HEADER))
        hashing = _Hashing(file)
        torch.save(content, cast(BinaryIO, hashing))
        if hashing.error is not None:
            raise hashing.error
        file.seek(0)
        file.write(MAGIC + hashing.digest.hexdigest().encode() + b"\n")


class _Hashing:
    """A file as torch.save wants it, and the SHA-256 of what went through: no copy in memory.

    An error is kept, not raised: on its way through PyTorch's writer it would end the process.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest = file, hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        try:
            if self.error is None:
                self.file.write(data)
        except OSError as error:
            self.error = error
        return len(data)

    def flush(self) -> None: ...


def load(path: Path) -> dict[str, Any]:
    """Read one checkpoint, onto the CPU. Raises UserError where it is damaged or none."""
    try:
        with path.open("rb") as file:
            header, payload = file.read(HEADER), file.read()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    if not header.startswith(MAGIC):
        if header.startswith(FORMAT):
            written, read = header[len(FORMAT) :].split()[:1], MAGIC[len(FORMAT) :].split()
            raise UserError(
                f"{path} is a checkpoint of format {b''.join(written).decode(errors='replace')}, "
                f"by another version of gan; this one reads format {read[0].decode()}."
            )
        raise UserError(f"{path} is damaged, or not a checkpoint of gan.")
    if header[len(MAGIC) :] != hashlib.sha256(payload).hexdigest().encode() + b"\n":
        raise UserError(f"{path} is damaged: its checksum does not match its content.")
    try:
        _refuse_bomb(payload)
        content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file made to deceive does to the parsers
        reason = " ".join(str(error).split())
        raise UserError(f"{path} can't be read as tensors alone: {reason}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not a run's state.")
    return content


def _refuse_bomb(payload: bytes) -> None:
    """Raise ValueError where `payload` would unpack to more than itself: torch.save packs nothing.

    A checksum shows damage, not intent: anyone can write one.
    """
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        if sum(member.file_size for member in archive.infolist()) > len(payload):
            raise ValueError("its parts are larger than the file")


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
            "monitor.every_epochs set, past its first estimate; checkpoint=newest is in any run."
        )
    return load(directory / BEST)


def restore(state: Any, directory: Path) -> None:
    """Load the newest whole checkpoint into a State, or nothing where none was written yet.

    Damaged ones that are newer are set aside, under another name. Raises UserError where none of
    those there is whole, or where they are of other networks.
    """
    paths = _newest_first(directory)
    if paths:
        saved = load_newest(directory)
        fit(state, saved, directory)
        for path in paths:
            if path > _path(directory, state.step):
                path.rename(path.with_name(f"{path.name}.damaged"))


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
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{directory} holds a checkpoint of another network: {reason}") from error


def _path(directory: Path, step: int) -> Path:
    return directory / f"step-{step:09d}.ckpt"


def _newest_first(directory: Path) -> list[Path]:
    return sorted(directory.glob("step-*.ckpt"), reverse=True)
