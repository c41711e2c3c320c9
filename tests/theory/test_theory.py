import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.command import Result
from PIL import Image
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.game.objectives import Minimax
from gan_cli.theory.divergence import (
    LOG_4,
    Mixture,
    Moment,
    grid,
    jensen_shannon,
    measure,
    optimal_logits,
    value_of_game,
    value_on_grid,
)
from gan_cli.theory.monotone import MonotoneGenerator
from gan_cli.theory.one_dimensional import LineDiscriminator, LineGame

Gan = Callable[..., Result]

X = torch.linspace(-40, 40, 20001, dtype=torch.float64)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the command has it: in so small a game more threads wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def normal(mean: float, std: float = 1.0) -> Mixture:
    return Mixture([mean], [std], [1.0])


def bent_generator() -> MonotoneGenerator:
    """A G of no special shape: every parameter moved at random."""
    generator = MonotoneGenerator(5, center=1.0, scale=2.0, shift=0.3, spread=0.8)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in generator.parameters():
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=rng)
            parameter += 0.3 * noise
    return generator


def test_mixture_density_moments_and_samples() -> None:
    mixture = Mixture([-2.0, 1.0], [0.5, 1.0], [1.0, 3.0])
    expected = [
        0.25 * math.exp(-((x + 2) ** 2) / 0.5) / (0.5 * math.sqrt(2 * math.pi))
        + 0.75 * math.exp(-((x - 1) ** 2) / 2) / math.sqrt(2 * math.pi)
        for x in (-2.0, 0.3, 4.0)
    ]
    density = mixture.log_density(torch.tensor([-2.0, 0.3, 4.0], dtype=torch.float64)).exp()
    assert density.tolist() == pytest.approx(expected, rel=1e-12)
    p = mixture.log_density(X).exp()
    assert mixture.mean == pytest.approx(float(torch.trapezoid(p * X, X)), abs=1e-9)
    variance = float(torch.trapezoid(p * (X - mixture.mean) ** 2, X))
    assert mixture.std == pytest.approx(math.sqrt(variance), abs=1e-9)

    n = 200_000
    samples = mixture.sample(n, torch.Generator().manual_seed(0))
    assert abs(float(samples.mean()) - mixture.mean) < 4 * mixture.std / math.sqrt(n)
    assert float((samples < -1).double().mean()) == pytest.approx(
        float(torch.trapezoid(p[X <= -1], X[X <= -1])), abs=4 * 0.5 / math.sqrt(n)
    )


def test_jensen_shannon_at_known_values() -> None:
    p = normal(0).log_density(X)
    assert jensen_shannon(p, p, X) == pytest.approx(0, abs=1e-12)
    apart = normal(20).log_density(X)
    assert jensen_shannon(p, apart, X) == pytest.approx(math.log(2), abs=1e-12)
    # By definition, the mean of two Kullback-Leibler divergences, with Gauss-Hermite nodes.
    nodes, weights = np.polynomial.hermite_e.hermegauss(150)
    q = normal(1.5, 0.7)

    def divergence(mean: float, std: float, own: Mixture, other: Mixture) -> float:
        at = torch.tensor(mean + std * nodes)
        a, b = own.log_density(at), other.log_density(at)
        terms = (a - torch.logaddexp(a, b) + math.log(2)).numpy()
        return float(weights @ terms / math.sqrt(2 * math.pi))

    expected = (divergence(0, 1, normal(0), q) + divergence(1.5, 0.7, q, normal(0))) / 2
    assert jensen_shannon(p, q.log_density(X), X) == pytest.approx(expected, abs=1e-6)


def test_the_optimum_is_known_for_two_normals() -> None:
    """D*(x) of N(0, 1) against N(1, 1) is the sigmoid of 1/2 - x."""
    x = torch.tensor([-50.0, 0.0, 0.5, 3.0], dtype=torch.float64)
    logits = optimal_logits(normal(0).log_density(x), normal(1).log_density(x))
    assert logits.tolist() == pytest.approx([50.5, 0.5, 0.0, -2.5], abs=1e-9)


def test_no_discriminator_beats_the_optimum() -> None:
    p, q = normal(0).log_density(X), normal(1, 0.8).log_density(X)
    best = optimal_logits(p, q)
    value = value_on_grid(best, p, q, X)
    for bend in (0.1 * X.sin(), torch.full_like(X, 0.05), -0.1 * torch.tanh(X)):
        for sign in (1, -1):
            assert value_on_grid(best + sign * bend, p, q, X) < value - 1e-6


