"""`gan probe`, as a person uses it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.command import SMALL, Gan
from PIL import Image

import gan_cli
from gan_cli.data.digits import Digits
from gan_cli.data.source import Split
from gan_cli.metrics.hidden_layers import hidden_layers
from gan_cli.metrics.neighbors import nearest

FEW = ("labels=[30,all]", "draws=2", "threads=1")


@pytest.fixture(autouse=True)
def one_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_cli.metrics.logistic.GRID", [10.0])


def content(cwd: Path) -> dict[str, Any]:
    (path,) = cwd.glob("outputs/probe/*/probe.json")
    assert path.with_suffix(".md").read_text().startswith("| classifier | features | 30 labels |")
    with Image.open(path.with_suffix(".png")) as picture:
        assert picture.width > 1000
        assert picture.info["command"].startswith("gan probe")
    return json.loads(path.read_text())


def test_layers_of_d_beside_the_references(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", *SMALL, "schedule.steps=30", "optimizer.lr=0.1").code == 0
    assert gan("probe", *FEW).code == 0
    found = content(tmp_path)
    assert found["origin"]["step"] == "30"
    table = {(s["classifier"], s["features"], s["labels"]): s for s in found["scores"]}
    assert {features for _, features, _ in table} == {
        "D, hidden layer 1 (16)", "untrained D, hidden layer 1 (16)",
        "D, hidden layer 2 (16)", "untrained D, hidden layer 2 (16)", "PCA (16)", "pixels (64)",
    }  # fmt: skip
    of_all = table["1-NN", "D, hidden layer 2 (16)", 1397]
    assert (of_all["draws"], of_all["standard_error_over"]) == (1, "test images")
    # Recomputed from the run as Python has it.
    run = gan_cli.load("latest", device="cpu")
    data = run.data()
    x, test = (
        hidden_layers(run.discriminator, [part.x / 255])[1] for part in (data.train, data.test)
    )
    right = data.train.y[nearest(test, x)[1]] == data.test.y
    assert of_all["mean"] == pytest.approx(100 * right.double().mean().item(), abs=0.51)
    pixels = table["1-NN", "pixels (64)", 30]
    assert pixels["mean"] == pytest.approx(sum(pixels["accuracies"]) / 2)
    assert pixels["standard_error_over"] == "draws"
    assert 100 > table["1-NN", "pixels (64)", 1397]["mean"] > 97
    assert {d["conclusion"] for d in found["differences"]} == {"not tested"}


def test_a_d_that_has_not_learned_is_the_untrained_one(gan: Gan, tmp_path: Path) -> None:
    settings = ("schedule.steps=2", "optimizer.discriminator.lr=1e-12")
    assert gan("train", *SMALL, *settings).code == 0
    assert gan("probe", "labels=[30]", "draws=1").code == 0
    of_untrained = [d for d in content(tmp_path)["differences"] if d["reference"] == "untrained"]
    assert len(of_untrained) == 4
    assert all(d["values"] == [0] for d in of_untrained)


def test_what_there_can_not_be(gan: Gan, tmp_path: Path) -> None:
    assert gan("train", *SMALL, "schedule.steps=2", "monitor.every_epochs=null").code == 0
    for setting, words in (
        ("labels=[9]", "labels is 9; it must be from 10"),
        ("labels=[50,1398]", "to 1397, the number of labelled examples"),
        ("labels=[]", "labels is []"),
        ("labels=[some]", "labels is ['some']"),
        ("checkpoint=best", "has no best one yet"),
        ("run=nowhere", "nowhere"),
    ):
        result = gan("probe", setting)
        assert words in result.refusal
    assert not (tmp_path / "outputs/probe").exists()


def test_a_conditional_run_is_refused(gan: Gan) -> None:
    assert gan("train", "experiment=digits_conditional", *SMALL, "schedule.steps=2").code == 0
    assert "whose D is given the label as well (condition=label)" in gan("probe").refusal


def test_data_without_labels_are_refused(gan: Gan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gan("train", *SMALL, "schedule.steps=2", "hydra.run.dir=a").code == 0
    data = Digits((1, 8, 8)).load()
    for part, y, words in (
        ("train", None, "but these data have no labels"),
        ("train", torch.zeros(1397, dtype=torch.int64), "but all training examples have the label"),
        ("test", None, "but not all test images of its data have a label"),
        ("test", torch.full((200,), -1), "but not all test images of its data have a label"),
    ):
        other = data._replace(**{part: Split(getattr(data, part).x, y)})
        monkeypatch.setattr(Digits, "load", lambda _, other=other: other)
        result = gan("probe", "a")
        assert f"run is a, {words}" in result.refusal


def test_a_d_without_hidden_layers_is_refused(gan: Gan) -> None:
    assert gan("train", *SMALL, "network.discriminator.units=[]", "schedule.steps=2").code == 0
    assert "whose D has no hidden layer to take features from" in gan("probe", *FEW).refusal
