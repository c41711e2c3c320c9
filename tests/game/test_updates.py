"""Both updates against the paper's formulas, in plain float64 NumPy."""

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import reference as ref
from helpers.command import assert_same, needs_compiler
from helpers.trainers import ONE_PASS, PLAIN, small_trainer
from torch import Tensor, nn

from gan_cli.engines.compiled import Compiled
from gan_cli.engines.per_sample import is_per_sample
from gan_cli.game.objectives import Minimax, NonSaturating
from gan_cli.game.priors import Uniform
from gan_cli.game.updates import TRAINING_METRICS, metrics
from gan_cli.networks import layers
from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Discriminator, Generator
from gan_cli.training.averaging import current_average
from gan_cli.training.optimizers import Momentum
from gan_cli.training.trainer import Trainer

M, Z, SHAPE, PIECES, KEEPS = 6, 4, (1, 3, 3), 3, [0.8, 0.5, 0.5]
OBJECTIVES = {"non_saturating": NonSaturating(), "minimax": Minimax()}


class DoublePrior(Uniform):
    """Remembers what it drew, in float64."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.drawn: list[np.ndarray] = []

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        z = super().__call__(n, rng).double()
        self.drawn.append(z.numpy())
        return z


def training(
    objective: str | NonSaturating = "non_saturating",
    updates: str = "alternating",
    k: int = 1,
    discriminator: nn.Module | None = None,
    plain: bool = False,
    **settings: object,
) -> Trainer:
    torch.manual_seed(0)
    # Larger weights than the paper's, so that every path through the pair matters.
    generator = Generator(Z, SHAPE, [5, 7], irange=[0.8]).double()
    discriminator = discriminator or MaxoutDiscriminator(SHAPE, [4, 6], PIECES, [0.8])
    optimizer = Momentum(
        lr=0.5, lr_decay=1.2, lr_min=0.1, momentum=0.3, momentum_end=0.9, momentum_epochs=4
    )
    return small_trainer(
        generator, discriminator, optimizer, (PLAIN if plain else ONE_PASS)[updates], k,
        shape=SHAPE, m=M, prior=DoublePrior(Z), objective=OBJECTIVES.get(objective, objective),
        dtype=torch.float64, **settings,
    )  # fmt: skip


def linear_layers(network: nn.Module) -> ref.Layers:
    return [
        (layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy())
        for layer in network.modules()
        if isinstance(layer, nn.Linear)
    ]


@pytest.fixture
def masks(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The dropout masks that were drawn, in order."""
    drawn: list[np.ndarray] = []
    original = layers.keep_mask

    def record(like: Tensor, keep: float, rng: torch.Generator | None) -> Tensor:
        mask = original(like, keep, rng)
        drawn.append(mask.double().numpy())
        return mask

    monkeypatch.setattr(layers, "keep_mask", record)
    return drawn


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("updates", "k"), [("alternating", 1), ("alternating", 3), ("simultaneous", 1)]
)
@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=[needs_compiler, pytest.mark.slow])]
)
@pytest.mark.usefixtures("compilers_cache")
def test_updates_equal_numpy(
    objective: str, updates: str, k: int, compiled: bool, masks: list[np.ndarray]
) -> None:
    """Six steps, over two epochs, with momentum, rates that change, and dropout."""
    t = training(objective, updates, k)
    eager = t.update
    if compiled:
        t.update = Compiled(eager, t.d_optimizer.take)
    g, d = (
        ref.Player(linear_layers(t.state.generator)),
        ref.Player(linear_layers(t.state.discriminator)),
    )

    for step in range(6):
        # What the step is going to draw, told by one like it: a program draws by its own means.
        like = copy.deepcopy(replace(t, update=eager))
        masks.clear()
        like.game.prior.drawn.clear()
        like.train_step()
        mask: Iterator[np.ndarray] = iter(masks.copy())
        z: Iterator[np.ndarray] = iter(like.game.prior.drawn)
        t.train_step()
        for i in range(k):
            n = step * k + i
            lr, momentum = t.d_optimizer.schedule(n, n // t.minibatches.per_epoch + 1)
            x = t.minibatches[n].flatten(1).numpy()
            fake, inputs = ref.generate(g.layers, next(z))
            both = np.concatenate([x, fake])
            logits, tape = ref.judge(d.layers, both, [next(mask) for _ in KEEPS], KEEPS, PIECES)
            slope = np.concatenate([ref.d_slope(logits[:M], True), ref.d_slope(logits[M:], False)])
            d_gradients, _ = ref.judge_backward(d.layers, tape, slope, PIECES)
            if updates == "simultaneous":
                slope = np.concatenate([np.zeros(M), ref.g_slope(logits[M:], objective)])
                _, at_x = ref.judge_backward(d.layers, tape, slope, PIECES)
                g_gradients = ref.generate_backward(g.layers, fake, inputs, at_x[M:])
            d.update(d_gradients, lr, momentum)
        if updates == "alternating":
            fake, inputs = ref.generate(g.layers, next(z))
            logits, tape = ref.judge(d.layers, fake, [next(mask) for _ in KEEPS], KEEPS, PIECES)
            _, at_x = ref.judge_backward(d.layers, tape, ref.g_slope(logits, objective), PIECES)
            g_gradients = ref.generate_backward(g.layers, fake, inputs, at_x)
        g.update(g_gradients, lr, momentum)

        assert next(mask, None) is None
        assert next(z, None) is None
        for player, network in ((g, t.state.generator), (d, t.state.discriminator)):
            for ours, theirs in zip(linear_layers(network), player.layers, strict=True):
                np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-9, atol=1e-12)
                np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-9, atol=1e-12)


