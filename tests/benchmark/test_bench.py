import copy
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import Gan
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gan_cli.benchmark import interleaved
from gan_cli.benchmark.plain_loop import Images, Maxout, plain_loop, to_standard_layers
from gan_cli.benchmark.products import PRODUCTS, products_of
from gan_cli.engines.intercept import Intercept, Operation
from gan_cli.errors import UserError
from gan_cli.networks import layers, maxout
from gan_cli.networks.conditional import ConditionalGenerator, ConditionalMaxoutDiscriminator
from gan_cli.networks.maxout import ConvMaxoutDiscriminator, MaxoutDiscriminator
from gan_cli.networks.mlp import Generator
from gan_cli.training.optimizers import Momentum

CPU = torch.device("cpu")
SHAPE = (1, 4, 4)


@pytest.mark.parametrize("conditional", [False, True])
def test_the_plain_loop_updates_both_networks(conditional: bool) -> None:
    generator: nn.Module = Generator(5, SHAPE, [6])
    discriminator: nn.Module = MaxoutDiscriminator(SHAPE, [4], 3, [0.1])
    if conditional:
        generator = ConditionalGenerator(5, 2, SHAPE, [6])
        discriminator = ConditionalMaxoutDiscriminator(SHAPE, 2, [4], pieces=3, irange=[0.1])
    weights = [*generator.parameters(), *discriminator.parameters()]
    optimizers = [Momentum(0.1).build(x.parameters()) for x in (generator, discriminator)]
    before = [p.detach().clone() for p in weights]
    x, y = torch.randint(0, 256, (7, *SHAPE), dtype=torch.uint8), torch.arange(7) % 2
    images = Images(x, y, signed=True)
    loop = plain_loop(
        generator, discriminator, *optimizers, images, batch_size=3, z_dim=5, fresh_z=True,
        conditional=conditional, device=CPU,
    )  # fmt: skip
    for _ in range(3):  # over the end of an epoch
        next(loop)
    assert all((a != b).any() for a, b in zip(weights, before, strict=True))


@pytest.mark.parametrize(
    "discriminator",
    [
        lambda: MaxoutDiscriminator((3, 8, 8), [4, 6], 3, [0.1]),
        lambda: ConvMaxoutDiscriminator(
            (3, 8, 8),
            [{"channels": 4, "kernel": 3, "pad": 1, "pool": 2, "stride": 2}],
            2,
            [5],
            3,
            [0.1],
        ),
    ],
)
def test_standard_layers_have_the_same_weights(discriminator: Callable[[], nn.Module]) -> None:
    ours = discriminator()
    standard = to_standard_layers(copy.deepcopy(ours))
    types = {type(layer) for layer in standard.modules()}
    assert not types & {layers.Dropout, maxout.Maxout, maxout.MaxoutConv}
    assert {nn.Dropout, Maxout} <= types
    for a, b in zip(ours.parameters(), standard.parameters(), strict=True):
        assert torch.equal(a, b)
    with torch.no_grad():  # Any order of the pieces has the same maximum where all are alike.
        for network in (ours, standard):
            for p in network.parameters():
                p.fill_(0.1)
        x = torch.rand(5, 3, 8, 8)
        torch.testing.assert_close(standard.eval()(x), ours.eval()(x))


def test_products_and_nothing_else_are_made_again() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 5), nn.ReLU(), nn.Flatten(), nn.Linear(48, 10))
    x = torch.randn(7, 2, 8, 8)

    def step() -> None:
        network(x).square().sum().backward()

    with FlopCounterMode(display=False) as in_step:
        again = products_of(step, CPU)
    with FlopCounterMode(display=False) as in_products:
        again()
    assert in_products.get_total_flops() == in_step.get_total_flops() > 0

    operations = []

    def record(func: Operation, args: tuple, kwargs: dict) -> object:
        operations.append(func)
        return func(*args, **kwargs)

    gradients = [p.grad.clone() for p in network.parameters()]
    with Intercept(lambda _: True, record):
        again()
    assert set(operations) <= set(PRODUCTS)
    for p, gradient in zip(network.parameters(), gradients, strict=True):
        assert torch.equal(p.grad, gradient)


