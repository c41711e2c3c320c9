"""A run from Python: what the commands give."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import SMALL, Gan, rows, weights

import gan_cli
from gan_cli.errors import UserError


@pytest.fixture
def run(gan: Gan, tmp_path: Path) -> Path:
    settings = ["schedule.steps=6", "log.every_steps=2", "hydra.run.dir=outputs/train/mine"]
    assert gan("train", *SMALL, *settings).code == 0
    return tmp_path / "outputs/train/mine"


@pytest.mark.parametrize("name", ["latest", "mine", "outputs/train/mine"])
def test_samples_are_those_of_the_command(name: str, run: Path, gan: Gan) -> None:
    loaded = gan_cli.load(name)
    assert loaded.path.resolve() == run
    for which in ("raw", "ema"):
        assert gan("sample", "n=5", "seed=3", f"weights={which}", f"save={which}").code == 0
        samples = loaded.sample(5, seed=3, weights=which)
        assert torch.equal(samples, torch.from_numpy(np.load(f"{which}.npy")))
    assert not torch.equal(loaded.sample(5), loaded.sample(5, weights="ema"))


def test_networks_metrics_and_data(run: Path) -> None:
    loaded = gan_cli.load("mine")
    saved = weights(run)
    for name in ("generator", "discriminator"):
        network = getattr(loaded, name)
        assert not network.training
        for key, value in network.state_dict().items():
            assert torch.equal(value, saved[name][key])
    x = loaded.data().train.x[:7] / 255
    assert loaded.discriminator(x).shape == (7,)
    assert loaded.config.schedule.steps == 6
    assert loaded.metrics["step"] == [2, 4, 6]
    assert loaded.metrics["d_loss"] == [float(row["d_loss"]) for row in rows(run)]
    assert loaded.metrics["parzen_valid"][:2] == [None, None]
    assert "finished" in repr(loaded)


def test_a_run_that_there_is_not() -> None:
    with pytest.raises(UserError, match="run is nowhere"):
        gan_cli.load("nowhere")
