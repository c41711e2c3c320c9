"""A captured update trains as the update does, and resumes bit for bit.

As a CUDA graph, which needs a GPU or a stand-in, and compiled, which needs a C++ compiler and takes
its time.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.command import SMALL, Gan, assert_same, needs_compiler, weights
from helpers.cpu_graph import stand_in
from helpers.trainers import ONE_PASS, PLAIN, noise, small_trainer
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from gan_cli.data.minibatches import WithLabelled
from gan_cli.data.source import Split
from gan_cli.engines.captured import Captured
from gan_cli.engines.compiled import UNFUSED, Compiled
from gan_cli.engines.cuda_graph import Graph
from gan_cli.errors import UserError
from gan_cli.game.conditions import UniformLabels
from gan_cli.game.priors import Uniform
from gan_cli.game.semi_supervised import feature_matching
from gan_cli.networks.classifier import NoisyClassifier
from gan_cli.networks.conditional import ConditionalGenerator, ConditionalMaxoutDiscriminator
from gan_cli.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Generator
from gan_cli.training import checkpoints
from gan_cli.training.device import pick_device
from gan_cli.training.optimizers import Adam, Momentum
from gan_cli.training.trainer import Trainer

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
pytestmark = pytest.mark.usefixtures("compilers_cache")
SHAPE = (1, 16, 16)
MOMENTUM = Momentum(0.1, lr_decay=1.01, lr_min=1e-6, momentum=0.5, momentum_end=0.9)
ADAM = Adam(1e-3)


class Noisy(MaxoutDiscriminator):
    """Draws from PyTorch's global stream as well, as a user's own network may."""

    def __init__(self) -> None:
        super().__init__(SHAPE, [9], 3, [0.05], max_col_norm=1.9)
        self.noise = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.noise(x) + 0.01 * torch.randn_like(x))


class Waiting(Noisy):
    """Waits for the device, which no graph can hold."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * float(x.mean().item() > -1)


