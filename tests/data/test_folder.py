import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import Gan
from PIL import ExifTags, Image, features

from gan_cli.data.folder import Folder
from gan_cli.data.source import Data
from gan_cli.errors import UserError

Pack = Callable[[Path], Path]


def write(
    path: Path, seed: int = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB"
) -> np.ndarray:
    """Write a random picture (losslessly but for JPEG) and return its pixels."""
    rng = np.random.default_rng(seed)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels, mode).save(path)
    return pixels


def save(folder: Path, *pictures: Image.Image, suffix: str = "png") -> Path:
    folder.mkdir()
    for i, picture in enumerate(pictures):
        picture.save(folder / f"{i}.{suffix}", lossless=True)
    return folder


def load(path: Path, **settings: object) -> Data:
    return Folder(path, path.parent / "cache", **settings).load()


def sizes(data: Data) -> list[int]:
    return [len(part.x) for part in data]


def zipped(path: Path) -> Path:
    return Path(shutil.make_archive(str(path.parent / "zipped"), "zip", path))


@pytest.fixture(params=["directory", "zip"])
def pack(request: pytest.FixtureRequest) -> Pack:
    """Turn a directory into what is loaded: itself, or a zip file of it."""
    return zipped if request.param == "zip" else lambda path: path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Ten pictures without classes or splits."""
    for i in range(10):
        write(tmp_path / f"own/{i}.png", i)
    return tmp_path / "own"


@pytest.fixture
def in_folders(tmp_path: Path) -> Path:
    """Two classes in train and test."""
    for i in range(12):
        write(tmp_path / f"own/train/{'cat' if i % 3 else 'dog'}/{i:02}.png", i)
    for i in range(4):
        write(tmp_path / f"own/test/{'cat' if i % 2 else 'dog'}/{i:02}.png", 100 + i)
    return tmp_path / "own"


def test_every_picture_is_in_one_split(pack: Pack, plain: Path) -> None:
    data = load(pack(plain))
    assert sizes(data) == [8, 1, 1]
    assert all(part.y is None for part in data)
    ours = {part.x[i].numpy().tobytes() for part in data for i in range(len(part.x))}
    theirs = {write(plain / f"{i}.png", i).transpose(2, 0, 1).tobytes() for i in range(10)}
    assert ours == theirs


def test_the_split_is_the_seeds(plain: Path) -> None:
    def valid(seed: int) -> torch.Tensor:
        return load(plain, seed=seed, valid=0.5).valid.x

    assert len(valid(1)) == 5
    assert torch.equal(valid(1), valid(1))
    assert not torch.equal(valid(1), valid(2))


@pytest.mark.parametrize("wrapped", [False, True])
def test_folders_are_splits_and_classes(
    pack: Pack, wrapped: bool, in_folders: Path, tmp_path: Path
) -> None:
    outer = shutil.copytree(in_folders, tmp_path / "outer/inner").parent
    data = load(pack(outer if wrapped else in_folders), valid=0.25)
    assert sizes(data) == [9, 3, 4]
    assert data.test.y.tolist() == [0, 0, 1, 1]  # cat, cat, dog, dog
    assert torch.cat([data.train.y, data.valid.y]).bincount().tolist() == [8, 4]


@pytest.mark.parametrize(
    ("train", "valid", "test"), [("Train", "val", "test"), ("training", "validation", "Testing")]
)
def test_splits_by_other_names(train: str, valid: str, test: str, in_folders: Path) -> None:
    (in_folders / "train").rename(in_folders / train)
    (in_folders / "test").rename(in_folders / test)
    for i in range(5):
        write(in_folders / f"{valid}/cat/{i}.png", 200 + i)
    data = load(in_folders)
    assert sizes(data) == [12, 5, 4]
    assert data.test.y.tolist() == [0, 0, 1, 1]


def test_a_zip_with_the_separator_of_windows(in_folders: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "windows.zip", "w") as archive:
        for picture in in_folders.rglob("*.png"):
            info = zipfile.ZipInfo("x")
            info.filename = str(picture.relative_to(in_folders)).replace("/", "\\")
            archive.writestr(info, picture.read_bytes())
    assert load(tmp_path / "windows.zip").test.y.tolist() == [0, 0, 1, 1]


def test_pictures_outside_of_the_splits_are_reported(
    in_folders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(in_folders / "preview.png")
    write(in_folders / "masks/0.png")
    data = load(in_folders, valid=0.25)
    assert sizes(data) == [9, 3, 4]
    assert data.train.y.unique().tolist() == [0, 1]
    assert ": 2 outside of the folders train, valid, test" in caplog.text
    assert "masks/0.png" in caplog.text


def test_other_files_are_counted(pack: Pack, plain: Path, caplog: pytest.LogCaptureFixture) -> None:
    """But for hidden ones, and what systems put beside pictures."""
    for name in ("a.heic", "b.heic", "Thumbs.db", "@eaDir/0.png", "__MACOSX/0.png", ".x/0.png"):
        (plain / name).parent.mkdir(exist_ok=True)
        (plain / name).write_bytes(b"x")
    caplog.set_level("INFO")
    data = load(pack(plain))
    assert "as no pictures: 2 of .heic, 1 of .db." in caplog.text
    assert sum(sizes(data)) == 10
    assert data.train.y is None


def test_what_gan_drew_is_no_data(plain: Path) -> None:
    for name, config in (("outputs/sample/1", "pkg://gan_cli.conf"), ("mine", "conf")):
        write(plain / name / "samples.png", 99)
        (plain / name / ".hydra").mkdir()
        (plain / name / ".hydra/hydra.yaml").write_text(f"path: {config}")
    assert sum(sizes(load(plain))) == 11


def test_links_lead_to_pictures_but_not_in_circles(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/all").symlink_to(plain)
    (plain / "back").symlink_to(tmp_path / "linked")
    assert sum(sizes(load(tmp_path / "linked"))) == 10


def test_names_that_are_not_utf_8(plain: Path) -> None:
    os.rename(os.fsencode(plain / "0.png"), os.fsencode(plain) + b"/caf\xe9.png")
    assert sum(sizes(load(plain))) == 10
    (plain / "1.png").write_text("not a picture")
    os.rename(os.fsencode(plain / "1.png"), os.fsencode(plain) + b"/1\xe9.png")
    with pytest.raises(UserError, match=r"1\\xe9.png: not a picture"):
        load(plain)


@pytest.mark.parametrize("suffix", ["tif", "tiff", "gif", "jfif", "avif"])
def test_pictures_of_other_formats_are_read(suffix: str, plain: Path) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    for i in range(10):
        with Image.open(plain / f"{i}.png") as image:
            image.save(plain / f"{i}.{suffix}", "JPEG" if suffix == "jfif" else None)
    assert sum(sizes(load(plain))) == 20


def test_resizing_and_colours(tmp_path: Path) -> None:
    for i, (size, mode) in enumerate([((20, 10), "RGB"), ((9, 30), "L"), ((12, 12), "RGBA")]):
        write(tmp_path / f"own/{i}.png", i, size, mode)
    assert load(tmp_path / "own", size=6, channels=3).train.x.shape == (1, 3, 6, 6)
    grey = Folder(tmp_path / "own", tmp_path / "cache", size=6, channels=1)
    assert grey.load().valid.x.shape == (1, 1, 6, 6)
    assert grey.shape == (1, 6, 6)


def test_the_centre_is_cut_out(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    path = save(tmp_path / "own", *[Image.fromarray(wide)] * 3)
    assert (load(path, size=10).train.x == 200).all()


def test_of_sixteen_bits_the_upper_eight_count(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (3, 8, 8), dtype=np.uint16)
    path = save(tmp_path / "own", *map(Image.fromarray, deep))
    assert load(path).train.x.shape == (1, 1, 8, 8)
    read = torch.cat([part.x for part in load(path, channels=3)]).numpy()
    assert sorted(x.tobytes() for x in read) == sorted(
        np.stack([x >> 8] * 3).astype(np.uint8).tobytes() for x in deep
    )


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGBA", "png"), ("RGBA", "webp"), ("LA", "png"), ("LA", "webp"), ("P", "png")],
)
def test_transparent_pictures_lie_on_white(mode: str, suffix: str, tmp_path: Path) -> None:
    """Black bars on transparent black: half of each picture shows nothing else."""
    icon = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    icon.paste((0, 0, 0, 255), (0, 0, 4, 8))
    icon = icon.quantize() if mode == "P" else icon.convert(mode)
    x = load(save(tmp_path / "own", icon, icon, icon, suffix=suffix)).train.x
    assert (x[..., :4] == 0).all()
    assert (x[..., 4:] == 255).all()


def test_pictures_are_decoded_once(pack: Pack, plain: Path) -> None:
    def caches() -> dict[str, int]:
        return {p.name: p.stat().st_mtime_ns for p in (plain.parent / "cache").iterdir()}

    path = pack(plain)
    first, before = load(path), caches()
    again = load(path)
    assert all(torch.equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    assert caches() == before
    for n, changed in enumerate([{"size": 4}, {"channels": 1}, {"skip_broken": True}], 2):
        load(path, **changed)
        assert len(caches()) == n


def test_other_pictures_are_decoded_anew(plain: Path) -> None:
    load(plain)
    write(plain / "0.png", seed=99)
    write(plain / "extra.png", seed=100)
    assert sum(sizes(load(plain))) == 11


def test_another_directory_has_pictures_of_its_own(tmp_path: Path) -> None:
    """Of the same names, sizes and times of modification."""
    for name, grey in (("a", 10), ("b", 240)):
        folder = save(tmp_path / name, *[Image.new("L", (8, 8), grey)] * 3, suffix="bmp")
        for path in folder.iterdir():
            os.utime(path, (0, 0))
    assert load(tmp_path / "a").train.x.max() == 10
    assert load(tmp_path / "b").train.x.min() == 240


@pytest.mark.parametrize("damage", [b"", b"PK", b"\0" * 1000, None])
def test_a_damaged_cache_is_made_anew(
    damage: bytes | None, plain: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = load(plain)
    (cached,) = (plain.parent / "cache").glob("*.npz")
    cached.write_bytes(cached.read_bytes()[:-100] if damage is None else damage)
    again = load(plain)
    assert all(torch.equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    assert "is damaged" in caplog.text
    assert len(cached.read_bytes()) > 1000


def test_a_cache_that_can_not_be(plain: Path) -> None:
    (plain.parent / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"dataset\.cache is "):
        load(plain)


def test_broken_pictures_are_named_or_left_out(
    plain: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(15):
        (plain / f"text{i:02}.png").write_text("not a picture")
    write(plain / "cut.jpg")
    (plain / "cut.jpg").write_bytes((plain / "cut.jpg").read_bytes()[:-50])
    # A text where EXIF wants a number: Pillow's parser raises what it pleases.
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.ImageDescription] = 6, "abc"
    Image.new("RGB", (8, 8)).save(plain / "exif.jpg", exif=exif)
    content = (plain / "exif.jpg").read_bytes()
    assert content.count(b"\x01\x0e\x00\x02") == 1
    (plain / "exif.jpg").write_bytes(content.replace(b"\x01\x0e\x00\x02", b"\x01\x01\x00\x02"))
    with pytest.raises(UserError) as error:
        load(plain)
    message = str(error.value)
    assert "17 of 27 pictures" in message
    assert "cut.jpg: " in message
    assert "text07.png: not a picture; ...)" in message
    assert "text08" not in message
    assert "dataset.skip_broken=true" in message
    assert sum(sizes(load(plain, skip_broken=True))) == 10
    assert "17 of 27 pictures" in caplog.text


@pytest.mark.parametrize("name", ["0.heic", "0.png"])
def test_a_class_without_a_whole_picture_is_refused(
    name: str, pack: Pack, in_folders: Path
) -> None:
    (in_folders / "train/bird").mkdir()
    (in_folders / "train/bird" / name).write_bytes(b"x")
    with pytest.raises(UserError, match="train/bird"):
        load(pack(in_folders), skip_broken=True)


def test_shapes_are_compared_by_headers(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is decoded; where EXIF turns a picture, it counts as turned."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for i in range(10):
        write(plain / f"{i}.png", i, size=(8, 6))
    Image.new("RGB", (6, 8)).save(plain / "turned.jpg", exif=exif)
    assert load(plain).train.x.shape[1:] == (3, 6, 8)

    def no_room(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("gan_cli.data.folder.decode", no_room)
    with pytest.raises(UserError, match=r"dataset\.size is null: 11 pictures"):
        load(plain, channels=3)
    write(plain / "large.jpg", size=(64, 48))
    with pytest.raises(UserError, match=r"\(3, 6, 8\) \(0.png\) and \(3, 48, 64\) \(large.jpg\)"):
        load(plain)
    write(plain / "grey.png", mode="L")
    with pytest.raises(UserError, match=r"\(grey.png\) .* dataset.channels=1"):
        load(plain, size=8)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "holds no .png"),
        (["0.png", "1.png"], "with 2 pictures, .* leave none for training"),
        (["test/0.png", "1.png"], "a folder test and none called train"),
        (["inner/train/0.png", "1.png"], "a folder inner/train and none called train"),
        (["trainA/0.png", "trainB/1.png"], "a folder trainA and none called train"),
    ],
)
def test_bad_directories(files: list[str], words: str, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for i, name in enumerate(files):
        write(tmp_path / "own" / name, i)
    with pytest.raises(UserError, match=words):
        load(tmp_path / "own")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (None, "neither a directory .* nor a whole zip"),
        (lambda content: content[:-100], "neither a directory .* nor a whole zip"),
        # What encrypts a member is the first bit of its flags.
        (lambda content: content.replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"),
         "10 of 10 .* encrypted"),
    ],
)  # fmt: skip
def test_bad_zip_files(
    damage: Callable[[bytes], bytes] | None, words: str, plain: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.zip"
    if damage:
        path.write_bytes(damage(zipped(plain).read_bytes()))
    with pytest.raises(UserError, match=words):
        load(path)


def test_a_tenth_of_cifars_pictures(mnist_dir: Path, tmp_path: Path) -> None:
    path = mnist_dir / "cifar10-jpeg.zip"
    if not path.is_file():
        pytest.skip("needs cifar10-jpeg.zip beside MNIST")
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(tmp_path / "own.zip", "w") as part:
        for name in whole.namelist()[::10]:
            part.writestr(name, whole.read(name))
    data = load(tmp_path / "own.zip")
    assert sizes(data) == [4500, 500, 1000]
    assert data.test.y.bincount().tolist() == [100] * 10
    assert data.train.x.shape[1:] == (3, 32, 32)


SMALL = (
    "dataset=folder", "network.generator.widths=[4]", "network.discriminator.units=[4]",
    "schedule.batch_size=2", "threads=1",
)  # fmt: skip


def test_a_run_on_ones_own_pictures(gan: Gan, in_folders: Path) -> None:
    arguments = ["train", *SMALL, f"dataset.path={in_folders}", "hydra.run.dir=a"]
    assert gan(*arguments, "schedule.steps=2").code == 0
    assert "Resuming a: steps 3 to 4" in gan(*arguments, "schedule.steps=4").output
    assert gan("sample", "run=a", "n=4").code == 0
    assert gan("eval-parzen", "run=a", "n_samples=20", "centroids=4").code == 0


def test_a_run_resumes_where_its_pictures_were_moved(plain: Path, gan: Gan) -> None:
    train = ["train", *SMALL, "dataset.valid=0.2", "hydra.run.dir=a"]
    assert gan(*train, f"dataset.path={plain}", "schedule.steps=2").code == 0
    moved = plain.with_name("moved")
    plain.rename(moved)
    resume = ["train", "resume=a", "schedule.steps=4"]
    assert gan(*resume).code == 1
    there = ["dataset=folder", "dataset.valid=0.2"]
    assert gan(*resume, *there, f"dataset.path={moved}").code == 0
    assert gan("sample", "run=a", "real=true", "n=4").code == 0
    assert gan("sample", "a", "real=true").code == 0  # there are fewer than the 100 of its default
    # Others are refused, and the run is as it was.
    config = (plain.parent / "a/config.yaml").read_bytes()
    for i in range(10):
        write(plain / f"{i}.png", 100 + i)
    refusal = gan("train", "resume=a", *there, f"dataset.path={plain}", "schedule.steps=6").refusal
    assert "dataset gives other data" in refusal
    assert (plain.parent / "a/config.yaml").read_bytes() == config


def test_a_sweep_of_other_pictures_is_not_finished(plain: Path, gan: Gan) -> None:
    others = plain.with_name("others")
    shutil.copytree(plain, others)
    write(others / "0.png", seed=99)
    arguments = ["train", "-m", "sweep=s", *SMALL, "seed=0,1", "schedule.steps=2"]
    assert gan(*arguments, f"dataset.path={plain}").code == 0
    assert "dataset gives other data" in gan(*arguments, f"dataset.path={others}").refusal
