import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import Result
from PIL import ExifTags, Image, features

from gan_cli.data.folder import Folder
from gan_cli.errors import UserError

Gan = Callable[..., Result]


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


def source(path: Path, **settings: object) -> Folder:
    return Folder(path, path.parent / "cache", **settings)


def zipped(path: Path) -> Path:
    return Path(shutil.make_archive(str(path.parent / "zipped"), "zip", path))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Ten pictures without classes or splits."""
    for i in range(10):
        write(tmp_path / f"own/{i}.png", i)
    return tmp_path / "own"


@pytest.fixture
def sorted_ones(tmp_path: Path) -> Path:
    """Two classes in train and test."""
    for i in range(12):
        write(tmp_path / f"own/train/{'cat' if i % 3 else 'dog'}/{i:02}.png", i)
    for i in range(4):
        write(tmp_path / f"own/test/{'cat' if i % 2 else 'dog'}/{i:02}.png", 100 + i)
    return tmp_path / "own"


@pytest.mark.parametrize("pack", [lambda path: path, zipped])
def test_every_picture_is_in_one_split(pack: Callable[[Path], Path], plain: Path) -> None:
    data = source(pack(plain)).load()
    assert [len(part.x) for part in data] == [8, 1, 1]
    assert all(part.y is None for part in data)
    ours = {part.x[i].numpy().tobytes() for part in data for i in range(len(part.x))}
    theirs = {write(plain / f"{i}.png", i).transpose(2, 0, 1).tobytes() for i in range(10)}
    assert ours == theirs


def test_the_split_is_the_seeds(plain: Path) -> None:
    def valid(seed: int) -> torch.Tensor:
        return source(plain, seed=seed, valid=0.5).load().valid.x

    assert len(valid(1)) == 5
    assert torch.equal(valid(1), valid(1))
    assert not torch.equal(valid(1), valid(2))


@pytest.mark.parametrize("pack", [lambda path: path, zipped])
@pytest.mark.parametrize("wrapped", [False, True])
def test_folders_are_splits_and_classes(
    pack: Callable[[Path], Path], wrapped: bool, sorted_ones: Path, tmp_path: Path
) -> None:
    if wrapped:
        sorted_ones.rename(tmp_path / "inner")
        sorted_ones.mkdir()
        (tmp_path / "inner").rename(sorted_ones / "inner")
    data = source(pack(sorted_ones), valid=0.25).load()
    assert [len(part.x) for part in data] == [9, 3, 4]
    assert data.test.y.tolist() == [0, 0, 1, 1]  # cat, cat, dog, dog
    assert torch.cat([data.train.y, data.valid.y]).bincount().tolist() == [8, 4]


def test_resizing_and_colours(tmp_path: Path) -> None:
    for i, (size, mode) in enumerate([((20, 10), "RGB"), ((9, 30), "L"), ((12, 12), "RGBA")]):
        write(tmp_path / f"own/{i}.png", i, size, mode)
    assert source(tmp_path / "own", size=6, channels=3).load().train.x.shape == (1, 3, 6, 6)
    grey = source(tmp_path / "own", size=6, channels=1)
    assert grey.load().valid.x.shape == (1, 1, 6, 6)
    assert grey.shape == (1, 6, 6)


def test_of_sixteen_bits_the_upper_eight_count(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (3, 8, 8), dtype=np.uint16)
    (tmp_path / "own").mkdir()
    for i, pixels in enumerate(deep):
        Image.fromarray(pixels).save(tmp_path / f"own/{i}.png")
    assert source(tmp_path / "own").load().train.x.shape == (1, 1, 8, 8)
    data = source(tmp_path / "own", channels=3).load()
    read = torch.cat([part.x for part in data]).numpy()
    assert sorted(x.tobytes() for x in read) == sorted(
        np.stack([x >> 8] * 3).astype(np.uint8).tobytes() for x in deep
    )


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_transparent_pictures_lie_on_white(mode: str, suffix: str, tmp_path: Path) -> None:
    """Black discs on transparent black: half of each picture shows nothing else."""
    if mode == "P" and suffix == "webp":
        pytest.skip("WebP has no palettes")
    icon = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    icon.paste((0, 0, 0, 255), (0, 0, 4, 8))
    (tmp_path / "own").mkdir()
    for i in range(3):
        picture = icon.quantize() if mode == "P" else icon.convert(mode)
        picture.save(tmp_path / f"own/{i}.{suffix}", lossless=True)
    x = source(tmp_path / "own").load().train.x
    assert (x[..., :4] == 0).all()
    assert (x[..., 4:] == 255).all()


def test_the_centre_is_cut_out(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    for i in range(3):
        (tmp_path / "own").mkdir(exist_ok=True)
        Image.fromarray(wide).save(tmp_path / f"own/{i}.png")
    assert (source(tmp_path / "own", size=10).load().train.x == 200).all()


@pytest.mark.parametrize("pack", [lambda path: path, zipped])
def test_pictures_are_decoded_once(
    pack: Callable[[Path], Path], plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(plain)
    first = source(path).load()

    def never(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("gan_cli.data.folder.decode_all", never)
    again = source(path).load()
    assert all(torch.equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    for changed in ({"size": 4}, {"channels": 1}):
        with pytest.raises(AssertionError, match="decoded again"):
            source(path, **changed).load()


def test_other_pictures_are_decoded_anew(plain: Path) -> None:
    source(plain).load()
    write(plain / "0.png", seed=99)
    write(plain / "extra.png", seed=100)
    assert sum(len(part.x) for part in source(plain).load()) == 11


def test_another_directory_has_pictures_of_its_own(tmp_path: Path) -> None:
    """Of the same names, sizes and times of modification."""
    for name, grey in (("a", 10), ("b", 240)):
        (tmp_path / name).mkdir()
        for i in range(3):
            path = tmp_path / f"{name}/{i}.bmp"
            Image.new("L", (8, 8), grey).save(path)
            os.utime(path, (0, 0))
    assert source(tmp_path / "a").load().train.x.max() == 10
    assert source(tmp_path / "b").load().train.x.min() == 240
    # Not even where a file was written over and its time put back.
    Image.new("L", (8, 8), 99).save(tmp_path / "a/0.bmp")
    os.utime(tmp_path / "a/0.bmp", (0, 0))
    assert max(part.x.max() for part in source(tmp_path / "a").load()) == 99


@pytest.mark.parametrize("damage", [b"", b"PK", b"\0" * 1000, None])
def test_a_damaged_cache_is_made_anew(
    damage: bytes | None, plain: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = source(plain).load()
    (cached,) = (plain.parent / "cache").glob("*.npz")
    cached.write_bytes(cached.read_bytes()[:-100] if damage is None else damage)
    again = source(plain).load()
    assert all(torch.equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    assert "is damaged" in caplog.text
    assert len(cached.read_bytes()) > 1000


def test_a_cache_that_can_not_be(plain: Path) -> None:
    (plain.parent / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"dataset.cache is .*cache, which can't be made a dir"):
        source(plain).load()


def test_a_zip_of_a_later_version(plain: Path) -> None:
    path = zipped(plain)
    content = path.read_bytes()
    begin = content.index(b"PK\x01\x02")  # where its directory begins; then "made by", "needed"
    path.write_bytes(content[: begin + 6] + b"\x63\x00" + content[begin + 8 :])
    with pytest.raises(UserError, match="nor a whole zip"):
        source(path).load()


def test_links_lead_to_pictures_but_not_in_circles(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/all").symlink_to(plain)
    (plain / "back").symlink_to(tmp_path / "linked")
    assert sum(len(part.x) for part in source(tmp_path / "linked").load()) == 10


def test_what_is_no_picture_of_the_users(plain: Path) -> None:
    """Hidden files, what Macs put into zips, and what gan itself drew."""
    for name in (".hidden.png", "__MACOSX/._0.png", ".trash/0.png"):
        write(plain / name, 99)
    for name, config in (("outputs/sample/1", "pkg://gan_cli.conf"), ("mine", "conf")):
        write(plain / name / "samples.png", 99)
        (plain / name / ".hydra").mkdir()
        (plain / name / ".hydra/hydra.yaml").write_text(f"path: {config}")
    (plain / "loop").symlink_to("loop")
    assert sum(len(part.x) for part in source(plain).load()) == 11
    shutil.rmtree(plain / "outputs")
    shutil.rmtree(plain / "mine")
    (plain / "__MACOSX/._0.png").write_text("of a Mac's own")
    assert sum(len(part.x) for part in source(zipped(plain)).load()) == 10


def test_splits_by_other_names(sorted_ones: Path, tmp_path: Path) -> None:
    (sorted_ones / "train").rename(sorted_ones / "Train")
    for i in range(5):
        write(sorted_ones / f"val/cat/{i}.png", 200 + i)
    assert [len(part.x) for part in source(sorted_ones).load()] == [12, 5, 4]
    # A zip of Windows' has another separator.
    path = tmp_path / "windows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for picture in sorted_ones.rglob("*.png"):
            info = zipfile.ZipInfo("x")
            info.filename = str(picture.relative_to(sorted_ones)).replace("/", "\\")
            archive.writestr(info, picture.read_bytes())
    data = source(path).load()
    assert [len(part.x) for part in data] == [12, 5, 4]
    assert data.test.y.tolist() == [0, 0, 1, 1]


def test_pictures_outside_of_the_splits_are_told(
    sorted_ones: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(sorted_ones / "preview.png")
    write(sorted_ones / "masks/0.png")
    data = source(sorted_ones, valid=0.25).load()
    assert [len(part.x) for part in data] == [9, 3, 4]
    assert data.train.y.unique().tolist() == [0, 1]
    assert ": 2 outside of the folders train, valid, test" in caplog.text
    assert "masks/0.png" in caplog.text


def test_names_that_are_no_text(plain: Path) -> None:
    os.rename(os.fsencode(plain / "0.png"), os.fsencode(plain) + b"/caf\xe9.png")
    assert sum(len(part.x) for part in source(plain).load()) == 10
    (plain / "1.png").write_text("not a picture")
    os.rename(os.fsencode(plain / "1.png"), os.fsencode(plain) + b"/1\xe9.png")
    with pytest.raises(UserError, match=r"1\\xe9.png: not a picture"):
        source(plain).load()


def test_broken_pictures_are_named_or_left_out(
    plain: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(15):
        (plain / f"text{i:02}.png").write_text("not a picture")
    write(plain / "cut.jpg", size=(64, 64))
    (plain / "cut.jpg").write_bytes((plain / "cut.jpg").read_bytes()[:1500])
    # A text where EXIF wants a number: Pillow's parser raises what it pleases.
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.ImageDescription] = 6, "abc"
    Image.new("RGB", (8, 8)).save(plain / "exif.jpg", exif=exif)
    content = (plain / "exif.jpg").read_bytes()
    assert content.count(b"\x01\x0e\x00\x02") == 1
    (plain / "exif.jpg").write_bytes(content.replace(b"\x01\x0e\x00\x02", b"\x01\x01\x00\x02"))
    with pytest.raises(UserError) as error:
        source(plain).load()
    message = str(error.value)
    assert "17 of 27 pictures" in message
    assert "cut.jpg: " in message
    assert "text07.png: not a picture; ...)" in message
    assert "text08" not in message
    assert "dataset.skip_broken=true" in message
    assert sum(len(part.x) for part in source(plain, skip_broken=True).load()) == 10
    assert "17 of 27 pictures" in caplog.text


def test_a_class_whose_pictures_are_all_broken_is_not_left_out(sorted_ones: Path) -> None:
    for path in (broken := next(p for p in sorted_ones.rglob("*.png")).parent).iterdir():
        path.write_text("not a picture")
    with pytest.raises(UserError, match=rf"no picture in the folder \S*{broken.name} of"):
        source(sorted_ones, skip_broken=True).load()


def test_sizes_are_compared_by_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is decoded; where EXIF turns a picture, it counts as turned."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for i in range(3):
        write(tmp_path / f"{i}.png", i, size=(8, 6))
    Image.new("RGB", (6, 8)).save(tmp_path / "turned.jpg", exif=exif)
    assert source(tmp_path, channels=3).load().train.x.shape[1:] == (3, 6, 8)
    monkeypatch.setattr("gan_cli.data.folder.decode_all", None)
    write(tmp_path / "large.jpg", size=(64, 48))
    with pytest.raises(UserError, match=r"different size, 6 x 8 \(0.png\) and 48 x 64 \(large.jpg"):
        source(tmp_path, channels=3).load()


def test_pictures_that_memory_does_not_hold(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("gan_cli.data.folder.decode_all", no_room)
    with pytest.raises(UserError, match=r"dataset.size is null: 10 pictures .* dataset.size=64"):
        source(plain).load()


def bomb(path: Path) -> None:
    """A small PNG that decodes to 20000 x 20000."""
    Image.new("1", (20000, 20000)).save(path, optimize=True)


def test_a_picture_too_large_is_not_decoded(plain: Path) -> None:
    bomb(plain / "bomb.png")
    with pytest.raises(UserError, match=r"bomb.png: 20000 x 20000, over 100 megapixels"):
        source(plain).load()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "neither a directory nor a whole zip"),
        ("empty", "holds no .png"),
        ("one", "takes at least 3"),
        ("sizes", r"different size, .*dataset.size=64"),
        ("colours", r"different channels, .*dataset.channels=1 or =3"),
        ("cut.zip", "neither a directory nor a whole zip"),
        ("escape.zip", r"'\.\./0\.png': names must stay below"),
        ("absolute.zip", r"'/0\.png': names must stay below"),
        ("encrypted.zip", "encrypted; it must be plain"),
        ("twice.zip", "more than one member called 'x.png'"),
        ("half", "a folder test: test is a split only at the top, beside a folder"),
        ("deep", "a folder inner/train: train is a split only"),
    ],
)
def test_bad_paths(name: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    pixels = tmp_path / "good/0.png"
    for i in range(3):
        write(tmp_path / f"good/{i}.png", i)
    if name in ("half", "deep"):
        for i in range(3):
            write(path / {"half": f"test/{i}.png", "deep": f"inner/train/{i}.png"}[name], i)
        write(path / "3.png")
    elif name in ("empty", "one", "sizes", "colours"):
        path.mkdir()
        for i in range({"empty": 0, "one": 1}.get(name, 3)):
            size = (8, 8 + i) if name == "sizes" else (8, 8)
            write(path / f"{i}.png", i, size, "L" if name == "colours" and i else "RGB")
    elif name == "cut.zip":
        path.write_bytes(zipped(tmp_path / "good").read_bytes()[:-100])
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            prefix = {"escape.zip": "../", "absolute.zip": "/"}.get(name, "")
            archive.write(pixels, "x.png")
            if name == "twice.zip":
                archive.write(pixels, "y.png")
                archive.getinfo("y.png").filename = "x.png"
            if prefix:
                archive.getinfo("x.png").filename = f"{prefix}0.png"
            if name == "encrypted.zip":
                archive.getinfo("x.png").flag_bits |= 1
    with pytest.raises(UserError, match=words):
        source(path).load()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name in ("0.png", "was here")) == []


def test_a_run_on_ones_own_pictures(gan: Gan, sorted_ones: Path) -> None:
    small = ("network.generator.widths=[16]", "network.discriminator.units=[8,8]", "threads=1")
    folder = ("dataset=folder", f"dataset.path={sorted_ones}", "schedule.batch_size=4")
    result = gan("train", *folder, *small, "schedule.steps=4")
    assert result.code == 0, result.err
    assert gan("sample", "n=4").code == 0
    result = gan("eval-parzen", "n_samples=20", "centroids=4")
    assert result.code == 0, result.err
    result = gan("train", "dataset=folder")
    assert result.code == 1
    assert "dataset.path has no value yet; give it one with dataset.path=..." in result.err


@pytest.fixture
def cifar_zip(mnist_dir: Path) -> Path:
    path = mnist_dir / "cifar10-jpeg.zip"
    if not path.is_file():
        pytest.skip("needs cifar10-jpeg.zip beside MNIST")
    return path


def test_cifar_pictures(cifar_zip: Path, tmp_path: Path) -> None:
    """A tenth of them, in a zip of their own."""
    with zipfile.ZipFile(cifar_zip) as whole, zipfile.ZipFile(tmp_path / "own.zip", "w") as part:
        for name in whole.namelist()[::10]:
            part.writestr(name, whole.read(name))
    data = source(tmp_path / "own.zip").load()
    assert [len(part.x) for part in data] == [4500, 500, 1000]
    assert data.test.y.bincount().tolist() == [100] * 10
    assert data.train.x.shape[1:] == (3, 32, 32)


@pytest.mark.slow
def test_all_cifar_pictures(cifar_zip: Path, tmp_path: Path) -> None:
    data = Folder(cifar_zip, tmp_path).load()
    assert [len(part.x) for part in data] == [45000, 5000, 10000]
    assert data.test.y.bincount().tolist() == [1000] * 10
    assert data.train.x.shape[1:] == (3, 32, 32)


def test_a_zip_bomb_is_not_unpacked(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_cli.data.pictures.UNPACKED", 10_000)
    path = zipped(plain)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", (plain / "0.png").read_bytes() + bytes(10_000_000))
    assert path.stat().st_size < 20_000
    with pytest.raises(UserError, match=r"bomb.png: unpacks to 10 MB, over 0"):
        source(path).load()


def test_a_run_goes_on_where_its_pictures_were_moved(plain: Path, gan: Gan) -> None:
    arguments = [
        "dataset=folder", f"dataset.path={plain}", "dataset.valid=0.2",
        "network.generator.widths=[4]", "network.discriminator.units=[4]",
        "schedule.batch_size=2", "hydra.run.dir=a",
    ]  # fmt: skip
    assert gan("train", *arguments, "schedule.steps=2").code == 0
    plain.rename(plain.with_name("moved"))
    assert gan("train", "resume=a", "schedule.steps=4").code == 1
    result = gan(
        "train", "resume=a", "dataset=folder", f"dataset.path={plain.with_name('moved')}",
        "dataset.valid=0.2", "schedule.steps=4",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert gan("sample", "run=a", "real=true", "n=4").code == 0
    # Others are refused, and the run is as it was.
    config = (plain.parent / "a/config.yaml").read_bytes()
    for i in range(10):
        write(plain / f"{i}.png", 100 + i)
    result = gan(
        "train", "resume=a", "dataset=folder", f"dataset.path={plain}", "dataset.valid=0.2",
        "schedule.steps=6",
    )  # fmt: skip
    assert result.code == 1
    assert "dataset gives other data" in result.err
    assert (plain.parent / "a/config.yaml").read_bytes() == config


def test_a_sweep_of_other_pictures_is_not_finished(plain: Path, gan: Gan) -> None:
    shutil.copytree(plain, plain.with_name("others"))
    write(plain.with_name("others") / "0.png", seed=99)
    small = ("network.generator.widths=[4]", "network.discriminator.units=[4]")
    arguments = ["train", "-m", "sweep=s", "dataset=folder", "schedule.batch_size=2", *small]
    arguments += ["seed=0,1", "schedule.steps=2"]
    assert gan(*arguments, f"dataset.path={plain}").code == 0
    result = gan(*arguments, f"dataset.path={plain.with_name('others')}")
    assert result.code == 1
    assert "dataset gives other data" in result.err


def test_the_same_command_goes_on(plain: Path, gan: Gan) -> None:
    arguments = [
        "dataset=folder", f"dataset.path={plain}", "network.generator.widths=[4]",
        "network.discriminator.units=[4]", "schedule.batch_size=2", "hydra.run.dir=a",
    ]  # fmt: skip
    assert gan("train", *arguments, "schedule.steps=2").code == 0
    result = gan("train", *arguments, "schedule.steps=4")
    assert result.code == 0, result.err
    assert "Resuming a: steps 3 to 4" in result.out


@pytest.mark.parametrize("suffix", ["tif", "tiff", "gif", "jfif", "avif"])
def test_pictures_of_other_formats_are_read(suffix: str, plain: Path) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    for i in range(10):
        with Image.open(plain / f"{i}.png") as image:
            image.save(plain / f"{i}.{suffix}", "JPEG" if suffix == "jfif" else None)
    data = source(plain).load()
    assert sum(len(part.x) for part in data) == 20


@pytest.mark.parametrize("pack", [lambda path: path, zipped])
def test_what_is_left_out_is_counted(
    pack: Callable[[Path], Path], plain: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.heic", "b.heic", "Thumbs.db", "@eaDir/0.png", "__MACOSX/0.png", ".x/0.png"):
        (plain / name).parent.mkdir(exist_ok=True)
        (plain / name).write_bytes(b"x")
    caplog.set_level("INFO")
    data = source(pack(plain)).load()
    assert "as no pictures: 2 of .heic, 1 of .db." in caplog.text
    assert sum(len(part.x) for part in data) == 10
    assert data.train.y is None


@pytest.mark.parametrize("pack", [lambda path: path, zipped])
def test_a_class_without_a_picture_is_refused(
    pack: Callable[[Path], Path], sorted_ones: Path
) -> None:
    (sorted_ones / "train/bird").mkdir()
    (sorted_ones / "train/bird/0.heic").write_bytes(b"x")
    with pytest.raises(UserError, match="train/bird has no picture that can be read"):
        source(pack(sorted_ones)).load()


def test_other_names_of_splits(sorted_ones: Path) -> None:
    (sorted_ones / "train").rename(sorted_ones / "Training")
    (sorted_ones / "test").rename(sorted_ones / "testing")
    data = source(sorted_ones).load()
    assert len(data.test.x) == 4
    assert len(data.train.x) + len(data.valid.x) == 12
    assert data.test.y.unique().tolist() == [0, 1]


def test_two_data_sets_in_one_directory_are_refused(sorted_ones: Path) -> None:
    (sorted_ones / "train").rename(sorted_ones / "trainA")
    (sorted_ones / "test").rename(sorted_ones / "trainB")
    with pytest.raises(UserError, match="trainA and trainB, which are two data sets"):
        source(sorted_ones).load()