def test_alternating_moves_one_player_at_a_time() -> None:
    t = training(k=2)
    before = linear_layers(t.state.generator), linear_layers(t.state.discriminator)
    between = []
    g_step = t.state.g_optimizer.step

    def snapshot() -> None:
        between.append(linear_layers(t.state.generator))
        between.append(linear_layers(t.state.discriminator))
        g_step()

    t.state.g_optimizer.step = snapshot
    t.train_step()
    after = linear_layers(t.state.generator), linear_layers(t.state.discriminator)
    same = np.testing.assert_array_equal
    for i in range(3):
        same(between[0][i][0], before[0][i][0])  # D's steps leave G as it was
        same(after[1][i][0], between[1][i][0])  # G's step leaves D as it was
        assert (between[1][i][0] != before[1][i][0]).any()
        assert (after[0][i][0] != between[0][i][0]).any()


def without_dropout() -> MaxoutDiscriminator:
    """The same one at every call."""
    torch.manual_seed(1)
    return MaxoutDiscriminator(
        SHAPE, [4, 6], PIECES, [0.8], keep_prob_input=1, keep_prob_hidden=1
    ).double()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("bias", [-1e4, -100.0, -50.0, -5.0, 0.0, 50.0, 1e4])
def test_one_backward_pass_equals_two(objective: str, bias: float) -> None:
    """Whatever D's logits: G's gradient is exact where D's own has all but vanished."""
    results = []
    for plain in (True, False):
        t = training(objective, "simultaneous", discriminator=without_dropout(), plain=plain)
        with torch.no_grad():
            t.state.discriminator.layers[-1].bias.fill_(bias)
        before = linear_layers(t.state.generator)
        t.train_step()
        results.append(linear_layers(t.state.generator) + linear_layers(t.state.discriminator))
        moved = [a[0] - b[0] for a, b in zip(results[-1], before, strict=False)]
        results[-1] += [(m / max(np.abs(m).max(), 1e-300), m[0]) for m in moved]
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one[0], two[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one[1], two[1], rtol=1e-9, atol=1e-12)


