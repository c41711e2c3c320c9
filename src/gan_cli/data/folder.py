"""A user's own images: a directory or a zip file of pictures."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Interval

from gan_cli.data.pictures import SUFFIXES, Album, decode, decode_all, open_album, shapes
from gan_cli.data.source import Data, Source, Split
from gan_cli.data.spaces import Range
from gan_cli.errors import UserError
from gan_cli.files import replacing
from gan_cli.ranges import Count, PositiveFraction, Seed
from gan_cli.rng import stream

log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
# Names of folders, in any case of letters, that stand for a split.
CALLED = {
    **dict(zip(SPLITS, SPLITS, strict=True)),
    "training": "train",
    "val": "valid",
    "validation": "valid",
    "testing": "test",
}
NAMED = 10  # of the broken pictures, those that are named
DECODING = 3  # another number where pictures come out otherwise than before: caches are then old


class Folder(Source):
    """Pictures below `path`, decoded once and kept in the directory `cache`.

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
        self._report_others(album)
        settings = f"{self.size} {self.channels} {self.skip_broken} {DECODING}"
        cached = self.cache / f"folder-{album.digest[:16]}-{settings.replace(' ', '-')}.npz"
        x, names = self._kept(cached) or self._decode(album, cached)
        if self.shape not in ((), x.shape[1:]):
            raise UserError(
                f"dataset.path is {self.path}, whose pictures are now {x.shape[1:]}; dataset.shape "
                f"is {self.shape}."
            )
        self.shape = x.shape[1:]
        return self._split(torch.from_numpy(x), names)

    def _report_others(self, album: Album) -> None:
        """Log how many files are left out, by suffix; raise UserError where a whole class is."""
        counted = Counter(
            PurePosixPath(name).suffix.lower() or "no suffix" for name in album.others
        )
        if counted:
            log.info(
                "Left out of %s, as no pictures: %s.", self.path,
                ", ".join(f"{n} of {suffix}" for suffix, n in counted.most_common()),
            )  # fmt: skip
        full = {PurePosixPath(name).parent for name in album.names}
        beside = {folder.parent for folder in full}
        for name in album.others:
            folder = PurePosixPath(name).parent
            inside = any(folder == f or folder in f.parents for f in full)
            if not inside and folder.parent in beside:
                raise UserError(
                    f"dataset.path is {self.path}, where the folder {folder} has no picture that "
                    f"can be read ({PurePosixPath(name).name} is none), and those beside it have; "
                    f"convert its files to one of {', '.join(SUFFIXES)}, or move it away."
                )

    def _kept(self, cached: Path) -> tuple[np.ndarray, list[str]] | None:
        """Return pictures that were decoded before, with their names, or None."""
        if not cached.is_file():
            return None
        try:
            # A file of our own: numpy leaves that of a damaged archive open.
            with cached.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return arrays["x"], arrays["names"].tolist()
        except MemoryError:
            raise
        except Exception as error:  # whatever a damaged file makes of numpy's parser
            log.warning("%s is damaged (%s); the pictures are decoded anew.", cached, error)
            return None

    def _decode(self, album: Album, cached: Path) -> tuple[np.ndarray, list[str]]:
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"dataset.cache is {self.cache}, which can't be made a directory "
                f"({error.strerror})."
            ) from error
        try:
            self._refuse_mixed(album)
            pictures, broken = decode_all(album, self.size, self.channels)
        except MemoryError as error:
            raise UserError(
                f"dataset.size is {self.size or 'null'}: {len(album.names)} pictures of that size "
                "take more memory than there is; dataset.size=64, say, makes them smaller."
            ) from error
        if broken:
            few = "; ".join(f"{name}: {why}" for name, why in list(broken.items())[:NAMED])
            message = (
                f"{len(broken)} of {len(album.names)} pictures in {self.path} can't be read ({few}"
            )
            message += "; ...)" if len(broken) > NAMED else ")"
            if not self.skip_broken:
                raise UserError(f"{message}; dataset.skip_broken=true leaves them out.")
            log.warning("%s and are left out.", message)
            folders = {PurePosixPath(name).parent for name in pictures}
            for name in broken:
                if (folder := PurePosixPath(name).parent) not in folders:
                    raise UserError(
                        f"dataset.skip_broken is true, and no picture in the folder {folder} of "
                        f"{self.path} can be read; mend its pictures, or move it away."
                    )
        if len(pictures) < len(SPLITS):
            raise UserError(
                f"dataset.path is {self.path} with {len(pictures)} whole pictures; it takes at "
                f"least {len(SPLITS)}, one for each of {', '.join(SPLITS)}."
            )
        x, names = np.stack(list(pictures.values())), list(pictures)
        with replacing(cached) as temporary, open(temporary, "wb") as file:
            np.savez(file, x=x, names=np.array(names))
        return x, names

    def _refuse_mixed(self, album: Album) -> None:
        """Raise UserError for pictures that differ where no setting makes them equal.

        By their headers: decoded, photographs can be more than memory holds.
        """
        if self.size is not None and self.channels is not None:
            return
        of_first: tuple[str, tuple[int, ...]] | None = None
        for name, shape in shapes(album):
            if of_first is not None and of_first[1] == shape:
                continue
            if isinstance(decode(album, name, self.size, self.channels), str):
                continue  # Broken ones may be left out.
            of_first = of_first or (name, shape)
            for setting, part, such in (
                ("channels", slice(1), "=1 or =3"),
                ("size", slice(1, 3), "=64, say,"),
            ):
                a, b = of_first[1][part], shape[part]
                if getattr(self, setting) is None and a != b:
                    raise UserError(
                        f"dataset.path is {self.path} with pictures of different {setting}, "
                        f"{' x '.join(map(str, a))} ({of_first[0]}) and {' x '.join(map(str, b))} "
                        f"({name}) among them; dataset.{setting}{such} makes them equal."
                    )

    def _split(self, x: torch.Tensor, names: Sequence[str]) -> Data:
        rows, y = self._sorted(names)
        order = torch.randperm(len(rows["train"]), generator=stream(self.seed, "folder"))
        left = rows["train"][order]
        for part in ("test", "valid"):
            if not len(rows[part]):
                n = max(1, round(self.fractions[part] * len(rows["train"])))
                rows[part], left = left[:n].sort().values, left[n:]
        rows["train"] = left.sort().values
        if not len(left):
            raise UserError(
                f"dataset.valid is {self.fractions['valid']:g} and dataset.test "
                f"{self.fractions['test']:g}, which leave none of the pictures for training."
            )
        log.info(
            "Pictures: %d for training, %d for validation, %d for testing.",
            *(len(rows[part]) for part in SPLITS),
        )
        return Data(*(Split(x[rows[p]], None if y is None else y[rows[p]]) for p in SPLITS))

    def _sorted(self, names: Sequence[str]) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
        """Return the rows of each split, as far as folders say, and the classes, if there are some.

        Raises UserError for folders that mean to say so and can't.
        """
        folders = [PurePosixPath(name).parent.parts for name in names]
        while all(folders) and len({f[0] for f in folders}) == 1 and _split_of(folders[0]) is None:
            folders = [f[1:] for f in folders]
        tops = {f[0].lower() for f in folders if f}
        if {"traina", "trainb"} <= tops:
            raise UserError(
                f"dataset.path is {self.path}, with folders trainA and trainB, which are two data "
                "sets: make it one of them, or a directory of its own with train and test."
            )
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
                if folder and (called := [name for name in folder if _split_of((name,))]):
                    raise UserError(
                        f"dataset.path is {self.path}, with a folder {'/'.join(folder)}: "
                        f"{called[0]} is a split only at the top, beside a folder called train; "
                        "rename it if it is a class."
                    )
            splits = ["train"] * len(names)
        rows = {
            part: torch.tensor([i for i, s in enumerate(splits) if s == part], dtype=torch.int64)
            for part in SPLITS
        }
        classes = sorted({f for f, split in zip(folders, splits, strict=True) if split})
        kinds = {kind: i for i, kind in enumerate(classes)}
        y = torch.tensor([kinds.get(f, -1) for f in folders]) if len(kinds) > 1 else None
        return rows, y


def _split_of(folders: Sequence[str]) -> str | None:
    """Return the split that the first of the folders stands for, or None."""
    return CALLED.get(folders[0].lower()) if folders else None