class Guessing(Noisy):
    """Draws by probabilities that depend on its input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * torch.bernoulli(x.detach().sigmoid()))


def training(
    optimizer: Momentum | Adam = MOMENTUM,
    update: str = "simultaneous",
    k: int = 1,
    discriminator: Callable[[], nn.Module] = Noisy,
    engine: type[Captured] | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Trainer:
    torch.manual_seed(0)
    on, prior = pick_device(device), Uniform(10)
    form, classes = ONE_PASS, None
    networks: tuple[nn.Module, nn.Module]
    if discriminator is DCGANDiscriminator:
        form, networks = PLAIN, (DCGANGenerator(10, SHAPE, 4), DCGANDiscriminator(SHAPE, 4))
    elif discriminator is ConditionalMaxoutDiscriminator:
        classes, settings = 5, {"pieces": 3, "irange": [0.05], "max_col_norm": 1.9}
        networks = (
            ConditionalGenerator(10, classes, SHAPE, [12, 14], init={"irange": [0.1]}),
            ConditionalMaxoutDiscriminator(SHAPE, classes, [9, 8], **settings),
        )
    elif discriminator is NoisyClassifier:
        networks = (Generator(10, SHAPE, [60]), NoisyClassifier(SHAPE, 5, [40, 30]))
    else:
        networks = (Generator(10, SHAPE, [12], init={"irange": [0.1]}), discriminator())

    def z(m: int, rng: torch.Generator) -> Tensor:
        return prior(m, rng).to(dtype)

    minibatches = noise(SHAPE, 40, 10, dtype, on, classes)
    if update == "feature_matching":
        few = Split(minibatches.x[:20], torch.arange(20) % 5)
        data = Split(minibatches.x, None)
        minibatches = WithLabelled(data, few, 10, 1, minibatches.to_model, on)
        form = {"feature_matching": feature_matching}
    t = small_trainer(
        *networks, optimizer, minibatches, form[update], k, z, g_rate=2, ema_decay=0.9
    )  # fmt: skip
    if classes:
        t.game = replace(t.game, fake_condition=UniformLabels(classes))
    return replace(t, update=engine(t.update, optimizer.set_from_tensor)) if engine else t


def train(t: Trainer, steps: int) -> dict:
    for _ in range(steps):
        t.train_step()
    return t.state.state_dict()


def close(a: Tensor, b: Tensor) -> bool:
    alike = (a.shape, a.dtype) == (b.shape, b.dtype)
    rtol = 1e-3 if a.dtype == torch.float32 else 1e-6
    return alike and torch.allclose(a, b, rtol=rtol, atol=rtol / 10)


def graphs_on(device: str) -> AbstractContextManager[None]:
    return stand_in() if device == "cpu" else nullcontext()


@pytest.mark.parametrize(
    ("engine", "device"),
    [
        pytest.param(Graph, "cuda", marks=needs_gpu),
        (Graph, "cpu"),
        pytest.param(Compiled, "cpu", marks=[needs_compiler, pytest.mark.slow]),
    ],
)
@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM], ids=["momentum", "adam"])
@pytest.mark.parametrize(
    ("discriminator", "update", "k"),
    [
        *(
            (discriminator, update, k)
            for discriminator in (Noisy, DCGANDiscriminator, ConditionalMaxoutDiscriminator)
            for update, k in (("alternating", 1), ("alternating", 3), ("simultaneous", 1))
        ),
        (NoisyClassifier, "feature_matching", 2),
    ],
)
def test_a_captured_update_trains_as_the_update_does(
    engine: type[Captured],
    device: str,
    discriminator: type[nn.Module],
    optimizer: Momentum | Adam,
    update: str,
    k: int,
    tmp_path: Path,
) -> None:
    """Same weights, buffers, learning rates, random streams and logits; and when resumed."""
    dtype = torch.float32 if device == "cuda" else torch.float64

    def new(engine: type[Captured] | None) -> Trainer:
        return training(optimizer, update, k, discriminator, engine, device, dtype)

    with graphs_on(device) if engine is Graph else nullcontext():
        whole = new(engine)
        assert_same(train(whole, 4), train(new(None), 4), close)

        checkpoints.save(tmp_path, train(whole, 2))
        expected = train(whole, 4)
        resumed = new(engine)
        for before in (0, 2):  # The second time it has captured tensors of its own already.
            train(resumed, before)
            checkpoints.restore(resumed.state, tmp_path)
            assert_same(train(resumed, 4), expected)


@needs_compiler
def test_a_compiled_update_trains_as_the_update_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quickest of those that are slow, without what takes the C++ compiler longest."""
    monkeypatch.setattr(torch._inductor.config.cpp, "vec_isa_ok", False)
    monkeypatch.setattr(torch._inductor.config, "cpp_cache_precompile_headers", False)
    test_a_captured_update_trains_as_the_update_does(
        Compiled, "cpu", Noisy, MOMENTUM, "simultaneous", 1, tmp_path
    )


@pytest.mark.parametrize(
    ("captured", "precision"),
    [
        *(pytest.param("device=cuda", p, marks=needs_gpu) for p in ("fp32", "tf32", "bf16")),
        pytest.param("compile=true", "bf16", marks=[needs_compiler, pytest.mark.slow]),
    ],
)
def test_a_captured_run_is_resumed_bit_for_bit(
    captured: str, precision: str, gan: Gan, tmp_path: Path
) -> None:
    settings = [
        *SMALL,
        f"precision={precision}",
        captured,
        "experiment=mnist",
        "dataset=digits",
        "monitor.every_epochs=null",
    ]
    assert gan("train", *settings, "schedule.steps=60", "hydra.run.dir=whole").code == 0
    assert gan("train", *settings, "schedule.steps=25", "hydra.run.dir=part").code == 0
    assert gan("train", "resume=part", "schedule.steps=60").code == 0
    assert_same(weights(tmp_path / "part"), weights(tmp_path / "whole"))
    assert gan("sample", "run=part", "n=16").code == 0


