"""Writing files so that what is on disk is always whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gan_cli.errors import UserError

SUFFIX = ".tmp"
# The directory of Hydra's record of a command, beside all that the command wrote.
HYDRA = ".hydra"


def relative(path: str | Path) -> Path:
    """Return `path` as seen from here where it lies below, for messages."""
    path = Path(path).absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def printable(name: str) -> str:
    """Return what has a file's name in it as text, which on Linux it need not be."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def make_directory(path: Path, setting: str) -> None:
    """Make a directory, and those above it, where they are missing.

    Raises UserError, which begins with `setting`, as in "results is a/b", where that can't be done.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{setting}, but {error.filename} can't be made a directory ({error.strerror}); it "
            "must be a directory, or a path that can become one."
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`: the old file stays until the new one is whole and on disk.

    Raises UserError where the disk is full or the place can't be written; `path` is then as before.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, whose file takes the place of `path` once it is whole.

    Raises UserError where the disk is full or the place can't be written; `path` is then as before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{SUFFIX}")
    try:
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        # Without this the rename itself may be lost in a power cut.
        _sync(path.parent)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from error


def unfinished(directory: Path) -> Iterator[Path]:
    """Yield the temporary files in a directory: of writers at work, or that were killed."""
    return directory.glob(f".*{SUFFIX}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