def test_density_is_that_of_what_the_generator_gives() -> None:
    generator = bent_generator()
    z = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    with torch.no_grad():
        x = generator(z)
    assert (x.diff() > 0).all()
    # The density integrates, from G(z_i) to G(z_(i+1)), to z_(i+1) - z_i.
    for low, high in itertools.pairwise(x.tolist()):
        between = torch.linspace(low, high, 201, dtype=torch.float64)
        mass = torch.trapezoid(generator.log_density(between).exp(), between)
        assert float(mass) == pytest.approx(0.01, rel=1e-4)


def test_generator_starts_where_it_is_told() -> None:
    generator = MonotoneGenerator(8, center=3.0, scale=2.0, shift=1.5, spread=0.5)
    x = grid(normal(3, 2), generator, 20000)
    p = generator.log_density(x).exp()
    mean = float(torch.trapezoid(p * x, x))
    std = math.sqrt(float(torch.trapezoid(p * (x - mean) ** 2, x)))
    assert mean == pytest.approx(3 + 1.5 * 2, abs=1e-6)
    assert std == pytest.approx(0.5 * 2, rel=0.1)


def test_c_of_g_for_any_generator() -> None:
    """Theorem 1: V(D*, G), its second term over z, is -log 4 + 2 JSD, with the density of G."""
    p_data, generator = Mixture([-1.0, 2.0], [0.5, 1.0], [1.0, 1.0]), bent_generator()
    x = grid(p_data, generator, 20000)
    moment = measure(torch.zeros_like, generator, generator.log_density, p_data, x)
    assert moment.value_at_optimum == pytest.approx(moment.c_of_g, abs=1e-8)
    assert moment.c_of_g == pytest.approx(-LOG_4 + 2 * moment.jensen_shannon, abs=1e-15)
    assert moment.jensen_shannon > 0.05
    assert moment.mass == pytest.approx((1, 1), abs=1e-9)
    # D = 1/2 everywhere has the value -log 4 against any G.
    assert moment.value == pytest.approx(-LOG_4, abs=1e-9)
    assert moment.d_from_half == 0
    assert 0.2 < moment.d_error < 0.5


def test_value_of_game_is_the_mean_over_z() -> None:
    """For G(z) = logit(z) and logits -x, log(1 - D(G(z))) = log(z), whose mean is -1."""

    def discriminator(x: Tensor) -> Tensor:
        return -x

    value = value_of_game(discriminator, normal(0).log_density, torch.logit, X)
    assert value == pytest.approx(value_of_game(discriminator, normal(0).log_density, flat, X) - 1)


def flat(z: Tensor) -> Tensor:
    return torch.full_like(z, 1e3)  # where D is 0, so that log(1 - D) is 0


def line_game(k: int = 1) -> LineGame:
    torch.manual_seed(0)
    return LineGame(
        normal(0), MonotoneGenerator(6, 0.0, 1.0, 1.0, 0.9), LineDiscriminator([24, 24], 0.0, 1.0),
        Minimax(), k, 200, 0.01, 100, torch.Generator().manual_seed(0),
    )  # fmt: skip


def moment_of(game: LineGame) -> Moment:
    x = grid(game.p_data, game.generator, 4000)
    return measure(game.discriminator, game.generator, game.generator.log_density, game.p_data, x)


def test_the_inner_loop_finds_the_optimum_and_leaves_g_alone() -> None:
    game = line_game()
    before = {name: p.clone() for name, p in game.generator.state_dict().items()}
    assert moment_of(game).d_error > 0.3
    game.train_discriminator(grid(game.p_data, game.generator, 1000), 300)
    moment = moment_of(game)
    assert moment.d_error < 0.005
    assert 0 <= moment.value_at_optimum - moment.value < 1e-4
    assert all(torch.equal(p, before[name]) for name, p in game.generator.state_dict().items())


def test_a_step_of_g_against_the_optimum_brings_it_nearer_to_the_data() -> None:
    game = line_game()
    game.train_discriminator(grid(game.p_data, game.generator, 1000), 100)
    before, weights = moment_of(game), game.discriminator.state_dict()
    weights = {name: p.clone() for name, p in weights.items()}
    game.generator_step()
    after = moment_of(game)
    assert after.value < before.value
    assert after.jensen_shannon < before.jensen_shannon
    assert all(torch.equal(p, weights[n]) for n, p in game.discriminator.state_dict().items())