def backward(*networks: nn.Module) -> None:
    """Give the networks gradients, of a loss of the same data."""
    x = torch.linspace(-1, 1, 40, dtype=torch.float64).view(8, 5).sin()
    for network in networks:
        network.zero_grad()
        network(x).square().mean().backward()


def two_alike() -> tuple[nn.Linear, nn.Linear]:
    one, other = (nn.Linear(5, 4).double() for _ in range(2))
    other.load_state_dict(one.state_dict())
    return one, other


@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM], ids=["momentum", "adam"])
def test_hyperparameters_from_a_tensor(optimizer: Momentum | Adam) -> None:
    one, other = two_alike()
    from_numbers, from_tensor = (optimizer.build(n.parameters()) for n in (one, other))
    numbers = optimizer.build(nn.Linear(1, 1).parameters())
    for t in range(6):
        optimizer.set_hyperparameters(from_numbers, t, t + 1)
        optimizer.set_hyperparameters(numbers, t, t + 1)
        group = numbers.param_groups[0]
        values = torch.tensor([group["lr"], group.get("momentum", math.nan)], dtype=torch.float64)
        optimizer.set_from_tensor(from_tensor, values)
        for group in from_tensor.param_groups:
            group["capturable"] = False  # There are no graphs on a CPU.
        backward(one, other)
        from_numbers.step()
        from_tensor.step()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    "build",
    [
        lambda p: torch.optim.SGD(p, 0.1, fused=True),
        lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.2, nesterov=True, fused=True),
        lambda p: torch.optim.SGD(p, 0.1, 0.9, 0.3, maximize=True, fused=True),
        lambda p: torch.optim.Adam(p, 0.1, (0.5, 0.99), 1e-3, fused=True),
        lambda p: torch.optim.Adam(p, 0.1, (0.0, 0.9), 1e-8, 0.2, maximize=True, fused=True),
    ],
)
def test_unfused_optimizers_do_as_the_fused(build: Callable[..., torch.optim.Optimizer]) -> None:
    one, other = two_alike()
    fused, unfused = build(one.parameters()), build(other.parameters())
    for t in range(4):
        backward(one, other)
        fused.step()
        # The first step makes the buffers.
        unfused.param_groups[0]["lr"] = torch.tensor(0.1, dtype=torch.float64) if t else 0.1
        make_fx(lambda: unfused.step(), decomposition_table=UNFUSED)()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("discriminator", "reason"),
    [
        (Guessing, "aten.bernoulli.default draws random numbers that depend on others"),
        (Waiting, ".*_local_scalar_dense"),
        (Noisy, "x.cpp:1: fatal error: Python.h: No such file or directory"),
    ],
)
def test_what_cannot_be_compiled_is_a_sentence(
    discriminator: type[Noisy], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(
            "C++ compile error\n\nCommand:\ng++ x.cpp\n\nOutput:\n"
            "x.cpp:1: fatal error: Python.h: No such file or directory"
        )

    monkeypatch.setattr(torch, "compile", lambda *_, **__: fail)
    train(training(discriminator=discriminator), 2)
    t = training(discriminator=discriminator, engine=Compiled)
    with pytest.raises(UserError, match=rf"{reason}.*compile=false"):
        t.train_step()


@needs_compiler
def test_a_compiler_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With PyTorch's own error."""
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    with pytest.raises(UserError, match="no-such-compiler"):
        training(engine=Compiled).train_step()


# The last one: CUDA's global stream is of no use after it.
@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("cpu", "operation not permitted when stream is capturing"),
        pytest.param("cuda", ".*(captur|permit).*", marks=needs_gpu),
    ],
)
def test_what_cannot_be_captured_is_a_sentence(device: str, reason: str) -> None:
    with graphs_on(device):
        train(training(discriminator=Waiting, device=device), 2)
        t = training(discriminator=Waiting, engine=Graph, device=device)
        with pytest.raises(UserError, match=rf"{reason}.*cuda_graph=false"):
            t.train_step()
