"""What nobody thought of: any setting, and any file with bytes flipped or cut off.

All of it is derived from the tests' own code, so a failure here fails every time.
"""

import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import Gan
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from gan_cli.data.folder import Folder
from gan_cli.data.idx import IDX
from gan_cli.data.tfd import TFD
from gan_cli.errors import UserError
from gan_cli.sampling.arrays import read_array
from gan_cli.training import checkpoints

many = settings(max_examples=50, derandomize=True, deadline=None, database=None)
few = settings(
    max_examples=20, derandomize=True, phases=[Phase.generate], deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


@st.composite
def damage(draw: st.DrawFn, whole: bytes) -> bytes:
    """Flip a few bytes, and perhaps cut the rest off; the first 200 are hit as often as all."""
    content = bytearray(whole)
    place = st.integers(0, len(whole) - 1) | st.integers(0, min(200, len(whole)) - 1)
    for at in draw(st.lists(place, min_size=1, max_size=4)):
        content[at] ^= draw(st.integers(1, 255))
    return bytes(content[: draw(st.none() | st.integers(0, len(whole)))])


def picture(suffix: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, suffix)
    return out.getvalue()


@contextmanager
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    try:
        yield path
    finally:
        shutil.rmtree(path)


def refused_or_read(read: Callable[[], object]) -> None:
    """Let nothing through but a result, or one sentence."""
    sentence = "none"
    try:
        read()
    except UserError as error:
        sentence = str(error)
    assert sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("suffix", ["png", "jpeg", "webp", "bmp"])
def test_pictures(suffix: str) -> None:
    whole = picture(suffix)

    @many
    @given(damage(whole))
    def check(content: bytes) -> None:
        with directory() as path:
            (path / "own").mkdir()
            for i in range(3):
                (path / f"own/{i}.{suffix}").write_bytes(whole)
            (path / f"own/damaged.{suffix}").write_bytes(content)
            refused_or_read(Folder(path / "own", path / "cache", size=8, channels=3).load)

    check()


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(4):
            archive.writestr(f"train/{i}.png", picture("png"))
    return out.getvalue()


@many
@given(damage(zipped()))
def test_zip_files(content: bytes) -> None:
    with directory() as path:
        (path / "own.zip").write_bytes(content)
        refused_or_read(Folder(path / "own.zip", path / "cache").load)
        assert {p.name for p in path.iterdir()} <= {"own.zip", "cache"}


def saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@many
@given(damage(saved(np.ones((5, 4), np.float32))))
def test_arrays(content: bytes) -> None:
    with directory() as path:
        (path / "z.npy").write_bytes(content)
        refused_or_read(lambda: read_array("z", path / "z.npy"))


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@many
@given(damage(idx(np.ones((6, 28, 28), np.uint8))), st.booleans())
def test_idx_files(content: bytes, labels: bool) -> None:
    with directory() as path:
        raw = path / "MNIST/raw"
        raw.mkdir(parents=True)
        for part in ("train", "t10k"):
            (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(np.ones((6, 28, 28), np.uint8)))
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.ones(6, np.uint8)))
        name = "train-labels-idx1-ubyte" if labels else "train-images-idx3-ubyte"
        (raw / name).write_bytes(content)
        refused_or_read(IDX("MNIST", path, valid=2).load)


def mat() -> bytes:
    out = io.BytesIO()
    kinds = np.repeat(np.array([0, 1, 2, 3], np.uint8), 2)
    fields = {
        "images": np.ones((8, 48, 48), np.uint8),
        "folds": np.stack([kinds] * 5, 1),
        "labs_ex": np.ones((8, 1), np.int16),
    }
    savemat(out, fields)
    return out.getvalue()


@many
@given(damage(mat()))
def test_mat_files(content: bytes) -> None:
    with directory() as path:
        (path / "TFD").mkdir()
        (path / "TFD/TFD_48x48.mat").write_bytes(content)
        refused_or_read(TFD(path).load)


def checkpoint(resealed: bytes | None = None) -> bytes:
    """Return a checkpoint's bytes, or those of one that holds `resealed`, with a true checksum."""
    import hashlib

    with directory() as path:
        content = {"step": 1, "weights": torch.ones(4, 5), "nothing": [None, {"a": 1.5}]}
        whole = checkpoints.save(path, content).read_bytes()
    if resealed is None:
        return whole
    digest = hashlib.sha256(resealed).hexdigest().encode()
    return checkpoints.MAGIC + digest + b"\n" + resealed


@many
@given(damage(checkpoint()))
def test_checkpoints(content: bytes) -> None:
    with directory() as path:
        (path / "step-000000001.ckpt").write_bytes(content)
        if content != checkpoint():
            with pytest.raises(UserError):
                checkpoints.load(path / "step-000000001.ckpt")


@many
@given(damage(checkpoint()[checkpoints.HEADER :]))
def test_checkpoints_with_a_forged_checksum(payload: bytes) -> None:
    with directory() as path:
        (path / "forged.ckpt").write_bytes(checkpoint(payload))
        refused_or_read(lambda: checkpoints.load(path / "forged.ckpt"))


KEYS = (
    "dataset",
    "dataset.shape",
    "dataset.range",
    "dataset._target_",
    "network",
    "network.generator.widths",
    "network.generator.output",
    "network.generator.init.irange",
    "network.discriminator.units",
    "network.discriminator.pieces",
    "network.discriminator.keep_prob_input",
    "objective",
    "prior.dim",
    "optimizer.lr",
    "optimizer.beta1",
    "schedule.k",
    "schedule.updates",
    "schedule.epochs",
    "schedule.steps",
    "seed",
    "precision",
    "ema_decay",
    "log.every_steps",
    "log.grid",
    "checkpoint.share",
    "monitor.every_epochs",
    "monitor.sigmas",
    "monitor.collapse",
    "on_nan",
    "device",
    "threads",
    "init_from",
    "resume",
    "hydra.run.dir",
)
scalars = (
    st.integers(-3, 40)
    | st.sampled_from([2**31, 2**63, -(2**63), 10**30])
    | st.floats(width=32)
    | st.sampled_from(["null", "true", "''", "???", "${seed}", "${nowhere}", "abc", "a b", "a=b"])
    | st.text("abz01.,:{}[]()'\"$\\=~+ \té\n", max_size=6)
)
values = scalars.map(str) | st.lists(scalars, max_size=3).map(
    lambda items: f"[{','.join(map(str, items))}]"
)


@few
@given(st.sampled_from(KEYS), values)
def test_overrides(gan: Gan, tmp_path: Path, key: str, value: str) -> None:
    for left in tmp_path.iterdir():  # by an example that failed
        shutil.rmtree(left)
    result = gan("train", "dry_run=true", f"{key}={value}")
    assert result.code in (0, 1)
    assert "Traceback" not in result.err
    assert result.code == 0 or len(result.err.splitlines()) == 1, result.err
    assert list(tmp_path.iterdir()) == []