def test_rounds_are_of_about_the_same_length(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    cost = {"slow": 1.0, "fast": 0.25}

    def seconds(run: interleaved.Runner, n: int, _device: torch.device) -> float:
        start = len(steps)
        run(n)
        return sum(cost[name] for name in steps[start:])

    monkeypatch.setattr(interleaved, "_seconds", seconds)
    slow = interleaved.repeat(lambda: steps.append("slow"))
    rates = interleaved.updates_a_second([slow, lambda n: steps.extend(["fast"] * n)], 3, 2.0, CPU)
    np.testing.assert_array_equal(rates, [[1, 4]] * 3)
    assert steps[-10:] == ["slow"] * 2 + ["fast"] * 8
    assert interleaved.quartiles(np.array([4.0, 1, 2, 3, 5])) == (2, 3, 4)


def test_what_follows_of_the_rates(
    gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rates(runners: list[object], **_: object) -> np.ndarray:
        # The plain loop, products alone, ours, products again and compiled, in updates a second.
        known = [[10.0, 40, 20, 40, 50], [10, 60, 30, 60, 20], [10, 50, 25, 50, 40]]
        return np.array(known)[:, : len(runners)] if len(runners) > 1 else np.array([[1.0]])

    monkeypatch.setattr("gan_cli.commands.bench.updates_a_second", rates)
    monkeypatch.setattr("gan_cli.benchmark.timings.in_own_process", lambda *_: nullcontext())
    monkeypatch.setattr("gan_cli.config.build.Compiled", lambda update, _: update)
    monkeypatch.setattr("gan_cli.benchmark.timings.timeit", lambda *_, **__: 6.0)
    output = gan("bench", "recipes=[tutorial]", "precisions=[fp32]", "threads=1").output
    (path,) = tmp_path.glob("outputs/bench/*/bench.json")
    line, compiled = json.loads(path.read_text())["timings"]
    assert line["plain"] == compiled["plain"] == [10, 10, 10]
    assert line["ours"] == [22.5, 25, 27.5]
    ratios = ("ratio", "over_products", "compile_seconds")
    assert [line[name] for name in ratios] == [2.5, 2, None]
    assert compiled["ours"] == [30, 40, 45]
    assert (compiled["ratio"], compiled["over_products"], compiled["compile_seconds"]) == (
        4,
        1.25,
        6,
    )
    # 6 s over 1/25 - 1/40 of a second.
    assert "precision=fp32 threads=1 compile=true" in output
    assert "400 updates" in output


def test_the_command(gan: Gan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(*_: object) -> None:
        raise UserError("There is no C++ compiler.")

    monkeypatch.setattr("gan_cli.config.build.Compiled", lambda *_: no_compiler)
    output = gan("bench", "recipes=[tutorial]", "rounds=2", "seconds=0.001", "threads=1").output
    (path,) = tmp_path.glob("outputs/bench/*/bench.json")
    content = json.loads(path.read_text())
    assert [line["precision"] for line in content["timings"]] == ["fp32", "bf16"]
    for line in content["timings"]:
        assert line["ratio"] > 0
        assert line["ours"][0] <= line["ours"][1] <= line["ours"][2]
    assert "Fastest for tutorial: precision=" in output
    assert "tutorial: There is no C++ compiler." in output
    assert path.with_name("bench.md").read_text().count("tutorial") == 3

    for setting, words in (
        ("recipes=[mnist,other]", "recipes is ['mnist', 'other']"),
        ("precisions=[tf32]", "precisions has tf32"),
        ("recipes=[]", "recipes is []"),
        ("rounds=1", "rounds is 1"),
    ):
        assert words in gan("bench", setting).refusal
