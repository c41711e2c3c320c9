import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import Result
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from torch import nn

from gan_cli.benchmark import interleaved as turns
from gan_cli.benchmark.plain_loop import PLAIN, Plain
from gan_cli.benchmark.products import products_of
from gan_cli.config import validate as config
from gan_cli.errors import UserError

CPU = torch.device("cpu")


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("recipe", PLAIN)
def test_the_plain_pair_is_the_recipes(recipe: str, tmp_path: Path) -> None:
    config.register()
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        cfg = compose("train", [f"experiment={recipe}", f"data_dir={tmp_path}"])
    plain = PLAIN[recipe]
    assert plain.batch_size == cfg.schedule.batch_size
    with torch.device("meta"):
        ours = [count(instantiate(cfg.network[name])) for name in ("generator", "discriminator")]
        theirs = [count(plain.generator()), count(plain.discriminator())]
    if recipe == "cifar10_conv":
        theirs[0] += 3 * 32 * 32 - 3  # ours has a bias for each pixel
    assert ours == theirs
    (group,) = plain.optimizer(iter([torch.zeros(1, requires_grad=True)])).param_groups
    assert group["lr"] == cfg.optimizer.lr


def test_the_plain_loop_moves_both_players() -> None:
    pair = {}

    def keep(name: str, network: nn.Module) -> Callable[[], nn.Module]:
        pair[name] = network
        return lambda: network

    plain = Plain(
        keep("g", nn.Sequential(nn.Linear(100, 4), nn.Unflatten(1, (1, 2, 2)))),
        keep("d", nn.Sequential(nn.Flatten(), nn.Linear(4, 1))),
        3,
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    )
    before = {name: [p.clone() for p in network.parameters()] for name, network in pair.items()}
    steps = plain.steps(torch.randint(0, 256, (7, 1, 2, 2), dtype=torch.uint8), CPU)
    for _ in range(3):  # over the end of an epoch
        next(steps)
    for name, network in pair.items():
        assert all((a != b).any() for a, b in zip(network.parameters(), before[name], strict=True))


def test_products_and_nothing_else_are_made_again() -> None:
    layers = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 10))
    x = torch.randn(7, 30)

    def step() -> None:
        layers(x).square().sum().backward()

    again, flops = products_of(step, torch.device("cpu"))
    assert flops == 2 * 7 * (2 * 30 * 20 + 3 * 20 * 10)  # no gradient of x
    gradient = layers[0].weight.grad.clone()
    again()
    assert torch.equal(layers[0].weight.grad, gradient)

    conv = nn.Conv2d(2, 3, 5)
    images = torch.randn(4, 2, 8, 8, requires_grad=True)
    _, flops = products_of(lambda: conv(images).sum().backward(), torch.device("cpu"))
    assert flops == 3 * 2 * 4 * (3 * 4 * 4) * (2 * 5 * 5)


def test_players_take_turns_of_about_the_same_length(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[str] = []
    cost = {"slow": 1.0, "fast": 0.25}

    def seconds(play: turns.Player, n: int, _device: torch.device) -> float:
        start = len(played)
        play(n)
        return sum(cost[name] for name in played[start:])

    monkeypatch.setattr(turns, "_seconds", seconds)
    players = [turns.each(lambda: played.append("slow")), lambda n: played.extend(["fast"] * n)]
    rates = turns.rates(players, 3, 2.0, CPU)
    np.testing.assert_array_equal(rates, [[1, 4]] * 3)
    assert played[-10:] == ["slow"] * 2 + ["fast"] * 8
    assert turns.summary(np.array([4.0, 1, 2, 3, 5])) == (2, 3, 4)


def test_what_is_told_of_the_turns(
    gan: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rates(players: list[object], *_: object) -> np.ndarray:
        # The plain loop, products alone, ours and compiled, in updates a second.
        known = [[10.0, 40, 20, 50], [10, 60, 30, 20], [10, 50, 25, 40]]
        return np.array(known)[:, : len(players)] if len(players) > 1 else np.array([[1.0]])

    monkeypatch.setattr("gan_cli.benchmark.timings.rates", rates)
    monkeypatch.setattr("gan_cli.benchmark.timings.plain_apart", lambda *_: nullcontext())
    monkeypatch.setattr("gan_cli.config.build.Compiled", lambda update, _: update)
    monkeypatch.setattr("gan_cli.benchmark.timings.timeit", lambda *_, **__: 6.0)
    result = gan("bench", "recipes=[tutorial]", "precisions=[fp32]", "threads=1")
    assert result.code == 0, result.err
    (path,) = tmp_path.glob("outputs/bench/*/bench.json")
    line, compiled = json.loads(path.read_text())["lines"]
    assert line["plain"] == compiled["plain"] == [10, 10, 10]
    assert line["ours"] == [22.5, 25, 27.5]
    assert (line["ratio"], line["limit"], line["compile_seconds"]) == (2.5, 2, None)
    assert compiled["ours"] == [30, 40, 45]
    assert (compiled["ratio"], compiled["limit"], compiled["compile_seconds"]) == (4, 1.25, 6)
    # 6 s over 1/25 - 1/40 of a second.
    assert "precision=fp32 threads=1 compile=true" in result.out
    assert "To compile took 6 s, which 400 updates make up for." in result.out


def test_the_command(
    gan: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_compiler(*_: object) -> None:
        raise UserError("There is no C++ compiler.")

    monkeypatch.setattr("gan_cli.config.build.Compiled", lambda *_: no_compiler)
    result = gan("bench", "recipes=[tutorial]", "turns=2", "seconds=0.001", "threads=1")
    assert result.code == 0, result.err
    (path,) = tmp_path.glob("outputs/bench/*/bench.json")
    content = json.loads(path.read_text())
    assert [line["precision"] for line in content["lines"]] == ["fp32", "bf16"]
    for line in content["lines"]:
        assert line["ratio"] > 0
        assert line["ours"][0] <= line["ours"][1] <= line["ours"][2]
    assert "Fastest for tutorial: precision=" in result.out
    assert "tutorial: There is no C++ compiler." in result.out
    assert path.with_name("bench.md").read_text().count("tutorial") == 3

    for setting, words in (
        ("recipes=[mnist,other]", "recipes is ['mnist', 'other']; it should be 'mnist',"),
        ("precisions=[tf32]", "precisions has tf32, which only GPUs have; on cpu it can have fp32"),
        ("recipes=[]", "recipes and precisions must have an entry at least"),
        ("turns=1", "turns is 1; it should be greater than or equal to 2"),
    ):
        result = gan("bench", setting)
        assert result.code == 1
        assert words in result.err
