"""Networks as people write them: they train, or a sentence says why not before there is a run."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.command import Gan, Result, assert_same

import gan_cli
from gan_cli.training import checkpoints

NETWORKS = """
import random

import numpy as np
import torch
from torch import nn
from torch.nn.utils import weight_norm


class G(nn.Module):
    def __init__(self, z_dim):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(z_dim, 64), nn.Sigmoid())

    def forward(self, z):
        return self.net(z).view(-1, 1, 8, 8)


class UnusedG(G):
    def __init__(self, z_dim):
        super().__init__(z_dim)
        self.embedding = nn.Embedding(10, z_dim)


class OldWeightNormG(G):
    def __init__(self, z_dim):
        super().__init__(z_dim)
        weight_norm(self.net[0])


class NoisyG(G):
    def forward(self, z):
        return super().forward(z + 0.1 * torch.randn_like(z))


class PythonsNoiseG(G):
    def forward(self, z):
        return super().forward(z) * (0.5 + random.random() / 4 + np.random.random() / 4)


class TanhG(G):
    def forward(self, z):
        return 2 * super().forward(z) - 1


class NoParametersG(nn.Module):
    def __init__(self, z_dim):
        super().__init__()

    def forward(self, z):
        return z[:, :64].sigmoid().view(-1, 1, 8, 8)


class HalfG(G):
    def forward(self, z):
        return super().forward(z).half()


class D(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))

    def forward(self, x):
        return self.net(x)


class TwoLogitsD(D):
    def forward(self, x):
        return super().forward(x).repeat(2, 1)


class ReadingD(D):
    def forward(self, x):
        return super().forward(x - x.mean().item())


class AuxD(D):
    def __init__(self):
        super().__init__()
        self.aux = nn.Linear(64, 10)


class LazyD(D):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.LazyLinear(1), nn.Flatten(0))


class OldWeightNormD(D):
    def __init__(self):
        super().__init__()
        weight_norm(self.net[1])


class RnnD(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 1)

    def forward(self, x):
        return self.out(self.rnn(x.squeeze(1))[0][:, -1]).flatten()


class SigmoidD(D):
    def forward(self, x):
        return super().forward(x).sigmoid()
