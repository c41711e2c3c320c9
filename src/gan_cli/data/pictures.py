"""Pictures in a directory or a zip file: listed, read and decoded, never written by their names."""

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError, features
from tqdm import tqdm

from gan_cli.errors import UserError
from gan_cli.files import HYDRA, printable

SUFFIXES: tuple[str, ...]
SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
if features.check("avif"):  # in some builds of Pillow
    SUFFIXES = (*SUFFIXES, ".avif")
# Folders that systems put beside pictures, with copies of them.
NOT_OURS = ("@eaDir", "__MACOSX")
# What a picture may decode to: a small file can claim any size. Pillow's own bounds, a warning and
# an error, lie on either side of it.
MEGAPIXELS = 100
# What a member of a zip may unpack to, in bytes: more than the largest picture in any format.
UNPACKED = 5 * MEGAPIXELS * 10**6
Image.MAX_IMAGE_PIXELS = None
# Of EXIF's orientations, the first of those that exchange width and height.
FIRST_TURNED = 5

Array = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


class Album(NamedTuple):
    """Names of pictures, with `/` between folders, sorted; a digest of them all; how to read one.

    `others` are the names of files that are not read as pictures, but for hidden ones.
    The digest is of names, sizes and, in a zip, checksums, or else the directory and the times of
    change.
    """

    names: list[str]
    digest: str
    read: Callable[[str], bytes]
    others: list[str]


def open_album(path: Path) -> Album:
    """List the pictures below the directory, or in the zip file, at `path`.

    Left out are hidden ones, as systems put beside others, and, in a directory, what commands of
    gan drew. Raises UserError where there are none, or where the file can't be trusted as a zip.
    """
    try:
        album = _open_directory(path) if path.is_dir() else _open_zip(path)
    except OSError as error:
        raise UserError(
            f"dataset.path is {path}, where {error.filename or path} can't be read "
            f"({error.strerror or error})."
        ) from error
    if not album.names:
        raise UserError(f"dataset.path is {path}, which holds no {', '.join(SUFFIXES)} files.")
    return album


def _open_directory(path: Path) -> Album:
    below = {printable(p.relative_to(path).as_posix()): p for p in _below(path, frozenset())}
    files = {name: file for name, file in below.items() if name.lower().endswith(SUFFIXES)}
    # Sizes and times of modification can be those of another directory's, or of a file's before.
    root, stats = path.resolve(), {name: file.stat() for name, file in files.items()}
    entries = {
        name: f"{root} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
        for name, stat in stats.items()
    }
    return _album(
        entries, lambda name: files[name].read_bytes(), [n for n in below if n not in files]
    )


def _below(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    """Yield the files below a folder, through links too, unless they lead back `above`."""
    real = folder.resolve()
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = folder / entry.name
            if _is_hidden(entry.name) or not path.exists():  # a link to nothing, or to itself
                continue
            if entry.is_dir() and not _is_of_gan(path):
                yield from _below(path, above | {real})
            elif entry.is_file():
                yield path


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in NOT_OURS


def _is_of_gan(folder: Path) -> bool:
    record = folder / HYDRA / "hydra.yaml"
    return record.is_file() and b"gan_cli.conf" in record.read_bytes()


def _open_zip(path: Path) -> Album:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UserError(
            f"dataset.path is {path}, which is neither a directory nor a whole zip file ({error})."
        ) from error
    members: dict[str, zipfile.ZipInfo] = {}
    others: list[str] = []
    for member in archive.infolist():
        # Some programs of Windows' write its own separator.
        name = member.filename.replace("\\", "/")
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise UserError(
                f"dataset.path is {path}, with a member called {member.filename!r}: names must "
                "stay below the zip's own root."
            )
        if member.flag_bits & 1:
            raise UserError(f"dataset.path is {path}, which is encrypted; it must be plain.")
        if any(map(_is_hidden, parts.parts)) or member.is_dir():
            continue
        if not name.lower().endswith(SUFFIXES):
            others.append(name)
            continue
        if name in members:
            raise UserError(f"dataset.path is {path}, with more than one member called {name!r}.")
        members[name] = member

    def read(name: str) -> bytes:
        size = members[name].file_size
        if size > UNPACKED:
            raise ValueError(f"unpacks to {size / 1e6:.0f} MB, over {UNPACKED / 1e6:.0f}")
        return archive.read(members[name])

    marks = {name: f"{member.file_size} {member.CRC}" for name, member in members.items()}
    return _album(dict(sorted(marks.items())), read, others)


def _album(marks: Mapping[str, str], read: Callable[[str], bytes], others: list[str]) -> Album:
    listed = "\n".join(f"{name} {mark}" for name, mark in marks.items())
    digest = hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()
    return Album(list(marks), digest, read, others)


def decode_all(
    album: Album, size: int | None, channels: int | None
) -> tuple[dict[str, Array], dict[str, str]]:
    """Return every picture, decoded in parallel to uint8 (C, H, W), and why others are broken.

    With `size`, the centre is cut out square and resized to it; `channels` is 1 or 3, or None for
    the picture's own.
    """

    def work(name: str) -> Array | str:
        return decode(album, name, size, channels)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(work, album.names, chunksize=64)
        bar = tqdm(results, "Decoding", len(album.names), unit="picture", disable=None)
        outcomes = dict(zip(album.names, bar, strict=True))
    whole = {name: x for name, x in outcomes.items() if isinstance(x, np.ndarray)}
    return whole, {name: x for name, x in outcomes.items() if isinstance(x, str)}


def decode(album: Album, name: str, size: int | None, channels: int | None) -> Array | str:
    """Return a picture as `decode_all` does, or why it is broken."""
    try:
        return _decode(album.read(name), size, channels)
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged file makes of its parser
        unknown = isinstance(error, UnidentifiedImageError)
        return "not a picture" if unknown else str(error) or type(error).__name__


def shapes(album: Album) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield name and (C, H, W) of every picture whose header can be read, undecoded."""
    for name in album.names:
        try:
            with Image.open(io.BytesIO(album.read(name))) as file:
                turned = file.getexif().get(ExifTags.Base.Orientation, 1) >= FIRST_TURNED
                size = (file.width, file.height) if turned else (file.height, file.width)
                shape = (1 if _is_grey(file) else 3, *size)
        except Exception:  # whatever is wrong with it is met again, and reported, by decode_all
            continue
        yield name, shape


def _is_grey(file: Image.Image) -> bool:
    return file.mode.startswith("I") or file.mode in ("1", "L", "LA")


def _decode(content: bytes, size: int | None, channels: int | None) -> Array:
    with Image.open(io.BytesIO(content)) as file:
        if file.width * file.height > MEGAPIXELS * 1e6:
            raise ValueError(f"{file.width} x {file.height}, over {MEGAPIXELS} megapixels")
        deep = file.mode.startswith("I")
        grey = channels == 1 if channels else _is_grey(file)
        image: Image.Image = ImageOps.exif_transpose(file)
        if deep:  # 16 bits, of which Pillow itself would clip what is above 255.
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        elif image.has_transparency_data:  # What lies under it is whatever its painter left there.
            ground = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(ground, image.convert("RGBA"))
        image = image.convert("L" if grey else "RGB")
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    array = np.asarray(image)
    return array[None] if grey else np.ascontiguousarray(array.transpose(2, 0, 1))
