from pathlib import Path

import pytest
import torch

from gan_cli.data.digits import Digits
from gan_cli.data.gaussians import Ring
from gan_cli.data.idx import IDX
from gan_cli.data.source import Data, Split
from gan_cli.errors import UserError
from gan_cli.metrics import features
from gan_cli.metrics.features import (
    Classes,
    StackedSpace,
    feature_space,
    load_classifier,
    train_classifier,
)
from gan_cli.metrics.registry import total_variation

SOURCE = Digits((1, 8, 8))


@pytest.fixture(autouse=True)
def without_shipped_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "SHIPPED", {})


@pytest.fixture(scope="module")
def data() -> Data:
    return SOURCE.load()


@pytest.fixture(scope="module")
def cache(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a classifier of the digits is."""
    path = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "SHIPPED", {})
        patch.setattr(features, "STEPS", 200)
        feature_space(SOURCE, data, path)
    return path


def test_a_classifier_learns_the_digits_once(
    data: Data, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "train_classifier", lambda *_: pytest.fail("trained"))
    space = feature_space(SOURCE, data, cache)
    view = space(data.test.x)
    assert view.features.shape == (200, 128)
    assert view.classes.of == 10
    accuracy = (view.classes.most_probable == data.test.y).double().mean().item()
    assert accuracy > 0.9
    assert f"{100 * accuracy:.2f} % on test" in space.name


def test_training_depends_on_the_seed_alone(data: Data) -> None:
    few = data.train.take(slice(200))
    torch.manual_seed(3)
    one, other, third = (train_classifier(few, seed, steps=3) for seed in (0, 0, 1))
    assert torch.equal(one.head.weight, other.head.weight)
    assert not torch.equal(one.head.weight, third.head.weight)


@pytest.mark.parametrize(("least", "steps"), [("STEPS", 7), ("EPOCHS", 5)])
def test_training_ends_by_what_is_less(
    least: str, steps: int, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = data._replace(train=data.train.take(slice(300)))  # two epochs take 4.7 minibatches
    monkeypatch.setattr(features, "SHIPPED", {})
    monkeypatch.setattr(features, least, {"STEPS": 7, "EPOCHS": 2}[least])
    asked = []
    monkeypatch.setattr(features, "train_classifier", lambda _x, _seed, n: asked.append(n))
    with pytest.raises(AttributeError):  # there is no network to save
        feature_space(SOURCE, few, tmp_path)
    assert asked == [steps]


def test_images_have_the_same_features_in_any_company(data: Data, cache: Path) -> None:
    space = feature_space(SOURCE, data, cache)
    whole, part = space(data.train.x[:700]), space(data.train.x[3:8])
    torch.testing.assert_close(whole.features[3:8], part.features, rtol=1e-5, atol=1e-6)


def test_unlabelled_images_get_a_random_network(data: Data, tmp_path: Path) -> None:
    unlabelled = Data(*(Split(part.x, None) for part in data))
    space = feature_space(SOURCE, unlabelled, tmp_path)
    view = space(data.test.x)
    assert "random" in space.name
    assert view.classes is None
    assert view.features.std() > 0
    again = feature_space(SOURCE, unlabelled, tmp_path)
    assert torch.equal(again(data.test.x).features, view.features)
    assert not any(tmp_path.iterdir())


def test_points_are_their_own_features(tmp_path: Path) -> None:
    ring = Ring(n=100)
    points = ring.load()
    view = feature_space(ring, points, tmp_path)(points.train.x)
    assert torch.equal(view.features, points.train.x.flatten(1))


def test_channels_make_one_class(data: Data, cache: Path) -> None:
    digits = feature_space(SOURCE, data, cache)
    stacked = StackedSpace(digits)(torch.cat([data.test.x[i : i + 20] for i in (0, 20, 40)], 1))
    found = digits(data.test.x[:60]).classes.most_probable.view(3, 20)
    assert torch.equal(stacked.classes.most_probable, 100 * found[0] + 10 * found[1] + found[2])
    assert stacked.classes.of == 1000
    assert stacked.features.shape == (20, 384)


def test_a_damaged_file_is_named(cache: Path, tmp_path: Path) -> None:
    (whole,) = cache.iterdir()
    path = tmp_path / whole.name
    path.write_bytes(whole.read_bytes()[:1000])
    with pytest.raises(UserError, match=path.name):
        load_classifier(path)


def test_shipped_weights_know_their_data(mnist_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for source, least in ((SOURCE, 0.97), (IDX("MNIST", mnist_dir), 0.994)):
        data = source.load()
        view = feature_space(source, data, Path())(data.test.x)
        accuracy = (view.classes.most_probable == data.test.y).double().mean()
        assert accuracy >= least


def test_shipped_weights_are_checked(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "SHIPPED", {"digits": "0" * 64})
    with pytest.raises(UserError, match="SHA-256"):
        feature_space(SOURCE, data, Path())


def test_shares_and_their_distance() -> None:
    shares = Classes(torch.tensor([0, 2, 2, 3]), torch.ones(4), 5).shares()
    assert shares.tolist() == [0.25, 0.0, 0.5, 0.25, 0.0]
    assert total_variation(shares, shares) == 0
    assert total_variation(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])) == 1
    assert total_variation(shares, torch.full((5,), 0.2)) == pytest.approx(0.4)
