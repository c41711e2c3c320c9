"""Pictures in a directory or a zip file: listed, read and decoded, never written by their names."""

import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from gan_cli.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
# What a picture may decode to: a small file can claim any size. Pillow's own bounds, a warning and
# an error, lie on either side of it.
MEGAPIXELS = 100
# What a member of a zip may unpack to, in bytes: more than the largest picture in any format.
UNPACKED = 5 * MEGAPIXELS * 10**6
Image.MAX_IMAGE_PIXELS = None

Array = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


class Album(NamedTuple):
    """Names of pictures, with `/` between folders, sorted; a digest of them all; how to read one.

    The digest is of names, sizes and, in a zip, checksums, or else times of modification.
    """

    names: list[str]
    digest: str
    read: Callable[[str], bytes]


def open_album(path: Path) -> Album:
    """List the pictures below the directory, or in the zip file, at `path`.

    Raises UserError where there are none, or where the file can't be trusted as a zip.
    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        marks = [(p.relative_to(path).as_posix(), p.stat()) for p in files]
        entries = [(name, f"{stat.st_size} {stat.st_mtime_ns}") for name, stat in marks]
        album = _album(entries, lambda name: (path / name).read_bytes())
    else:
        album = _open_zip(path)
    if not album.names:
        raise UserError(f"dataset.path is {path}, which holds no {', '.join(SUFFIXES)} files.")
    return album


def _open_zip(path: Path) -> Album:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"dataset.path is {path}, which is neither a directory nor a whole zip file ({error})."
        ) from error
    members = [m for m in archive.infolist() if not m.is_dir()]
    for member in members:
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise UserError(
                f"dataset.path is {path}, with a member called {member.filename!r}: names must "
                "stay below the zip's own root."
            )
        if member.flag_bits & 1:
            raise UserError(f"dataset.path is {path}, which is encrypted; it must be plain.")
    pictures = sorted(
        (m.filename, f"{m.file_size} {m.CRC}")
        for m in members
        if m.filename.lower().endswith(SUFFIXES)
    )

    def read(name: str) -> bytes:
        size = archive.getinfo(name).file_size
        if size > UNPACKED:
            raise ValueError(f"unpacks to {size / 1e6:.0f} MB, over {UNPACKED / 1e6:.0f}")
        return archive.read(name)

    return _album(pictures, read)


def _album(entries: Sequence[tuple[str, str]], read: Callable[[str], bytes]) -> Album:
    digest = hashlib.sha256("\n".join(f"{name} {mark}" for name, mark in entries).encode())
    return Album([name for name, _ in entries], digest.hexdigest(), read)


def decode_all(
    album: Album, size: int | None, channels: int | None
) -> tuple[dict[str, Array], dict[str, str]]:
    """Return every picture, decoded in parallel to uint8 (C, H, W), and why others are broken.

    With `size`, the centre is cut out square and resized to it; `channels` is 1 or 3, or None for
    the picture's own.
    """

    def work(name: str) -> Array | str:
        try:
            return _decode(album.read(name), size, channels)
        except (OSError, RuntimeError, SyntaxError, ValueError, zipfile.BadZipFile) as error:
            unknown = isinstance(error, UnidentifiedImageError)
            return "not a picture" if unknown else str(error) or type(error).__name__

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(work, album.names, chunksize=64)
        bar = tqdm(results, "Decoding", len(album.names), unit="picture", disable=None)
        outcomes = dict(zip(album.names, bar, strict=True))
    whole = {name: x for name, x in outcomes.items() if isinstance(x, np.ndarray)}
    return whole, {name: x for name, x in outcomes.items() if isinstance(x, str)}


def _decode(content: bytes, size: int | None, channels: int | None) -> Array:
    with Image.open(io.BytesIO(content)) as file:
        if file.width * file.height > MEGAPIXELS * 1e6:
            raise ValueError(f"{file.width} x {file.height}, over {MEGAPIXELS} megapixels")
        deep = file.mode.startswith("I")
        grey = channels == 1 if channels else deep or file.mode in ("1", "L", "LA")
        image = ImageOps.exif_transpose(file)
        if deep:  # 16 bits, of which Pillow itself would clip what is above 255.
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image = image.convert("L" if grey else "RGB")
    if size is not None:
        image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    array = np.asarray(image)
    return array[None] if grey else np.ascontiguousarray(array.transpose(2, 0, 1))
