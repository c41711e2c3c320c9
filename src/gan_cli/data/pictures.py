"""Pictures in a directory or a zip file: listed, and decoded."""

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from gan_cli.errors import UserError
from gan_cli.files import HYDRA, printable

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff",
)  # fmt: skip
# Folders that systems put beside pictures, with copies of them.
SYSTEM_FOLDERS = ("@eaDir", "__MACOSX")
# The first of EXIF's orientations that exchange width and height.
FIRST_TURNED = 5

Array = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Read = Callable[[str], bytes]


class Album(NamedTuple):
    """Names of the pictures and of all other files, with `/` between folders, sorted.

    `read` returns a file's bytes. `digest` is another one where a picture has changed.
    """

    names: list[str]
    others: list[str]
    digest: str
    read: Read


def open_album(path: Path) -> Album:
    """List the files below the directory, or in the zip file, at `path`.

    Hidden ones and, in a directory, what commands of gan drew are left out. Raises UserError where
    `path` can't be read or holds no pictures.
    """
    try:
        stamps, read = _open_directory(path) if path.is_dir() else _open_zip(path)
    except (NotImplementedError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"dataset.path is {path}, which is neither a directory that can be read nor a whole "
            f"zip file ({error})."
        ) from error
    names = sorted(name for name in stamps if name.lower().endswith(SUFFIXES))
    if not names:
        raise UserError(f"dataset.path is {path}, which holds no {', '.join(SUFFIXES)} files.")
    listed = os.fsencode("\n".join(f"{name} {stamps[name]}" for name in names))
    others = sorted(stamps.keys() - names)
    return Album(names, others, hashlib.sha256(listed).hexdigest(), read)


def _open_directory(root: Path) -> tuple[dict[str, str], Read]:
    """Return the name of each file with its path, size and times, and what reads one."""
    files = {printable(file.relative_to(root).as_posix()): file for file in _files_below(root)}
    stamps = {}
    for name, file in files.items():
        stat = file.stat()
        stamps[name] = f"{file.absolute()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
    return stamps, lambda name: files[name].read_bytes()


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, through links too, unless they lead back up."""
    for path in folder.iterdir():
        if _is_hidden(path.name):
            continue
        if not path.is_dir():
            yield path
        elif not _is_of_gan(path) and path.resolve() not in {p.resolve() for p in path.parents}:
            yield from _files_below(path)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_FOLDERS


def _is_of_gan(folder: Path) -> bool:
    record = folder / HYDRA / "hydra.yaml"
    return record.is_file() and b"gan_cli.conf" in record.read_bytes()


def _open_zip(path: Path) -> tuple[dict[str, str], Read]:
    """Return the name of each member with its size and checksum, and what reads one."""
    archive = zipfile.ZipFile(path)
    # Some programs of Windows' write its own separator.
    members = {member.filename.replace("\\", "/"): member for member in archive.infolist()}
    stamps = {
        name: f"{member.file_size} {member.CRC}"
        for name, member in members.items()
        if not (name.endswith("/") or any(map(_is_hidden, PurePosixPath(name).parts)))
    }
    return stamps, lambda name: archive.read(members[name])


def header_shape(content: bytes) -> tuple[int, int, int]:
    """Return what (C, H, W) a file decodes to, by its header."""
    with Image.open(io.BytesIO(content)) as file:
        height, width = file.height, file.width
        if file.getexif().get(ExifTags.Base.Orientation, 1) >= FIRST_TURNED:
            height, width = width, height
        return 1 if _is_grey(file) else 3, height, width


def decode(content: bytes, size: int | None, channels: int | None) -> Array:
    """Return a file's picture as uint8 (C, H, W).

    With `size`, the centre is cut out square and resized to it; `channels` is 1 or 3, or None for
    the picture's own. A broken file raises whatever Pillow makes of it.
    """
    with Image.open(io.BytesIO(content)) as file:
        sixteen_bits = file.mode.startswith("I")
        grey = channels == 1 if channels else _is_grey(file)
        image: Image.Image = ImageOps.exif_transpose(file)
        if sixteen_bits:  # Pillow itself would clip what is above 255.
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        elif image.has_transparency_data:  # What lies under it is whatever its painter left there.
            ground = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(ground, image.convert("RGBA"))
        image = image.convert("L" if grey else "RGB")
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(np.asarray(image)), 2, 0))


def _is_grey(file: Image.Image) -> bool:
    return file.mode.startswith("I") or file.mode in ("1", "L", "LA")
