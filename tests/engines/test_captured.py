"""The captured update plays as the update does, and goes on bit for bit.

As a CUDA graph, which needs a GPU or a stand-in, and compiled, which needs a C++ compiler and takes
its time.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from helpers.command import SMALL, Result, assert_same, needs_compiler, weights
from helpers.cpu_graph import stand_in
from helpers.trainers import ONE_PASS, PLAIN, small_trainer
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from gan_cli.engines.captured import Captured
from gan_cli.engines.compiled import Compiled, _keep_casts, _Replace
from gan_cli.engines.cuda_graph import Graph
from gan_cli.errors import UserError
from gan_cli.game.priors import Uniform
from gan_cli.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Generator
from gan_cli.training import checkpoints
from gan_cli.training.device import pick_device
from gan_cli.training.optimizers import Adam, Momentum
from gan_cli.training.trainer import Trainer

Gan = Callable[..., Result]
SLOW = pytest.mark.slow
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
pytestmark = pytest.mark.usefixtures("compilers_cache")
SHAPE = (1, 32, 32)
MOMENTUM = Momentum(0.1, lr_decay=1.01, lr_min=1e-6, momentum=0.5, momentum_end=0.9)
ADAM = Adam(1e-3)
UPDATES = [("alternating", 1), ("alternating", 3), ("simultaneous", 1)]
GAMES = [
    (pair, optimizer, update, k)
    for pair in ("maxout", "dcgan")
    for optimizer in (MOMENTUM, ADAM)
    for update, k in UPDATES
]
QUICK = ("maxout", MOMENTUM, "simultaneous", 1)  # All of them take minutes to compile.


@pytest.fixture
def cpu_graphs() -> Iterator[None]:
    with stand_in():
        yield


def _each(kind: type[Captured], device: str, *marks: pytest.MarkDecorator) -> list:
    return [
        pytest.param(
            kind, device, pair, optimizer, update, k,
            id=f"{kind.__name__}-{device}-{pair}-{type(optimizer).__name__}-{update}-{k}",
            marks=[m for m in marks if m is not SLOW or (pair, optimizer, update, k) != QUICK],
        )
        for pair, optimizer, update, k in GAMES
    ]  # fmt: skip


EACH = pytest.mark.parametrize(
    ("kind", "device", "pair", "optimizer", "update", "k"),
    [
        *_each(Graph, "cuda", needs_gpu),
        *_each(Graph, "cpu"),
        *_each(Compiled, "cpu", needs_compiler, SLOW),
    ],
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


class Guessing(Noisy):
    """Draws by probabilities that depend on its input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * torch.bernoulli(x.detach().sigmoid()))


class Changing(Noisy):
    """Draws more the more often it has judged."""

    def __init__(self) -> None:
        super().__init__()
        self.judged = 0

    def forward(self, x: Tensor) -> Tensor:
        self.judged += 1
        for _ in range(self.judged):
            x = self.noise(x)
        return super().forward(x)


JUDGES: dict[str, type[Noisy]] = {
    "impatient": Impatient,
    "guessing": Guessing,
    "changing": Changing,
}


