"""A user's own images: a directory or a zip file of pictures."""

import logging
import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Interval
from PIL import UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm
from tqdm.contrib.concurrent import thread_map

from gan_cli.data.pictures import SUFFIXES, Album, Array, decode, header_shape, open_album
from gan_cli.data.source import Data, Source, Split
from gan_cli.data.spaces import Range
from gan_cli.errors import UserError
from gan_cli.files import make_directory, replacing
from gan_cli.ranges import Count, PositiveFraction, Seed
from gan_cli.rng import stream

log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
# Names of folders, in any case of letters, that stand for a split.
SPLIT_NAMES = {
    **dict(zip(SPLITS, SPLITS, strict=True)),
    "training": "train",
    "val": "valid",
    "validation": "valid",
    "testing": "test",
}
# Folders that are not classes: splits, and CycleGAN's two data sets.
RESERVED = (*SPLIT_NAMES, "traina", "trainb")
MAX_LISTED = 10  # broken pictures in a message
DECODING = 3  # part of the caches' names: another number where decoding gives other pixels


class Folder(Source):
    """Pictures below `path`, decoded once and cached in the directory `cache`.

    Top folders called train (or training), valid (or val, validation) and test (or testing) are the
    splits, if there is one for training; what is missing of the others is taken from it, by the
    fractions `valid` and `test` and the `seed`. Folders below are classes. With `size`, pictures
    are cropped square around the centre and resized; `channels` is 1 or 3. Where one is None, all
    pictures must agree in it. `shape` is then known once they are loaded.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        cache: str | os.PathLike[str],
        shape: Sequence[Count] | None = None,
        size: Annotated[int, Interval(ge=1, le=4096)] | None = None,
        channels: Literal[1, 3] | None = None,
        range: Range = "unit",  # noqa: A002
        valid: PositiveFraction = 0.1,
        test: PositiveFraction = 0.1,
        seed: Seed = 0,
        skip_broken: bool = False,
    ) -> None:
        super().__init__(shape or (), range)
        if not str(path):
            raise UserError("path is empty; it must be a directory or a zip file of pictures.")
        self.path, self.cache, self.name = Path(path), Path(cache), Path(path).stem
        self.size, self.channels, self.skip_broken = size, channels, skip_broken
        self.fractions, self.seed = {"valid": valid, "test": test}, seed

    def load(self) -> Data:
        """Decode the pictures, or read them from the cache.

        Raises UserError for what can't be made a data set: broken pictures (unless `skip_broken`),
        mixed sizes or colours, too few, folders that are splits only in part.
        """
        album = open_album(self.path)
        if album.others:
            suffixes = Counter(PurePosixPath(name).suffix.lower() for name in album.others)
            counts = [f"{n} of {suffix or 'no suffix'}" for suffix, n in suffixes.most_common()]
            log.info("Left out of %s, as no pictures: %s.", self.path, ", ".join(counts))
        settings = f"{self.size}-{self.channels}-{self.skip_broken}-{DECODING}"
        cached = self.cache / f"folder-{album.digest[:16]}-{settings}.npz"
        try:
            x, names = _read(cached) or self._decode(album, cached)
        except MemoryError as error:
            raise UserError(
                f"dataset.size is {self.size or 'null'}: {len(album.names)} pictures of that size "
                "take more memory than there is; dataset.size=64, say, makes them smaller."
            ) from error
        self._refuse_lost_classes(album, names)
        if self.shape:
            self.refuse_other_than(x.shape[1:])
        self.shape = x.shape[1:]
        return self._split(torch.from_numpy(x), names)

    def _decode(self, album: Album, cached: Path) -> tuple[np.ndarray, list[str]]:
        """Return the pictures (N, C, H, W) and their names, written to `cached` too."""
        make_directory(self.cache, f"dataset.cache is {self.cache}")
        self._refuse_mixed(album)

        def attempt(name: str) -> Array | str:
            try:
                return decode(album.read(name), self.size, self.channels)
            except MemoryError:
                raise
            except UnidentifiedImageError:
                return "not a picture"
            except Exception as error:  # whatever a damaged file makes of its parser
                return str(error) or type(error).__name__

        outcomes: list[Array | str] = thread_map(
            attempt, album.names, tqdm_class=tqdm, desc="Decoding", unit="picture", disable=None
        )
        pictures: dict[str, Array] = {}
        broken: list[str] = []
        for name, outcome in zip(album.names, outcomes, strict=True):
            if isinstance(outcome, str):
                broken.append(f"{name}: {outcome}")
            else:
                pictures[name] = outcome
        if broken:
            few = "; ".join(broken[:MAX_LISTED]) + ("; ..." if len(broken) > MAX_LISTED else "")
            message = (
                f"{len(broken)} of {len(album.names)} pictures in {self.path} can't be read ({few})"
            )
            if not (self.skip_broken and pictures):
                raise UserError(f"{message}; dataset.skip_broken=true leaves them out.")
            log.warning("%s and are left out.", message)
        x, names = np.stack(list(pictures.values())), list(pictures)
        with replacing(cached) as temporary, open(temporary, "wb") as file:
            np.savez(file, x=x, names=np.array(names))
        return x, names

    def _refuse_mixed(self, album: Album) -> None:
        """Raise UserError for pictures that differ where no setting makes them equal.

        By their headers: decoded, photographs can be more than memory holds.
        """
        if self.size and self.channels:
            return
        found: dict[tuple[int, int, int], str] = {}
        for name in album.names:
            try:
                channels, height, width = header_shape(album.read(name))
            except Exception:  # decoding reports it
                continue
            shape = (self.channels or channels, self.size or height, self.size or width)
            found.setdefault(shape, name)
            if len(found) > 1:
                (a, first), (b, second) = found.items()
                remedy = "size=64, say," if a[0] == b[0] else "channels=1 or =3"
                raise UserError(
                    f"dataset.path is {self.path} with pictures of different shapes (channels, "
                    f"height, width), {a} ({first}) and {b} ({second}) among them; "
                    f"dataset.{remedy} makes them equal."
                )

    def _refuse_lost_classes(self, album: Album, names: Sequence[str]) -> None:
        """Raise UserError for a folder without a picture in `names`, where those beside it have."""
        full = {PurePosixPath(name).parent for name in names}
        beside = {folder.parent for folder in full}
        for folder in {PurePosixPath(name).parent for name in (*album.names, *album.others)}:
            if folder.parent in beside and full.isdisjoint((folder, *folder.parents)):
                raise UserError(
                    f"dataset.path is {self.path}, where the folder {folder} has no picture that "
                    f"can be read, and those beside it have; convert its files to one of "
                    f"{', '.join(SUFFIXES)}, or move it away."
                )

    def _split(self, x: Tensor, names: Sequence[str]) -> Data:
        rows, y = self._by_folders(names)
        order = torch.randperm(len(rows["train"]), generator=stream(self.seed, "folder"))
        left = rows["train"][order]
        for part in ("test", "valid"):
            if not len(rows[part]):
                n = max(1, round(self.fractions[part] * len(rows["train"])))
                rows[part], left = left[:n].sort().values, left[n:]
        rows["train"] = left.sort().values
        if not len(left):
            raise UserError(
                f"dataset.path is {self.path} with {len(x)} pictures, of which dataset.valid="
                f"{self.fractions['valid']:g} and dataset.test={self.fractions['test']:g} leave "
                "none for training; smaller shares or more pictures leave some."
            )
        log.info(
            "Pictures: %d for training, %d for validation, %d for testing.",
            *(len(rows[part]) for part in SPLITS),
        )
        return Data(*(Split(x, y).take(rows[part]) for part in SPLITS))

    def _by_folders(self, names: Sequence[str]) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the rows that folders give each split, and the classes (N,) if there are some.

        Raises UserError for folders that are called as splits where there is none for training.
        """
        folders = [PurePosixPath(name).parent.parts for name in names]
        while all(folders) and len({f[0] for f in folders}) == 1 and _split_of(folders[0]) is None:
            folders = [f[1:] for f in folders]
        splits = [_split_of(f) for f in folders]
        if "train" in splits:
            outside = [name for name, split in zip(names, splits, strict=True) if split is None]
            if outside:
                log.warning(
                    "Left out, of the pictures in %s: %d outside of the folders %s (%s first).",
                    self.path, len(outside), ", ".join(SPLITS), outside[0],
                )  # fmt: skip
            folders = [f[1:] for f in folders]
        else:
            for folder in folders:
                if any(name.lower() in RESERVED for name in folder):
                    raise UserError(
                        f"dataset.path is {self.path}, with a folder {'/'.join(folder)} and none "
                        f"called train at the top, where the splits {', '.join(SPLITS)} must be; "
                        "rename it if it is a class."
                    )
            splits = ["train"] * len(names)
        rows = {
            part: torch.tensor([i for i, s in enumerate(splits) if s == part], dtype=torch.int64)
            for part in SPLITS
        }
        classes = sorted({f for f, split in zip(folders, splits, strict=True) if split})
        numbers = {folder: i for i, folder in enumerate(classes)}
        self.class_names = ["/".join(folder) for folder in classes]
        y = torch.tensor([numbers.get(f, -1) for f in folders]) if len(classes) > 1 else None
        return rows, y


def _split_of(folders: Sequence[str]) -> str | None:
    """Return the split that the first of the folders stands for, or None."""
    return SPLIT_NAMES.get(folders[0].lower()) if folders else None


def _read(cached: Path) -> tuple[np.ndarray, list[str]] | None:
    """Return pictures that were decoded before, with their names, or None."""
    if not cached.is_file():
        return None
    try:
        # A file of our own: numpy leaves that of a damaged archive open.
        with cached.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays["x"], arrays["names"].tolist()
    except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        log.warning("%s is damaged (%s); the pictures are decoded anew.", cached, error)
        return None
