"""Metrics of samples that were drawn for a label: known values, and what has none."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from gan_cli.data.digits import Digits
from gan_cli.data.gaussians import Ring
from gan_cli.data.source import Data, Split
from gan_cli.errors import UserError
from gan_cli.figures.quality import draw_quality
from gan_cli.metrics import accuracy
from gan_cli.metrics.accuracy import accuracy_from
from gan_cli.metrics.features import feature_space
from gan_cli.metrics.frechet import frechet
from gan_cli.metrics.quality import Quality, QualityProtocol, measure
from gan_cli.metrics.registry import COMPARED, Comparison, DataView, compare
from gan_cli.metrics.views import Classes, View

LABELLED = ("label_agreement", "class_frechet", "accuracy_from_samples")


@pytest.fixture(scope="module")
def digits() -> Data:
    return Digits((1, 8, 8)).load()


def compared(labels: Tensor) -> Comparison:
    """Two clusters in the plane, 10 apart, with each image's cluster as its class."""
    x = torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    index = torch.arange(600) % 2
    x[:, 0] += 10 * index
    classes = Classes(index, torch.ones(600), 2)
    data = DataView(View(x, classes, index), x, x[:COMPARED], 600, None)
    return compare(View(x, classes, labels), data)


def values(one: Comparison) -> dict[str, float]:
    from gan_cli.metrics.registry import FEATURE_METRICS

    return {metric.name: metric.measure(one) for metric in FEATURE_METRICS if one.has(metric.needs)}


def test_labels_of_the_other_class() -> None:
    """What no metric without labels sees: each class is 10 away from where it should be."""
    y = torch.arange(600) % 2
    right, wrong = (values(compared(labels)) for labels in (y, 1 - y))
    assert (right["label_agreement"], wrong["label_agreement"]) == (1, 0)
    assert right["class_frechet"] == pytest.approx(0, abs=1e-9)
    assert wrong["class_frechet"] == pytest.approx(100, rel=0.05)
    others = right.keys() - set(LABELLED)
    assert {k: right[k] for k in others} == {k: wrong[k] for k in others}
    half = values(compared(torch.where(torch.arange(600) < 300, y, 1 - y)))
    assert half["label_agreement"] == 0.5


def test_a_confusion_matrix() -> None:
    counts = Classes(torch.tensor([0, 2, 2, 1]), torch.ones(4), 3).confusion(
        torch.tensor([0, 0, 2, 2])
    )
    assert counts.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 1]]


def test_a_class_needs_more_samples_than_features() -> None:
    one = compared((torch.arange(600) >= 2).long())
    assert one.rarest == (2, 300)
    assert one.has("labels")
    assert not one.has("each_class")
    assert compared((torch.arange(600) >= 3).long()).has("each_class")


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "STEPS", 60)


def measured(sets: dict[str, Split], digits: Data, cache: Path, classify: bool) -> Quality:
    source = Digits((1, 8, 8))
    space = feature_space(source, digits, cache)
    protocol = QualityProtocol(300, 0, ["half"], [0.2], classify)
    return measure(
        {name: [Split(source.to_model(x), y)] for name, (x, y) in sets.items()},
        source, digits, space, protocol, cache,
    )  # fmt: skip


@pytest.mark.usefixtures("few_steps")
def test_images_with_their_labels_and_with_others(digits: Data, tmp_path: Path) -> None:
    """A classifier that learns a wrong label for each image is always wrong on test images."""
    x, y = digits.valid
    assert y is not None
    sets = {"right": Split(x, y), "wrong": Split(x, (y + 1) % 10), "none": Split(x, None)}
    quality = measured(sets, digits, tmp_path, classify=True)
    right, wrong, none, half = quality.rows.values()
    assert right["label_agreement"].mean > 0.97
    assert wrong["label_agreement"].mean < 0.02
    assert half["label_agreement"].mean > 0.99
    p, error = right["accuracy_from_samples"]
    assert p > 0.6
    assert error == pytest.approx((p * (1 - p) / 200) ** 0.5)
    assert half["accuracy_from_samples"].mean > 0.6
    assert wrong["accuracy_from_samples"].mean < 0.15
    assert not none.keys() & set(LABELLED)
    assert "class_frechet" not in quality.metrics
    of_space, too_few = quality.notes
    assert "of the test images it is 99.00 %" in of_space
    assert quality.classifier_accuracy == pytest.approx(0.99)
    least = torch.bincount(y).min()
    assert "at least 129 samples of each class and 129 of the 698 training images" in too_few
    assert f"of the rarest there are {least} and " in too_few
    (line,) = (line for line in quality.table() if line.startswith("| none | 200 |"))
    assert line.count(" | - ") == 2
    (last,) = draw_quality(quality).subfigs[0].axes[2:]
    assert last.get_title() == "Classes of each label's samples (%)"
    assert last.texts[0].get_text() == "100"


def test_without_labels_nothing_else_is_measured(digits: Data, tmp_path: Path) -> None:
    quality = measured({"none": Split(digits.test.x, None)}, digits, tmp_path, classify=True)
    assert not set(quality.metrics) & set(LABELLED)
    assert all(row.keys() == set(quality.metrics) for row in quality.rows.values())
    assert not quality.notes
    assert len(draw_quality(quality).subfigs[0].axes) == 2
    assert not list(tmp_path.glob("accuracy-*"))


def test_points_of_a_class(tmp_path: Path) -> None:
    """They have no classifier, and the distance of a class is that of its points."""
    ring = Ring(n=2000)
    data = ring.load()
    protocol = QualityProtocol(500, 0, [], [0.1], True)
    space = feature_space(ring, data, tmp_path)
    quality = measure({"test": [data.test]}, ring, data, space, protocol, tmp_path)
    found = quality.class_frechet["test"]
    assert quality.rows["test"]["class_frechet"].mean == pytest.approx(sum(found) / 8)
    assert not {"label_agreement", "accuracy_from_samples"} & set(quality.metrics)
    x, y = data.test
    everything = data.train.x[data.train.y == 3].flatten(1)
    assert found[3] == pytest.approx(frechet(x[y == 3].flatten(1), everything), abs=2e-3)


def test_a_classifier_is_trained_once(
    digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy, "STEPS", 3)
    few = digits.train.take(slice(150))
    first = accuracy_from(few, digits.test, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(accuracy, "train_classifier", lambda *_: pytest.fail("trained"))
        assert accuracy_from(few, digits.test, tmp_path) == first
    (path,) = tmp_path.iterdir()
    assert few.y is not None
    accuracy_from(few._replace(y=(few.y + 1) % 10), digits.test, tmp_path)
    monkeypatch.setattr(accuracy, "STEPS", 4)
    accuracy_from(few, digits.test, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    path.write_text("damaged")
    monkeypatch.setattr(accuracy, "STEPS", 3)
    with pytest.raises(UserError, match=path.name):
        accuracy_from(few, digits.test, tmp_path)