def training(
    optimizer: Momentum | Adam,
    update,
    k: int,
    pair: str = "maxout",
    engine: type[Captured] | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Trainer:
    torch.manual_seed(0)
    on = pick_device(device)
    if pair == "maxout":
        networks = (Generator(10, SHAPE, [60, 70], irange=[0.1]), Noisy())
    elif pair in JUDGES:
        networks = (Generator(10, SHAPE, [60, 70]), JUDGES[pair]())
    else:
        networks = (DCGANGenerator(10, SHAPE, 8), DCGANDiscriminator(SHAPE, 8))
    form = ONE_PASS if pair == "maxout" else PLAIN
    prior = Uniform(10)

    def z(m: int, rng: torch.Generator) -> Tensor:
        return prior(m, rng).to(dtype)

    return small_trainer(
        *networks, optimizer, form[update], k, shape=SHAPE, n=200, m=50, prior=z, g_rate=2,
        dtype=dtype, device=on, engine=engine, ema_decay=0.9,
    )  # fmt: skip


def play(t: Trainer, steps: int) -> dict:
    for _ in range(steps):
        t.train_step()
    return t.state.state_dict()


def close(a: Tensor, b: Tensor) -> bool:
    alike = (a.shape, a.dtype) == (b.shape, b.dtype)
    rtol = 1e-3 if a.dtype == torch.float32 else 1e-6
    return alike and torch.allclose(a, b, rtol=rtol, atol=rtol / 10)


@EACH
def test_captured_plays_as_the_update_does_and_goes_on_bit_for_bit(
    kind: type[Captured],
    device: str,
    pair: str,
    optimizer: Momentum | Adam,
    update,
    k: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Same weights, optimizers' slots and rates, random streams, and logits."""
    if kind is Graph and device == "cpu":
        request.getfixturevalue("cpu_graphs")
    where = device, torch.float32 if device == "cuda" else torch.float64
    eager = play(training(optimizer, update, k, pair, None, *where), 5)
    whole = training(optimizer, update, k, pair, kind, *where)
    assert_same(play(whole, 5), eager, close)

    checkpoints.save(tmp_path, play(whole, 2))
    expected = play(whole, 8)
    resumed = training(optimizer, update, k, pair, kind, *where)
    for before in (0, 3):  # With tensors of its own captured already, the second time.
        play(resumed, before)
        checkpoints.restore(resumed.state, tmp_path)
        assert_same(play(resumed, 8), expected)


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
    told = [
        *SMALL,
        f"precision={precision}",
        captured,
        "experiment=mnist",
        "dataset=digits",
        "monitor.every_epochs=null",
    ]
    assert gan("train", *told, "schedule.steps=60", "hydra.run.dir=whole").code == 0
    assert gan("train", *told, "schedule.steps=25", "hydra.run.dir=part").code == 0
    resumed = gan("train", "resume=part", "schedule.steps=60")
    assert resumed.code == 0, resumed.err
    assert_same(weights(tmp_path / "part"), weights(tmp_path / "whole"))
    assert gan("sample", "run=part", "n=16").code == 0


@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM], ids=["momentum", "adam"])
def test_rates_from_the_device_are_the_rates(optimizer: Momentum | Adam) -> None:
    """On the CPU: the update that reads them from a tensor against the one that is told them."""
    told, read = (nn.Linear(5, 4).double() for _ in range(2))
    read.load_state_dict(told.state_dict())
    one, other = (optimizer.build(network.parameters()) for network in (told, read))
    numbers = optimizer.build(nn.Linear(1, 1).parameters())
    x = torch.randn(8, 5, dtype=torch.float64)
    for t in range(6):
        optimizer.set_hyperparameters(one, t, t + 1)
        optimizer.set_hyperparameters(numbers, t, t + 1)
        group = numbers.param_groups[0]
        rates = torch.tensor([group["lr"], group.get("momentum", math.nan)], dtype=torch.float64)
        optimizer.set_from_tensor(other, rates)
        for group in other.param_groups:
            group["capturable"] = False  # There are no graphs on a CPU.
        for network, torch_optimizer in ((told, one), (read, other)):
            torch_optimizer.zero_grad()
            network(x).square().mean().backward()
            torch_optimizer.step()
    for a, b in zip(told.parameters(), read.parameters(), strict=True):
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
def test_plain_operations_do_as_the_fused(build: Callable[..., torch.optim.Optimizer]) -> None:
    fused, plain = (nn.Linear(5, 4).double() for _ in range(2))
    plain.load_state_dict(fused.state_dict())
    one, other = build(fused.parameters()), build(plain.parameters())
    x = torch.randn(8, 5, dtype=torch.float64)
    for t in range(4):
        for network, optimizer in ((fused, one), (plain, other)):
            optimizer.zero_grad()
            network(x).square().mean().backward()
        one.step()
        # The first step makes the buffers.
        other.param_groups[0]["lr"] = torch.tensor(0.1, dtype=torch.float64) if t else 0.1
        with _Replace([]):
            other.step()
    for a, b in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_casts_that_are_kept_are_those_of_the_weights() -> None:
    """The program with them, played as Python, moves bit for bit as the one that casts anew."""

    def update(weight: Tensor, moved_first: Tensor, never_moved: Tensor, x: Tensor) -> Tensor:
        y = x.bfloat16() @ weight.bfloat16() @ never_moved.bfloat16()
        weight.sub_(x.t() @ y.float(), alpha=0.1)
        torch._foreach_mul_([moved_first], 1.25)  # After which it is the same input to a trace.
        return y @ moved_first.bfloat16() @ weight.bfloat16()

    torch.manual_seed(0)
    tensors = [torch.randn(8, 8) for _ in range(3)]
    xs = torch.randn(5, 6, 8)
    plain, kept = (make_fx(update)(*(t.clone() for t in tensors), xs[0]) for _ in range(2))
    assert _keep_casts(kept, 3) == {0: torch.bfloat16}
    kept.recompile()
    of_plain, of_kept = ([t.clone() for t in tensors] for _ in range(2))
    cast = of_kept[0].bfloat16()
    for x in xs:
        assert torch.equal(plain(*of_plain, x), kept(*of_kept, cast, x))
    assert_same(of_kept, of_plain)
    assert not torch.equal(of_kept[0], tensors[0])
    assert torch.equal(cast, of_kept[0].bfloat16())


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ("guessing", r"aten.bernoulli.default draws random numbers that depend on others"),
        ("impatient", r".*_local_scalar_dense"),
        ("changing", r"it draws other random numbers the second time"),
        ("maxout", r"x.cpp:1: fatal error: Python.h: No such file or directory"),
    ],
)
def test_what_cannot_be_compiled_is_told(
    pair: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(
            "C++ compile error\n\nCommand:\ng++ x.cpp\n\nOutput:\n"
            "x.cpp:1: fatal error: Python.h: No such file or directory"
        )

    monkeypatch.setattr(torch._inductor, "compile", fail)
    play(training(MOMENTUM, "simultaneous", 1, pair), 2)
    t = training(MOMENTUM, "simultaneous", 1, pair, Compiled)
    with pytest.raises(UserError, match=rf"can't be compiled \({reason}.*\); compile=false"):
        t.train_step()


# The last one: CUDA's global stream is of no use after it.
@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("cpu", "operation not permitted when stream is capturing"),
        pytest.param("cuda", ".*(captur|permit).*", marks=needs_gpu),
    ],
)
def test_what_cannot_be_captured_is_told(
    device: str, reason: str, request: pytest.FixtureRequest
) -> None:
    if device == "cpu":
        request.getfixturevalue("cpu_graphs")
    play(training(MOMENTUM, "simultaneous", 1, "impatient", None, device), 2)
    t = training(MOMENTUM, "simultaneous", 1, "impatient", Graph, device)
    with pytest.raises(
        UserError, match=rf"can't be captured as a CUDA graph \({reason}\); cuda_graph=false"
    ):
        t.train_step()
