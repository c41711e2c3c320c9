import copy
import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from helpers.command import Gan
from PIL import Image
from scipy.integrate import quad
from scipy.stats import norm
from scipy.stats.distributions import rv_frozen
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, Normal

from gan_cli.game.objectives import Minimax
from gan_cli.theory.divergence import (
    LOG_4,
    Mixture,
    grid,
    jensen_shannon,
    optimal_logits,
    value_of_game,
    value_on_grid,
)
from gan_cli.theory.moments import Moment, measure
from gan_cli.theory.monotone import MonotoneGenerator, Start
from gan_cli.theory.one_dimensional import LineGame, Schedule

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
    expected = MixtureSameFamily(
        Categorical(torch.tensor([0.25, 0.75], dtype=torch.float64)),
        Normal(mixture.means, mixture.stds),
    )
    torch.testing.assert_close(mixture.log_density(X), expected.log_prob(X))
    assert mixture.mean == pytest.approx(expected.mean.item())
    assert mixture.std == pytest.approx(expected.stddev.item())

    n = 200_000
    samples = mixture.sample(n, torch.Generator().manual_seed(0))
    assert abs(float(samples.mean()) - mixture.mean) < 4 * mixture.std / math.sqrt(n)
    below = float(expected.cdf(torch.tensor(-1.0, dtype=torch.float64)))
    assert abs(float((samples < -1).double().mean()) - below) < 4 * 0.5 / math.sqrt(n)


def test_jensen_shannon_at_known_values() -> None:
    p = normal(0).log_density(X)
    assert jensen_shannon(p, p, X) == pytest.approx(0, abs=1e-12)
    apart = normal(20).log_density(X)
    assert jensen_shannon(p, apart, X) == pytest.approx(math.log(2), abs=1e-12)
    # By definition, the mean of two Kullback-Leibler divergences, by adaptive quadrature.
    a, b = norm(0, 1), norm(1.5, 0.7)

    def divergence_from_middle(x: float, p: rv_frozen) -> float:
        return p.pdf(x) * math.log(2 * p.pdf(x) / (a.pdf(x) + b.pdf(x)))

    expected = sum(quad(divergence_from_middle, -10, 10, args=(p,))[0] for p in (a, b)) / 2
    q = normal(1.5, 0.7).log_density(X)
    assert jensen_shannon(p, q, X) == pytest.approx(expected, abs=1e-6)


def test_optimal_discriminator_of_two_normals() -> None:
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


def test_generator_starts_at_its_shift_and_spread() -> None:
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
    moment = measure(torch.zeros_like, generator, p_data, x)
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

    def value(generator: Callable[[Tensor], Tensor]) -> float:
        return value_of_game(torch.neg, normal(0).log_density, generator, X)

    # Where D is 0, log(1 - D) is 0.
    assert value(torch.logit) == pytest.approx(value(lambda z: torch.full_like(z, 1e3)) - 1)


def line_game(k: int = 1) -> LineGame:
    schedule = Schedule(before=50, inner=200, g_steps=1, after=50, k=k, batch_size=200, lr=0.01)
    start, device = Start(units=6, shift=1.0, spread=0.9), torch.device("cpu")
    return LineGame(normal(0), Minimax(), start, [24, 24], schedule, 0, device)


def moment_of(game: LineGame) -> Moment:
    x = grid(game.p_data, game.generator, 4000)
    return measure(game.discriminator, game.generator, game.p_data, x)


def is_unchanged(network: nn.Module, before: nn.Module) -> bool:
    pairs = zip(network.parameters(), before.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_inner_loop_finds_the_optimum_and_g_steps_approach_the_data() -> None:
    game = line_game()
    generator = copy.deepcopy(game.generator)
    assert moment_of(game).d_error > 0.3
    game.train_discriminator(grid(game.p_data, game.generator, 1000), 300)
    optimum, discriminator = moment_of(game), copy.deepcopy(game.discriminator)
    assert optimum.d_error < 0.005
    assert 0 <= optimum.value_at_optimum - optimum.value < 1e-4
    assert is_unchanged(game.generator, generator)
    # Algorithm 1 adds no gradient of L-BFGS to its own.
    assert all(p.grad is None for p in game.discriminator.parameters())

    game.generator_step()
    after = moment_of(game)
    assert after.value < optimum.value
    assert after.jensen_shannon < optimum.jensen_shannon
    assert is_unchanged(game.discriminator, discriminator)


def test_algorithm_1_has_k_steps_of_d_for_one_of_g() -> None:
    game = line_game(k=3)
    game.train(5)
    optimizers = game.state.d_optimizer, game.state.g_optimizer
    steps = [int(next(iter(optimizer.state.values()))["step"]) for optimizer in optimizers]
    assert (steps, game.state.step) == ([15, 5], 5)
    # In the fifth of 100 iterations.
    for optimizer in optimizers:
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 96 / 100)


SMALL = (
    "theory", "discriminator.widths=[16,16]", "schedule.before=20",
    "schedule.inner=80", "schedule.after=30", "schedule.batch_size=100", "quadrature=500",
)  # fmt: skip


def test_the_command(gan: Gan, tmp_path: Path) -> None:
    output = gan(*SMALL, "seed=3", "hydra.run.dir=a").output
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
    assert table in output
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
        (
            "p_data.means=[0,1]",
            ["p_data.means has 2 entries, p_data.stds 1", "one for each component"],
        ),
        ("p_data.means=[] p_data.stds=[] p_data.weights=[]", ["p_data.means has 0 entries"]),
        (
            "p_data.means=[0,1] p_data.stds=[1e-5,1] p_data.weights=[1,1]",
            ["quadrature is 500", "p_data integrates to", "it must be more"],
        ),
        (
            "objective._target_=not_a_number.Objective",
            ["diverged by step 20", "schedule.lr is 0.01", "smaller"],
        ),
        ("quadrature=5", ["quadrature is 5", "100"]),
        ("objective=best", ["objective", "minimax"]),
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
    refusal = gan(*SMALL, *arguments.split()).refusal
    for word in words:
        assert word in refusal
    assert list(tmp_path.glob("outputs/*/*")) == []
