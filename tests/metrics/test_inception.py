"""Features of Inception-v3, with random weights in place of the published ones."""

import hashlib
from pathlib import Path

import pytest
import torch
from helpers.command import Gan
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from gan_cli.errors import UserError
from gan_cli.metrics import inception

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: {})
        patch.setattr(nn.Module, "load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3("inception", ["2048"], "none")
    torch.save(network.state_dict(), path)
    return path


def test_features_are_those_of_torch_fidelity(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(inception, "DIGEST", digest)
    monkeypatch.setattr(inception, "CHUNK", 2)
    grey = torch.randint(256, (3, 1, 8, 8), dtype=torch.uint8)
    view = inception.InceptionSpace(weights, CPU)(grey)
    theirs = FeatureExtractorInceptionV3("inception", ["2048"], str(weights))
    torch.testing.assert_close(view.features, theirs(grey.repeat(1, 3, 1, 1))[0])
    assert view.features.shape == (3, 2048)
    assert view.classes is None


def test_other_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="6726825d"):
        inception.InceptionSpace(weights, CPU)
    with pytest.raises(UserError, match="path is"):
        inception.InceptionSpace(tmp_path / "nowhere.pth", CPU)


def test_a_file_with_code_in_it_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Code:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "run",))

    torch.save(Code(), tmp_path / "w.pth")
    digest = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(inception, "DIGEST", digest)
    with pytest.raises(UserError, match="path is"):
        inception.InceptionSpace(tmp_path / "w.pth", CPU)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", ["features=inception", "path=w.pth"])
def test_the_features_and_their_file_go_together(given: str, gan: Gan, tmp_path: Path) -> None:
    assert inception.FILE in gan("evaluate", "samples=x.npy", "dataset=digits", given).refusal
    assert not (tmp_path / "outputs/evaluate").exists()
