"""`gan evaluate` and `gan features`, as a person uses them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.command import SMALL, Gan
from PIL import Image

from gan_cli.data.digits import Digits
from gan_cli.metrics import features
from gan_cli.metrics.frechet import frechet
from gan_cli.rng import stream


def content(cwd: Path) -> dict[str, Any]:
    (path,) = cwd.glob("outputs/evaluate/*/evaluation.json")
    assert path.with_suffix(".md").read_text().count("\n") > 3
    with Image.open(path.with_suffix(".png")) as picture:
        assert picture.width > 1000
    return json.loads(path.read_text())


def test_a_run_beside_the_references(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", *SMALL, "schedule.steps=5").code == 0
    result = gan("evaluate", "n=300", "draws=2")
    assert result.code == 0, result.err
    found = content(tmp_path)
    model, half, centroids, noisy = found["rows"].values()
    assert model["frechet"]["standard_error"] > 0
    assert half["frechet"]["standard_error"] is None
    # An untrained G gives the mean image alone; of all, noise is nearer to the data.
    for name, sign in (("frechet", 1), ("kernel_distance", 1), ("recall", -1)):
        first, second, third = (sign * row[name]["mean"] for row in (half, noisy, model))
        assert third > max(first, second), name
    assert noisy["frechet"]["mean"] > half["frechet"]["mean"]
    assert half["copies"]["mean"] == 1
    assert centroids["n"] == 1000
    assert half["n"] == 300
    assert sum(found["class_shares"]["data"]) == pytest.approx(1)
    assert ", raw | 300 |" in result.out


def test_several_runs(gan: Gan, tmp_path: Path) -> None:
    signed = [
        "dataset.range=signed", "network.generator.output=tanh",
        "network.generator.init.marginal_bias=false",
    ]  # fmt: skip
    for name, more in (("a", []), ("b", ["seed=1"]), ("c", signed)):
        trained = gan("train", *SMALL, "schedule.steps=3", f"hydra.run.dir={name}", *more)
        assert trained.code == 0, trained.err
    result = gan("evaluate", "runs=[a,b]", "n=200", "draws=1", "references=[]")
    assert result.code == 0, result.err
    assert list(content(tmp_path)["rows"]) == ["a, raw", "b, raw"]
    result = gan("evaluate", "runs=[a,c]", "n=200")
    assert result.code == 1
    assert "a and c were trained on different data (range: unit in one" in result.err


def test_samples_in_a_file(gan: Gan, tmp_path: Path) -> None:
    """The very numbers, from the samples themselves."""
    data = Digits((1, 8, 8)).load()
    x = data.test.x
    np.save(tmp_path / "x.npy", x.float().numpy() / 255)
    result = gan("evaluate", "samples=x.npy", "dataset=digits", "references=[half]")
    assert result.code == 0, result.err
    row = content(tmp_path)["rows"]["x.npy"]
    assert row["n"] == 200
    space = features.feature_space(Digits((1, 8, 8)), data, tmp_path / "outputs/cache")
    order = torch.randperm(len(data.train.x), generator=stream(0, "halves"))
    reference = space(data.train.x[order.chunk(2)[1]])
    expected = frechet(space(x).features, reference.features)
    assert row["frechet"]["mean"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((300, 1, 9, 9), np.float32), "samples is x.npy of shape (300, 1, 9, 9)"),
        (np.full((300, 64), np.nan, np.float32), "samples is x.npy, which holds NaN"),
        (np.zeros((300, 64), np.float32), "samples is x.npy, whose images are all the same"),
        (np.zeros((1, 64), np.float32), "samples is x.npy with 1 of them"),
        (np.random.default_rng(0).random((50, 64), np.float32), "needs at least 129 samples"),
    ],
)
def test_bad_samples(gan: Gan, tmp_path: Path, samples: np.ndarray, words: str) -> None:
    np.save(tmp_path / "x.npy", samples)
    result = gan("evaluate", "samples=x.npy", "dataset=digits")
    assert result.code == 1
    assert words in result.err
    assert not (tmp_path / "outputs/evaluate").exists()


def test_features_of_the_data(gan: Gan, tmp_path: Path) -> None:
    result = gan("features", "steps=30", "hydra.run.dir=f")
    assert result.code == 0, result.err
    assert (tmp_path / "f/digits.safetensors").stat().st_size < 1_000_000
    result = gan("features", "dataset=folder", "dataset.path=nowhere")
    assert (result.code, "dataset.path is nowhere" in result.err) == (1, True)
