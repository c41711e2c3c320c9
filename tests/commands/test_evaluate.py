"""`gan evaluate` and `gan features`, as a person uses them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.command import SMALL, Gan, TrainOnce
from PIL import Image

from gan_cli.data.digits import Digits
from gan_cli.metrics import features
from gan_cli.metrics.frechet import frechet
from gan_cli.rng import stream

# Metrics whose value changes with the samples of a good set.
SPREAD = ("frechet", "precision", "recall", "density", "feature_coverage", "class_variation")


def content(cwd: Path) -> dict[str, Any]:
    (path,) = cwd.glob("outputs/evaluate/*/evaluation.json")
    assert path.with_suffix(".md").read_text().count("\n") > 3
    with Image.open(path.with_suffix(".png")) as picture:
        assert picture.width > 1000
    return json.loads(path.read_text())


def test_a_run_beside_the_references(gan: Gan, train_once: TrainOnce, tmp_path: Path) -> None:
    train_once(to="outputs/train/mine")
    output = gan("evaluate", "n=300", "draws=2").output
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
    assert ", raw | 300 |" in output


def test_several_runs(gan: Gan, train_once: TrainOnce, tmp_path: Path) -> None:
    signed = [
        "dataset.range=signed", "network.generator.output=tanh",
        "network.generator.init.marginal_bias=false",
    ]  # fmt: skip
    for name, settings in (("a", []), ("b", ["seed=1"]), ("c", signed)):
        train_once(*settings, to=name)
    assert gan("evaluate", "runs=[a,b]", "n=200", "draws=2", "references=[]").code == 0
    found = content(tmp_path)
    assert list(found["rows"]) == ["a, raw", "b, raw"]
    assert found["origin"]["run"] == "a, b"
    kept = json.loads((tmp_path / "b/evaluation/weights=raw/quality.json").read_text())
    assert "200 samples (seeds 0 to 1)" in kept["conditions"]
    refusal = gan("evaluate", "runs=[a,c]", "n=200").refusal
    assert "a and c were trained on different data (range" in refusal


def test_a_run_that_can_not_be_written_is_evaluated(
    gan: Gan, train_once: TrainOnce, tmp_path: Path
) -> None:
    (train_once() / "evaluation").write_text("")
    result = gan("evaluate", "run=a", "n=150", "references=[half]")
    assert result.code == 0, result.err
    assert "gan report won't have a, raw: " in result.out + result.err
    assert "a, raw" in content(tmp_path)["rows"]


def test_the_finished_runs_of_a_sweep(gan: Gan, tmp_path: Path) -> None:
    sweep = ["train", "-m", *SMALL, "sweep=mine", "schedule.steps=3", "optimizer.lr=0.1,-1"]
    assert gan(*sweep).code == 1  # the second is refused
    assert gan("evaluate", "sweep=mine", "n=200", "draws=1", "references=[]").code == 0
    (row,) = content(tmp_path)["rows"]
    assert row == "outputs/sweep/mine/optimizer.lr=0.1, raw"
    assert "sweep and runs" in gan("evaluate", "sweep=mine", "runs=[latest]").refusal


def test_samples_in_a_file(gan: Gan, tmp_path: Path) -> None:
    """The very numbers, from the samples themselves."""
    data = Digits((1, 8, 8)).load()
    x = data.test.x
    np.save(tmp_path / "x.npy", x.float().numpy() / 255)
    output = gan("evaluate", "samples=x.npy", "dataset=digits", "references=[half]").output
    found = content(tmp_path)
    row = found["rows"]["x.npy"]
    assert row["n"] == 200
    space = features.feature_space(Digits((1, 8, 8)), data, tmp_path / "outputs/cache")
    order = torch.randperm(len(data.train.x), generator=stream(0, "halves"))
    reference = space(data.train.x[order.chunk(2)[1]])
    view = space(x)
    expected = frechet(view.features, reference.features)
    assert row["frechet"]["mean"] == pytest.approx(expected, rel=1e-6)
    # By bootstrap, which for a mean is s / sqrt(n).
    assert view.classes is not None
    error = view.classes.confidence.std().item() / math.sqrt(200)
    assert row["confidence"]["standard_error"] == pytest.approx(error, rel=0.4)
    assert all(value["standard_error"] > 0 for name, value in row.items() if name in SPREAD)
    assert found["rows"]["training images, other half"]["frechet"]["standard_error"] is None
    assert found["metrics"]["frechet"]["higher_is_better"] is False
    assert "- frechet: lower is better; Heusel et al., 2017." in output


def test_what_follows_from_the_data_is_measured_once(gan: Gan, tmp_path: Path) -> None:
    x = Digits((1, 8, 8)).load().test.x.float().numpy() / 255
    np.save(tmp_path / "x.npy", x)
    command = ["evaluate", "samples=x.npy", "dataset=digits", "hydra.run.dir=outputs/evaluate/one"]
    assert gan(*command).code == 0
    first = content(tmp_path)["rows"]
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("outputs/cache/*")}
    np.save(tmp_path / "x.npy", x[::-1])
    assert gan(*command).code == 0
    other = content(tmp_path)["rows"]
    assert other.pop("x.npy") != first.pop("x.npy")
    assert other == first
    # Nothing is kept of samples, which are others each time.
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.glob("outputs/cache/*")}
    for kind in ("view", "own_distances"):
        damaged = next(path for path in files if path.name.startswith(kind))
        whole = damaged.read_bytes()
        damaged.write_bytes(b"damaged")
        result = gan(*command)
        assert damaged.name in result.refusal
        damaged.write_bytes(whole)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((300, 64), np.float32), "samples is x.npy, whose images are all the same"),
        (np.random.default_rng(0).random((50, 64), np.float32), "needs at least 129 samples"),
    ],
)
def test_bad_samples(gan: Gan, tmp_path: Path, samples: np.ndarray, words: str) -> None:
    np.save(tmp_path / "x.npy", samples)
    assert words in gan("evaluate", "samples=x.npy", "dataset=digits").refusal
    assert not (tmp_path / "outputs/evaluate").exists()


def test_features_of_the_data(gan: Gan, tmp_path: Path) -> None:
    assert gan("features", "steps=30", "hydra.run.dir=f").code == 0
    assert (tmp_path / "f/digits.safetensors").stat().st_size < 1_000_000
    refusal = gan("features", "dataset=folder", "dataset.path=nowhere").refusal
    assert "dataset.path is nowhere" in refusal
