import gzip
import hashlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from helpers.idx import write_idx
from sklearn.datasets import load_digits

from gan_cli.data.cifar10 import CIFAR10
from gan_cli.data.digits import Digits
from gan_cli.data.gaussians import Gaussians, Grid, Ring
from gan_cli.data.idx import IDX
from gan_cli.data.source import Source
from gan_cli.errors import MissingDataError, UserError


@pytest.fixture
def idx_dir(tmp_path: Path) -> Path:
    for name in ("MNIST", "FashionMNIST"):
        raw = tmp_path / name / "raw"
        raw.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for part, n in (("train", 60), ("t10k", 20)):
            write_idx(raw / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (n, 28, 28)))
            write_idx(raw / f"{part}-labels-idx1-ubyte", rng.integers(0, 10, n))
    return tmp_path


@pytest.mark.parametrize("name", ["unit", "signed"])
def test_pixels_there_and_back_again(name: str) -> None:
    source = Source((1, 16, 16), name)
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    x = source.to_model(pixels)
    assert x.dtype == torch.float32
    assert (x.min(), x.max()) == (source.low, source.high)
    assert torch.equal(source.to_pixels(x), pixels)
    assert torch.equal(source.to_pixels(torch.tensor([-9.0, 9.0])), torch.tensor([0, 255]).byte())


def test_digits_are_the_real_ones_once_each() -> None:
    data = Digits((1, 8, 8)).load()
    assert [len(part.x) for part in data] == [1397, 200, 200]
    both = torch.cat([part.x for part in data]).flatten(1)
    original = torch.from_numpy(np.rint(load_digits().data * 255 / 16).astype(np.uint8))
    assert torch.equal(both.unique(dim=0), original.unique(dim=0))
    assert all(set(part.y.tolist()) == set(range(10)) for part in data)
    assert data.fingerprint() == Digits((1, 8, 8)).load().fingerprint()


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_idx_files_and_split(name: str, idx_dir: Path) -> None:
    data = IDX(name, idx_dir, valid=10).load()
    raw = (idx_dir / name / "raw/train-images-idx3-ubyte").read_bytes()[16:]
    images = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(60, 1, 28, 28)
    assert torch.equal(data.train.x, images[:50])
    assert torch.equal(data.valid.x, images[50:])
    assert data.test.x.shape == (20, 1, 28, 28)
    assert data.train.y.shape == (50,)


