"""A user's own images: a directory or a zip file of pictures."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from gan_cli.data.pictures import Album, decode_all, open_album
from gan_cli.data.sources import Data, Source, Split
from gan_cli.errors import UserError
from gan_cli.files import replacing
from gan_cli.streams import stream

log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
TOLD = 10  # of the broken pictures, those that are named
DECODING = 2  # another number where pictures come out otherwise than before: caches are then old


class Folder(Source):
    """Pictures below `path`, decoded once and kept in the directory `cache`.

    Top folders called train, valid and test are the splits; what is missing of them is taken from
    train, by the fractions `valid` and `test` and the `seed`. Folders below are classes. With
    `size`, pictures are cropped square around the centre and resized; `channels` is 1 or 3. Where
    one is None, all pictures must agree in it. `shape` is then known once they are loaded.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        cache: str | os.PathLike[str],
        shape: Sequence[int] | None = None,
        size: int | None = None,
        channels: int | None = None,
        range: str = "unit",  # noqa: A002
        valid: float = 0.1,
        test: float = 0.1,
        seed: int = 0,
        skip_broken: bool = False,
    ) -> None:
        super().__init__(shape or (), range)
        self.path, self.cache, self.name = Path(path), Path(cache), Path(path).stem
        self.size, self.channels, self.skip_broken = size, channels, skip_broken
        self.fractions, self.seed = {"valid": valid, "test": test}, seed

    def load(self) -> Data:
        """Decode the pictures, or read them from the cache.

        Raises UserError for what can't be made a data set: broken pictures (unless `skip_broken`),
        mixed sizes or colours, too few.
        """
        album = open_album(self.path)
        settings = f"{self.size} {self.channels} {self.skip_broken} {DECODING}"
        cached = self.cache / f"folder-{album.digest[:16]}-{settings.replace(' ', '-')}.npz"
        if not cached.is_file():
            cached.parent.mkdir(parents=True, exist_ok=True)
            x, names = self._decode(album)
            with replacing(cached) as temporary, open(temporary, "wb") as file:
                np.savez(file, x=x, names=names)
        with np.load(cached, allow_pickle=False) as arrays:
            x, names = arrays["x"], arrays["names"].tolist()
        if self.shape not in ((), x.shape[1:]):
            raise UserError(
                f"dataset.path is {self.path}, whose pictures are now {x.shape[1:]}; dataset.shape "
                f"is {self.shape}."
            )
        self.shape = x.shape[1:]
        return self._split(torch.from_numpy(x), names)

    def _decode(self, album: Album) -> tuple[np.ndarray, np.ndarray]:
        pictures, broken = decode_all(album, self.size, self.channels)
        if broken:
            few = "; ".join(f"{name}: {why}" for name, why in list(broken.items())[:TOLD])
            told = (
                f"{len(broken)} of {len(album.names)} pictures in {self.path} can't be read ({few}"
            )
            told += "; ...)" if len(broken) > TOLD else ")"
            if not self.skip_broken:
                raise UserError(f"{told}; dataset.skip_broken=true leaves them out.")
            log.warning("%s and are left out.", told)
        self._refuse_mixed("channels", {n: p.shape[0] for n, p in pictures.items()}, "=1 or =3")
        self._refuse_mixed("size", {n: p.shape[1:] for n, p in pictures.items()}, "=64, say,")
        if len(pictures) < len(SPLITS):
            raise UserError(
                f"dataset.path is {self.path} with {len(pictures)} whole pictures; it takes at "
                f"least {len(SPLITS)}, one for each of {', '.join(SPLITS)}."
            )
        return np.stack(list(pictures.values())), np.array(list(pictures))

    def _refuse_mixed(self, setting: str, kinds: dict[str, object], such: str) -> None:
        first: dict[object, str] = {}
        for name, kind in kinds.items():
            first.setdefault(kind, name)
        if len(first) > 1:
            (a, in_a), (b, in_b) = list(first.items())[:2]
            raise UserError(
                f"dataset.path is {self.path} with pictures of different {setting}, {a} ({in_a}) "
                f"and {b} ({in_b}) among them; dataset.{setting}{such} makes them equal."
            )

    def _split(self, x: torch.Tensor, names: Sequence[str]) -> Data:
        folders = [PurePosixPath(name).parent.parts for name in names]
        while all(folders) and len({f[0] for f in folders}) == 1 and folders[0][0] not in SPLITS:
            folders = [f[1:] for f in folders]
        named = {f[0] for f in folders if f} & set(SPLITS)
        # Either there is a train folder, or the top folders are classes called whatever they are.
        split = [f[0] if "train" in named and f else "train" for f in folders]
        classes = [f[1:] if "train" in named else f for f in folders]
        kinds = {kind: i for i, kind in enumerate(sorted(set(classes)))}
        y = torch.tensor([kinds[c] for c in classes]) if len(kinds) > 1 else None
        rows = {
            part: torch.tensor([i for i, s in enumerate(split) if s == part], dtype=torch.int64)
            for part in SPLITS
        }
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
        return Data(*(Split(x[rows[p]], None if y is None else y[rows[p]]) for p in SPLITS))
