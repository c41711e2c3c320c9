"""A run from Python: what the commands give."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.command import Gan, TrainOnce, rows, weights
from matplotlib.figure import Figure

import gan_cli
from gan_cli.data.digits import Digits
from gan_cli.errors import UserError


@pytest.fixture
def run(train_once: TrainOnce) -> Path:
    return train_once("schedule.steps=6", "log.every_steps=2", to="outputs/train/mine")


def test_samples_are_those_of_the_command(run: Path, gan: Gan) -> None:
    for name in ("latest", "mine", "outputs/train/mine"):
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
    assert "finished" in repr(loaded)


def test_metrics_without_pandas_are_columns(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    metrics = gan_cli.load("mine").metrics
    assert metrics["step"] == [2, 4, 6]
    assert metrics["d_loss"] == [float(row["d_loss"]) for row in rows(run)]
    assert metrics["parzen_valid"][:2] == [None, None]
    axes = Figure().subplots()
    axes.plot(metrics["epoch"], metrics["parzen_valid"])
    assert np.isnan(axes.lines[0].get_ydata(orig=False)).tolist() == [True, True, False]


@pytest.mark.usefixtures("run")
def test_metrics_with_pandas_are_a_data_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    class DataFrame(dict):
        """Stands for pandas', which the tests do not need to be installed."""

    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=DataFrame))
    metrics = gan_cli.load("mine").metrics
    assert isinstance(metrics, DataFrame)
    assert metrics["step"] == [2, 4, 6]


@pytest.mark.parametrize("space", ["signed", "gcn"])
def test_samples_are_in_0_1_in_every_model_space(
    space: str, gan: Gan, train_once: TrainOnce
) -> None:
    """And are the picture that `gan sample` draws, before its rounding to bytes."""
    linear = [f"network.generator.{it}" for it in ("output=linear", "init.marginal_bias=false")]
    settings = [f"dataset.range={space}", "network.generator.init.irange=[1.0]"]
    run = gan_cli.load(str(train_once(*linear, *settings)))
    samples = run.sample(5)
    assert samples.dtype == torch.float32
    assert 0 <= samples.min() < samples.max() <= 1
    assert gan("sample", "run=a", "n=5", "save=x").code == 0
    pixels = Digits([1, 8, 8], space).to_pixels(torch.from_numpy(np.load("x.npy")))
    assert torch.equal((255 * samples).round().to(torch.uint8), pixels)


@pytest.mark.usefixtures("run")
def test_samples_that_there_are_not() -> None:
    loaded = gan_cli.load("mine")
    for draw in (loaded.sample, loaded.z):
        with pytest.raises(UserError, match="n is 0"):
            draw(0)
    with pytest.raises(UserError, match="weights is best"):
        loaded.sample(1, weights="best")


def test_samples_are_what_the_generator_makes_of_the_same_z(train_once: TrainOnce) -> None:
    """Pixels of [-1, 1] in model space, which are [0, 1] to look at."""
    tanh = [f"network.generator.{it}" for it in ("output=tanh", "init.marginal_bias=false")]
    run = gan_cli.load(str(train_once(*tanh, "dataset.range=signed")))
    for which, generator in (("raw", run.generator), ("ema", run.average)):
        with torch.no_grad():
            images = generator(run.z(8, seed=3))
        samples = run.sample(8, seed=3, weights=which)
        torch.testing.assert_close((images.cpu() + 1) / 2, samples)
    assert torch.equal(run.z(300)[:8], run.z(8))
    assert not torch.equal(run.z(8, seed=3), run.z(8))


@pytest.mark.usefixtures("run")
def test_z_is_of_the_prior() -> None:
    z = gan_cli.load("mine").z(500)
    torch.testing.assert_close(z.abs().max(), torch.tensor(3.0).sqrt(), rtol=0.01, atol=0)


@pytest.mark.usefixtures("run")
def test_the_page_s_example_of_a_loaded_run() -> None:
    page = (Path(__file__).parents[2] / "docs/python.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (code,) = [block for block in blocks if "gan_cli.load" in block]
    scope: dict = {}
    exec(code, scope)
    assert scope["images"].shape == (64, 1, 8, 8)
    assert scope["logits"].shape == scope["fake_logits"].shape == (64,)
    assert len(scope["v"]) == 3


def test_a_run_that_there_is_not() -> None:
    with pytest.raises(UserError, match="run is nowhere"):
        gan_cli.load("nowhere")