def test_algorithm_1_takes_k_steps_of_d_for_one_of_g() -> None:
    game = line_game(k=3)
    game.train(5)
    steps = [
        int(next(iter(optimizer.state.values()))["step"])
        for optimizer in (game.d_optimizer, game.g_optimizer)
    ]
    assert (steps, game.step) == ([15, 5], 5)
    # The rate of the fifth of 100 steps.
    assert game.d_optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 96 / 100)


SMALL = (
    "theory", "discriminator.widths=[16,16]", "schedule.before=20",
    "schedule.inner=80", "schedule.after=30", "schedule.batch_size=100", "quadrature=500",
)  # fmt: skip


def test_the_command(gan: Gan, tmp_path: Path) -> None:
    result = gan(*SMALL, "seed=3", "hydra.run.dir=a")
    assert result.code == 0, result.err
    content = json.loads((tmp_path / "a/theory.json").read_text())
    assert content["seed"] == 3
    assert content["settings"]["schedule"]["inner"] == 80
    moments = content["moments"]
    assert list(moments) == [
        "near convergence", "after D's inner loop", "after G's steps", "at the end",
    ]  # fmt: skip
    first, inner, after_g, _ = moments.values()
    for moment in moments.values():
        assert moment["value_at_optimum"] == pytest.approx(moment["c_of_g"], abs=1e-3)
        assert moment["value"] < moment["value_at_optimum"]
    # The inner loop moves D alone, G's steps G alone.
    assert inner["c_of_g"] == pytest.approx(first["c_of_g"], abs=1e-12)
    assert inner["d_error"] < 0.06 < first["d_error"]
    assert after_g["value"] < inner["value"]

    table = (tmp_path / "a/theory.md").read_text()
    assert f"| after D's inner loop | {inner['value']:.6f} |" in table
    assert table in result.out
    with Image.open(tmp_path / "a/figure1.png") as png:
        assert png.text["run"] == "a"
        assert png.text["seed"] == "3"
        assert png.text["command"].endswith("seed=3 hydra.run.dir=a")
        assert png.width > 2 * png.height

    # The same seed gives the same numbers, another one others.
    for seed, same in (("3", True), ("4", False)):
        assert gan(*SMALL, f"seed={seed}", "hydra.run.dir=b").code == 0
        again = json.loads((tmp_path / "b/theory.json").read_text())
        assert (again["moments"] == moments) is same


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("p_data.stds=[0]", ["p_data.stds is [0.0]", "greater than 0"]),
        ("p_data.means=[0,1]", ["p_data: means has 2 entries, stds 1", "one for each component"]),
        ("p_data.means=[] p_data.stds=[] p_data.weights=[]", ["p_data: means has 0 entries"]),
        ("p_data.weights=[-1]", ["p_data.weights is [-1.0]", "greater than 0"]),
        ("p_data.means=[nan]", ["p_data.means is [nan]", "must be a number"]),
        (
            "p_data.means=[0,1] p_data.stds=[1e-5,1] p_data.weights=[1,1]",
            ["quadrature is 500", "p_data integrates to", "it must be more"],
        ),
        ("schedule.k=0", ["schedule.k is 0", "greater than or equal to 1"]),
        ("schedule.lr=1e9", ["schedule.lr is 1000000000", "greater than 0 and at most 1"]),
        (
            "objective._target_=not_a_number.Objective",
            ["The game diverged by step 20", "schedule.lr is 0.01", "smaller"],
        ),
        ("generator.spread=-1", ["generator.spread is -1", "greater than 0"]),
        ("quadrature=5", ["quadrature is 5", "at least 100"]),
        ("objective=best", ["objective/best", "minimax"]),
    ],
)
def test_bad_input(arguments: str, words: list[str], gan: Gan, tmp_path: Path) -> None:
    (tmp_path / "not_a_number.py").write_text(
        "class Objective:\n"
        "    def __init__(self, d_weight):\n"
        "        pass\n"
        "    def discriminator_loss(self, real_logits, fake_logits):\n"
        "        return real_logits.mean() * float('nan')\n"
        "    def generator_loss(self, fake_logits):\n"
        "        return fake_logits.mean()\n"
    )
    result = gan(*SMALL, *arguments.split())
    assert result.code == 1
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err
    assert list(tmp_path.glob("outputs/*/*")) == []


def test_a_mixture_needs_one_entry_for_each_component() -> None:
    with pytest.raises(UserError, match="means has 2 entries, stds 2 and weights 1"):
        Mixture([0.0, 1.0], [1.0, 1.0], [1.0])