class Reversed(NonSaturating):
    """A user's objective, whose slopes at generated examples have the other sign."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return super().discriminator_loss(-real_logits, -fake_logits)


def test_one_backward_pass_keeps_the_slopes_sign() -> None:
    moved = []
    for plain in (True, False):
        t = training(Reversed(), "simultaneous", discriminator=without_dropout(), plain=plain)
        t.train_step()
        moved.append(linear_layers(t.state.generator) + linear_layers(t.state.discriminator))
    for one, two in zip(*moved, strict=True):
        np.testing.assert_allclose(one[0], two[0], rtol=1e-9, atol=1e-12)


def test_batch_norm_in_d_is_found_and_kept_apart() -> None:
    x = torch.randn(8, *SHAPE)
    assert is_per_sample(MaxoutDiscriminator(SHAPE, [4, 6], PIECES, [0.005]), x)
    assert is_per_sample(Discriminator(SHAPE, [8], keep_prob=0.5), x)
    assert not is_per_sample(Discriminator(SHAPE, [8], batch_norm=[True]), x)
    assert not is_per_sample(Discriminator(SHAPE, [8]), x[:1])
    # Not even where all images are black.
    assert not is_per_sample(Discriminator(SHAPE, [8], batch_norm=[True]), torch.zeros_like(x))

    batches = []
    discriminator = Discriminator(SHAPE, [8], batch_norm=[True]).double()
    discriminator.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))
    t = training("non_saturating", "simultaneous", discriminator=discriminator, plain=True)
    batches.clear()
    t.train_step()
    assert batches == [M, M]


def told(t: Trainer) -> dict[str, float]:
    """The metrics of one step."""
    logits = t.update(t.state, t.game, [t.minibatches[0]])
    return dict(
        zip(TRAINING_METRICS, metrics(t.game.objective, logits[None]).tolist(), strict=True)
    )


def test_metrics_of_a_clueless_discriminator() -> None:
    t = training(discriminator=MaxoutDiscriminator(SHAPE, [4, 6], PIECES, [1e-30]).double())
    row = told(t)
    assert row["d_loss"] == pytest.approx(np.log(2))
    assert row["g_loss"] == pytest.approx(np.log(2), rel=0.1)
    assert row["value"] == pytest.approx(-np.log(4))
    assert row["d_real"] == row["d_fake"] == pytest.approx(0.5)


def test_metrics_of_a_discriminator_that_believes_everything() -> None:
    discriminator = MaxoutDiscriminator(SHAPE, [4, 6], PIECES, [1e-30]).double()
    with torch.no_grad():
        discriminator.layers[-1].bias.fill_(3.0)
    t = training(discriminator=discriminator)
    row = told(t)
    assert row["d_real"] == row["d_fake"] == pytest.approx(1 / (1 + np.exp(-3)))
    assert (row["d_accuracy_real"], row["d_accuracy_fake"]) == (1, 0)
    assert row["value"] == pytest.approx(-np.log1p(np.exp(-3)) - np.log1p(np.exp(3)))
    assert row["d_loss"] == pytest.approx(-row["value"] / 2)


def test_metrics_of_several_steps_are_the_mean_of_theirs() -> None:
    logits = torch.randn(5, 3, M)
    mean = torch.stack([metrics(NonSaturating(), each[None]) for each in logits]).mean(0)
    torch.testing.assert_close(metrics(NonSaturating(), logits), mean)


@pytest.mark.parametrize("updates", ONE_PASS)
def test_a_step_returns_the_logits_that_were_judged_by(updates: str) -> None:
    seen: list[Tensor] = []
    t = training(updates=updates)
    t.state.discriminator.register_forward_hook(lambda _m, _x, y: seen.append(y.detach()))
    logits = t.update(t.state, t.game, [t.minibatches[0]])
    assert torch.equal(logits[:2].flatten(), seen[0])
    assert torch.equal(logits[2], seen[-1][-M:])
    assert len(seen) == {"alternating": 2, "simultaneous": 1}[updates]


@pytest.mark.parametrize("power", [0.0, 2.0, 8.0])
def test_average_follows_the_generator(power: float) -> None:
    t = training(ema_decay=0.9, ema_power=power)
    average = [w.detach().clone() for w in t.state.average.parameters()]
    for step in range(41):
        t.train_step()
        if step % 10 != 9:
            continue
        decay = min(0.9, (1 + step) / (2 + power + step)) ** 10
        for mean, weight in zip(average, t.state.generator.parameters(), strict=True):
            mean.mul_(decay).add_((1 - decay) * weight.detach())
    for mean, ours in zip(average, t.state.average.parameters(), strict=True):
        torch.testing.assert_close(ours, mean)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_average_is_never_older_than_the_generator(decay: float) -> None:
    """Looked at after any step it has that step in it, and to look changes nothing."""
    t, unseen = training(ema_decay=decay), training(ema_decay=decay)
    for _ in range(13):
        t.train_step()
        unseen.train_step()
        state = t.state
        seen = current_average(state.average, state.generator, state.step, decay, 8.0)
        pairs = zip(
            seen.parameters(), state.average.parameters(), state.generator.parameters(), strict=True
        )
        for now, before, weight in pairs:
            n = state.step % 10
            left = min(decay, state.step / (state.step + 9)) ** n
            torch.testing.assert_close(now, left * before + (1 - left) * weight.detach())
            if not decay:
                assert torch.equal(now, weight)
    assert_same(t.state.state_dict(), unseen.state.state_dict())


def test_bf16_differs_by_rounding_alone() -> None:
    """Weights after an iteration, and its logits, in bf16 and in fp32."""
    results = []
    for precision in (None, torch.bfloat16):
        torch.manual_seed(0)
        t = small_trainer(
            Generator(16, (1, 8, 8), [64], irange=[0.1]),
            MaxoutDiscriminator((1, 8, 8), [32], 5, [0.1]),
            Momentum(lr=0.1), shape=(1, 8, 8), n=50, m=50, prior=Uniform(16), precision=precision,
        )  # fmt: skip
        t.train_step()
        moved = torch.cat([p.detach().flatten() for p in t.state.generator.parameters()])
        results += [t.state.logits[0], moved]
    torch.testing.assert_close(results[0], results[2], rtol=0.02, atol=0.02)
    torch.testing.assert_close(results[1], results[3], rtol=0.02, atol=2e-4)
    assert results[2].dtype == torch.float32
    assert not torch.equal(results[1], results[3])


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("form", [PLAIN, ONE_PASS], ids=["plain", "one_pass"])
def test_d_scores_with_the_weights_that_the_update_before_left(
    form: dict, precision: torch.dtype | None, k: int
) -> None:
    t = small_trainer(
        Generator(16, (1, 8, 8), [64], irange=[0.1]),
        MaxoutDiscriminator((1, 8, 8), [32], 5, [0.1], keep_prob_input=1, keep_prob_hidden=1),
        Momentum(lr=1.0), form["alternating"], k, shape=(1, 8, 8), n=200, m=50,
        prior=Uniform(16), precision=precision,
    )  # fmt: skip
    discriminator = t.state.discriminator
    weights, scored = [], []

    def record(network: nn.Module, inputs: tuple[Tensor], logits: Tensor) -> None:
        weights.append({name: x.clone() for name, x in network.state_dict().items()})
        scored.append((inputs[0].detach(), logits.detach()))

    hook = discriminator.register_forward_hook(record)
    t.train_step()
    hook.remove()
    assert len(scored) == (2 * k if form is PLAIN else k) + 1
    for before, (x, logits) in zip(weights, scored, strict=True):
        discriminator.load_state_dict(before)
        with torch.autocast("cpu", dtype=precision, enabled=precision is not None):
            assert torch.equal(discriminator(x), logits)
