from pathlib import Path

import numpy as np
import pytest
from helpers.command import Gan
from scipy.io import savemat

from gan_cli.data.tfd import TFD
from gan_cli.errors import MissingDataError, UserError

N = 200


def fields() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 8, N)
    folds = rng.integers(0, 4, (N, 5)).astype(np.uint8)
    return {
        "images": rng.integers(0, 256, (N, 48, 48), dtype=np.uint8),
        "folds": folds,
        "labs_ex": np.where(rng.random(N) < 0.5, -1, labels)[:, None].astype(np.int16),
        "labs_id": rng.integers(-1, 900, (N, 1)).astype(np.int16),
    }


def write(directory: Path, **replaced: np.ndarray | None) -> Path:
    (directory / "TFD").mkdir(exist_ok=True)
    content = {k: v for k, v in {**fields(), **replaced}.items() if v is not None}
    path = directory / "TFD/TFD_48x48.mat"
    savemat(path, content)
    return path


def test_the_right_images_for_every_split_and_fold(tmp_path: Path) -> None:
    original = fields()
    write(tmp_path)
    for fold, data in enumerate(TFD(tmp_path).folds()):
        for part, kind in zip(data, (0, 2, 3), strict=True):
            rows = original["folds"][:, fold] == kind
            np.testing.assert_array_equal(part.x[:, 0].numpy(), original["images"][rows])
            np.testing.assert_array_equal(part.y.numpy(), original["labs_ex"][rows, 0])
    chosen = TFD(tmp_path, fold=3).load()
    assert len(chosen.train.x) == (original["folds"][:, 3] == 0).sum()


def test_without_the_file(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"TFD/TFD_48x48\.mat"):
        TFD(tmp_path).load()


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"folds": None}, "folds"),
        ({"images": np.zeros((N, 32, 32), np.uint8)}, r"dataset.shape is .*\(1, 32, 32\)"),
        ({"images": np.zeros((N, 48, 48))}, "float64"),
    ],
)
def test_other_files(replaced: dict[str, np.ndarray | None], words: str, tmp_path: Path) -> None:
    write(tmp_path, **replaced)
    with pytest.raises(UserError, match=words):
        TFD(tmp_path).load()


@pytest.mark.parametrize("share", [0, 0.001, 0.5])
def test_a_damaged_file(share: float, tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=r"TFD_48x48\.mat"):
        TFD(tmp_path).load()


def test_both_stages_from_end_to_end(gan: Gan, tmp_path: Path) -> None:
    """Trains through both stages, samples, and is evaluated over five folds."""
    write(tmp_path)
    small = (
        "schedule.epochs=2", "schedule.batch_size=10", "data_dir=.", "threads=1",
        "monitor.every_epochs=1",
        "network.discriminator.units=[10,10]",
    )  # fmt: skip
    first = ("network.generator.widths=[30,40]", "network.generator.init.sparse=20")
    assert gan("train", "experiment=tfd_pretrain", *small, *first, "hydra.run.dir=one").code == 0
    second = (
        "network.generator.front.widths=[30]", "network.generator.back.widths=[30,40]",
        "network.generator.back.init.sparse=20", "init_from=one",
    )  # fmt: skip
    assert gan("train", "experiment=tfd", *small, *second, "hydra.run.dir=two").code == 0
    assert gan("sample", "run=two", "n=4").code == 0
    output = gan(
        "eval-parzen", "run=two", "n_samples=100", "valid_limit=null", "centroids=5", "data_dir=."
    ).output
    assert " in 5" in output
    assert "Adversarial nets (quoted, Table 1)" in output

    result = gan("train", "experiment=tfd", *small, *second[:3], "dry_run=true")
    assert (result.code, result.out.count("no part of G starts from a finished run")) == (0, 1)
    result = gan("train", "experiment=tfd", *small, *second, "dry_run=true")
    assert "no part of G" not in result.out

    wrong = ("network.generator.back.widths=[30,41]", *second[:1], *second[2:])
    assert "init_from is one" in gan("train", "experiment=tfd", *small, *wrong).refusal