"""
OWN = """
generator: {_target_: nets.G, z_dim: "${prior.dim}"}
discriminator: {_target_: nets.D}
"""


@pytest.fixture
def train(gan: Gan, tmp_path: Path) -> Gan:
    (tmp_path / "own/network").mkdir(parents=True)
    (tmp_path / "own/nets.py").write_text(NETWORKS)
    (tmp_path / "own/network/own.yaml").write_text(OWN)

    def run(*settings: str) -> Result:
        common = ["schedule.batch_size=20", "schedule.steps=3", "threads=1", "hydra.run.dir=run"]
        return gan("train", "--config-dir", "own", "network=own", *common, *settings)

    return run


def target(name: str) -> str:
    player = "generator" if name.endswith("G") else "discriminator"
    return f"network.{player}._target_=nets.{name}"


def test_a_module_behind_one_of_pythons_own(train: Gan, tmp_path: Path) -> None:
    (tmp_path / "own/this.py").write_text(NETWORKS)
    assert f"{tmp_path}/own/this.py" in train("network.generator._target_=this.G").refusal
    result = train("network.generator._target_=nets.NoSuchG")
    assert result.out == ""
    assert "nets.NoSuchG" in result.err
    assert "nets.py" in result.err


def test_a_run_knows_where_its_modules_are(
    train: Gan, gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = list(sys.path)

    def forget() -> None:
        monkeypatch.delitem(sys.modules, "nets", raising=False)
        monkeypatch.setattr(sys, "path", list(path))

    forget()
    with (tmp_path / "own/nets.py").open("a") as file:
        file.write("\nfrom gan_cli.data.digits import Digits as Mine\n")
    assert train("dataset._target_=nets.Mine").code == 0
    run = tmp_path / "run"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")

    def anew(*arguments: str) -> Result:
        forget()
        return gan(*arguments, "threads=1")

    assert anew("sample", f"run={run}", "n=4").code == 0
    assert anew("train", f"resume={run}", "schedule.steps=5").code == 0
    assert f"--config-dir {tmp_path}/own" in anew("show", f"run={run}").out
    forget()
    loaded = gan_cli.load(str(run))
    assert loaded.data().train.x[:2].shape == loaded.sample(2).shape

    (tmp_path / "own").rename(tmp_path / "moved")
    assert f"{tmp_path}/own" in anew("sample", f"run={run}", "n=4").refusal
    moved = ["--config-dir", str(tmp_path / "moved")]
    assert gan("train", *moved, f"resume={run}", "schedule.steps=7", "threads=1").code == 0
    assert anew("sample", f"run={run}", "n=4").code == 0


@pytest.mark.filterwarnings("ignore:.torch.nn.utils.weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize(
    "pair", [("UnusedG", "AuxD"), ("OldWeightNormG", "OldWeightNormD"), ("G", "LazyD")]
)
@pytest.mark.parametrize("updates", ["alternating", "simultaneous"])
def test_networks_that_train_elsewhere_train_here(
    pair: tuple[str, str], updates: str, train: Gan, gan: Gan, tmp_path: Path
) -> None:
    settings = [*map(target, pair), f"schedule.updates={updates}"]
    assert train(*settings).code == 0
    assert gan("sample", "run=run", "n=4", "weights=ema").code == 0
    assert train(*settings, "resume=run", "schedule.steps=5").code == 0
    assert checkpoints.load_newest(tmp_path / "run/checkpoints")["step"] == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NoParametersG", "network.generator has no parameters"),
        ("TwoLogitsD", "gives (2, 8) for 8"),
        ("HalfG", "torch.float16"),
    ],
)
def test_networks_that_can_not_train_are_refused_before_there_is_a_run(
    name: str, message: str, train: Gan, tmp_path: Path
) -> None:
    assert message in train(target(name)).refusal
    assert not (tmp_path / "run").exists()


def test_a_generator_outside_of_the_datas_range_is_warned_of(train: Gan) -> None:
    result = train(target("TanhG"))
    assert "network.generator gives values from -" in result.out
    assert "gives values" not in train("hydra.run.dir=other").out


@pytest.mark.parametrize(
    ("name", "warned", "every"), [("SigmoidD", True, 7), ("SigmoidD", True, 100), ("D", False, 100)]
)
def test_a_discriminator_that_ends_in_a_sigmoid_is_warned_of_once(
    name: str, warned: bool, every: int, train: Gan
) -> None:
    result = train(target(name), "schedule.steps=120", f"log.every_steps={every}")
    assert result.out.count("as if it ended in a sigmoid") == warned


@pytest.mark.parametrize("name", ["NoisyG", "PythonsNoiseG"])
def test_pictures_of_samples_do_not_change_the_training(
    name: str, train: Gan, gan: Gan, tmp_path: Path
) -> None:
    """Though G draws random numbers of its own; and its samples depend on the seed alone."""
    weights = []
    for run, grids in (("few", 100), ("many", 1)):
        settings = [f"hydra.run.dir={run}", "schedule.steps=6", f"log.grid_every_steps={grids}"]
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        assert train(target(name), *settings).code == 0
        saved = checkpoints.load_newest(tmp_path / run / "checkpoints")
        weights.append(saved["generator"])
    assert_same(*weights)
    for name in ("a", "b"):
        assert gan("sample", "run=few", "n=4", f"save={name}").code == 0
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_a_dry_run_shows_layers_that_return_tuples(train: Gan) -> None:
    result = train(target("RnnD"), "dry_run=true")
    assert result.code == 0, result.err
    assert "rnn LSTM(8, 16, batch_first=True)" in result.out
    assert "-> 8 x 16" in result.out


def test_a_dry_run_of_a_network_that_asks_for_numbers(train: Gan) -> None:
    assert "dry_run is true" in train(target("ReadingD"), "dry_run=true").refusal
