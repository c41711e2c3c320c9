"""Writing files so that what is on disk is always whole."""

import os
from pathlib import Path

from gan_cli.errors import UserError


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`: the old file stays until the new one is whole and on disk.

    Raises UserError where the disk is full or the place can't be written; `path` is then as before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from error


def _sync_directory(path: Path) -> None:
    # Without this the rename itself may be lost in a power cut.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
