"""The captured update plays as the update does, and goes on bit for bit; needs a GPU."""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import SMALL, Result, assert_same, weights
from torch import Tensor, nn

from gan_cli.data.minibatches import Minibatches
from gan_cli.data.sources import Split
from gan_cli.errors import UserError
from gan_cli.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_cli.networks.fully_connected import Generator, MaxoutDiscriminator
from gan_cli.training import checkpoints
from gan_cli.training.device import pick_device
from gan_cli.training.graph import Captured
from gan_cli.training.loop import Training
from gan_cli.training.objectives import NonSaturating
from gan_cli.training.optimizers import Adam, Momentum
from gan_cli.training.priors import Uniform
from gan_cli.training.state import new_state
from gan_cli.training.step import Game, alternating, simultaneous

Gan = Callable[..., Result]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
SHAPE = (1, 32, 32)
MOMENTUM = Momentum(0.1, lr_decay=1.01, lr_min=1e-6, momentum=0.5, momentum_end=0.9)
OPTIMIZERS = pytest.mark.parametrize("optimizer", [MOMENTUM, Adam(1e-3)], ids=["momentum", "adam"])
UPDATES = pytest.mark.parametrize(
    ("update", "k"), [(alternating, 1), (alternating, 3), (simultaneous, 1)]
)


class Noisy(MaxoutDiscriminator):
    """Draws from PyTorch's global stream as well, as a user's own network may."""

    def __init__(self) -> None:
        super().__init__(SHAPE, [40, 30], 3, [0.05], max_col_norm=1.9)
        self.noise = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.noise(x))


class Impatient(Noisy):
    """Waits for the device, which no graph can hold."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * float(x.mean().item() > -1)


def training(
    optimizer: Momentum | Adam, update, k: int, pair: str = "maxout", captured: bool = True
) -> Training:
    torch.manual_seed(0)
    device = pick_device("cuda")
    images = torch.randint(0, 256, (200, *SHAPE), dtype=torch.uint8)
    minibatches = Minibatches(Split(images, None), 50, 1, lambda x: x.float() / 255, device)

    of_g = copy.copy(optimizer)
    of_g.lr *= 2

    def set_rates(torch_optimizer: torch.optim.Optimizer, t: int) -> None:
        at = of_g if torch_optimizer is state.g_optimizer else optimizer
        at.set(torch_optimizer, t, t // 3 + 1)

    if pair == "maxout":
        networks = (Generator(10, SHAPE, [60, 70], irange=[0.1]), Noisy())
    elif pair == "impatient":
        networks = (Generator(10, SHAPE, [60, 70]), Impatient())
    else:
        networks = (DCGANGenerator(10, SHAPE, 8), DCGANDiscriminator(SHAPE, 8))
    state = new_state(*networks, optimizer, 0, device)
    joint = pair == "maxout"
    game = Game(NonSaturating(), Uniform(10), set_rates, joint=joint, ema_decay=0.9)
    graph = Captured(update, optimizer) if captured else None
    return Training(state, game, update, k, minibatches, optimizer, graph)


def play(t: Training, steps: int) -> dict:
    for _ in range(steps):
        t.step()
    return t.state.state_dict()


def close(a: Tensor, b: Tensor) -> bool:
    alike = (a.shape, a.dtype) == (b.shape, b.dtype)
    return alike and torch.allclose(a, b, rtol=1e-3, atol=1e-4)


@needs_gpu
@pytest.mark.parametrize("pair", ["maxout", "dcgan"])
@OPTIMIZERS
@UPDATES
def test_captured_plays_as_the_update_does(
    pair: str, optimizer: Momentum | Adam, update, k: int
) -> None:
    """Same weights, optimizers' slots and rates, random streams, and logits."""
    eager = play(training(optimizer, update, k, pair, captured=False), 5)
    assert_same(play(training(optimizer, update, k, pair), 5), eager, close)


@needs_gpu
@pytest.mark.parametrize("pair", ["maxout", "dcgan"])
@OPTIMIZERS
@UPDATES
def test_captured_goes_on_bit_for_bit(
    pair: str, optimizer: Momentum | Adam, update, k: int, tmp_path: Path
) -> None:
    whole = training(optimizer, update, k, pair)
    checkpoints.save(tmp_path, play(whole, 7))
    expected = play(whole, 8)
    resumed = training(optimizer, update, k, pair)
    for before in (0, 3):  # With tensors of its own captured already, the second time.
        play(resumed, before)
        checkpoints.restore(resumed.state, tmp_path)
        assert_same(play(resumed, 8), expected)


@needs_gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_run_on_a_gpu_is_resumed_bit_for_bit(precision: str, gan: Gan, tmp_path: Path) -> None:
    told = [
        *SMALL,
        f"precision={precision}",
        "device=cuda",
        "experiment=mnist",
        "dataset=digits",
        "monitor.every=null",
    ]
    assert gan("train", *told, "schedule.steps=60", "hydra.run.dir=whole").code == 0
    assert gan("train", *told, "schedule.steps=25", "hydra.run.dir=part").code == 0
    resumed = gan("train", "resume=part", "schedule.steps=60")
    assert resumed.code == 0, resumed.err
    assert_same(weights(tmp_path / "part"), weights(tmp_path / "whole"))
    assert gan("sample", "run=part", "n=16").code == 0


@pytest.mark.parametrize("optimizer", [MOMENTUM, Adam(1e-3)], ids=["momentum", "adam"])
def test_rates_from_the_device_are_the_rates(optimizer: Momentum | Adam) -> None:
    """On the CPU: the update that reads them from a tensor against the one that is told them."""
    told, read = (nn.Linear(5, 4).double() for _ in range(2))
    read.load_state_dict(told.state_dict())
    one, other = (optimizer.build(network.parameters()) for network in (told, read))
    numbers = optimizer.build(nn.Linear(1, 1).parameters())
    x = torch.randn(8, 5, dtype=torch.float64)
    for t in range(6):
        optimizer.set(one, t, t + 1)
        optimizer.set(numbers, t, t + 1)
        group = numbers.param_groups[0]
        rates = torch.tensor([group["lr"], group.get("momentum", math.nan)], dtype=torch.float64)
        optimizer.take(other, rates)
        for group in other.param_groups:
            group["capturable"] = False  # There are no graphs on a CPU.
        for network, torch_optimizer in ((told, one), (read, other)):
            torch_optimizer.zero_grad()
            network(x).square().mean().backward()
            torch_optimizer.step()
    for a, b in zip(told.parameters(), read.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)


# The last one: CUDA's global stream is of no use after it.
@needs_gpu
def test_what_cannot_be_captured_is_told() -> None:
    play(training(MOMENTUM, simultaneous, 1, "impatient", captured=False), 2)
    t = training(MOMENTUM, simultaneous, 1, "impatient")
    with pytest.raises(
        UserError, match=r"can't be captured as a CUDA graph \(.*(captur|permit).*cuda_graph=false"
    ):
        t.step()