def test_files_that_are_there_are_read_without_torchvision(
    idx_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing it takes two seconds."""
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert len(IDX("MNIST", idx_dir, valid=10).load().test.x) == 20


@pytest.mark.parametrize("below", ["", "MNIST"])
def test_the_directory_above_or_that_of_the_data_set(below: str, idx_dir: Path) -> None:
    assert len(IDX("MNIST", idx_dir / below, valid=10).load().train.x) == 50


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("layout", ["dotted", "in folders", "compressed"])
def test_files_as_kaggle_packs_them(layout: str, idx_dir: Path, tmp_path: Path) -> None:
    wanted = IDX("MNIST", idx_dir, valid=10).load()
    archive = tmp_path / "archive"
    archive.mkdir()
    files = sorted((idx_dir / "MNIST/raw").iterdir())
    for path in files:
        place = archive / path.name.replace("-idx", ".idx")
        if layout == "in folders":
            place = archive / path.name / path.name
        place.parent.mkdir(exist_ok=True)
        if layout == "compressed":
            place.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        else:
            place.write_bytes(path.read_bytes())
    data = IDX("MNIST", archive, valid=10).load()
    assert data.fingerprint() == wanted.fingerprint()
    assert torch.equal(data.test.y, wanted.test.y)

    lost = next(path for path in archive.rglob("t10k-labels*") if path.is_file())
    whole = lost.read_bytes()
    lost.write_bytes(whole[:-5])
    with pytest.raises(MissingDataError, match=rf"{lost}, of {len(whole) - 5} bytes: "):
        IDX("MNIST", archive, valid=10).load()
    lost.unlink()
    words = r"found are .*/archive/train-images.*; missing are t10k-labels-idx1-ubyte\.$"
    with pytest.raises(MissingDataError, match=words):
        IDX("MNIST", archive, valid=10).load()


def test_real_mnist(mnist_dir: Path) -> None:
    data = IDX("MNIST", mnist_dir).load()
    assert [len(part.x) for part in data] == [50000, 10000, 10000]
    assert data.test.y.bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert data.train.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.train.x.float().mean().item() == pytest.approx(33.4, abs=0.1)


def test_downloaded_archives_need_no_network(
    idx_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are there compressed, with the right checksums, are unpacked."""
    resources = []
    for path in sorted((idx_dir / "MNIST/raw").iterdir()):
        packed = gzip.compress(path.read_bytes())
        path.with_suffix(".gz").write_bytes(packed)
        path.unlink()
        resources.append((f"{path.name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    assert len(IDX("MNIST", idx_dir, valid=10).load().train.x) == 50


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (partial(IDX, "MNIST"), ["train-images-idx3-ubyte", "nowhere/data/MNIST/raw"]),
        (CIFAR10, ["cifar-10-python.tar.gz in", "nowhere"]),
    ],
)
def test_missing_files_without_network(
    source: Callable[[Path], Source], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(MissingDataError) as error:
        source(tmp_path / "nowhere/data").load()
    for needed in (*words, "GAN_DATA", "data_dir"):
        assert needed in str(error.value)
    assert list(tmp_path.iterdir()) == []
    # An empty directory of the user's own stays.
    (tmp_path / "mine").mkdir()
    with pytest.raises(MissingDataError):
        source(tmp_path / "mine").load()
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


@pytest.mark.parametrize("size", [0, 3, 10, 16, 1000])
def test_truncated_file(idx_dir: Path, size: int) -> None:
    path = idx_dir / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(MissingDataError, match=rf"damaged files.* in {path.parent}, whole"):
        IDX("MNIST", idx_dir, valid=10).load()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("train-labels-idx1-ubyte", np.zeros(59), "60 images and 59 labels"),
        (
            "train-images-idx3-ubyte",
            np.zeros(60),
            r"images-idx3-ubyte, of .*shape \(60,\)",
        ),
        ("train-images-idx3-ubyte", np.zeros((60, 14, 14)), r"\(1, 28, 28\).*\(1, 14, 14\)"),
    ],
)
def test_files_of_other_data(file: str, content: np.ndarray, words: str, idx_dir: Path) -> None:
    write_idx(idx_dir / "MNIST/raw" / file, content)
    with pytest.raises(UserError, match=words):
        IDX("MNIST", idx_dir, valid=10).load()


def test_a_validation_set_as_large_as_the_training_set_is_refused(idx_dir: Path) -> None:
    with pytest.raises(UserError, match=r"dataset\.valid is 60"):
        IDX("MNIST", idx_dir, valid=60).load()


@pytest.mark.parametrize(("source", "modes"), [(Ring, 8), (Grid, 25)])
def test_points(source: type[Gaussians], modes: int) -> None:
    drawn = source(n=1000, std=0.01)
    data = drawn.load()
    assert data.train.x.shape == (1000, 2, 1, 1)
    centers = drawn.centers()
    away = (data.train.x.flatten(1) - centers[data.train.y]).norm(dim=1)
    assert away.max() < 0.06
    assert len(centers) == modes
    assert data.train.y.bincount(minlength=modes).min() > 640 / modes / 2


def test_centers_of_points() -> None:
    torch.testing.assert_close(Ring().centers().norm(dim=1), torch.full((8,), 2.0))
    grid = Grid(side=3, spacing=2).centers()
    assert sorted(map(tuple, grid.tolist())) == [(x, y) for x in (-2, 0, 2) for y in (-2, 0, 2)]
