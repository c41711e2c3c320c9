"""Both updates against the paper's formulas, in plain float64 NumPy."""

import copy
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from helpers.command import assert_same, needs_compiler
from helpers.reference import Pair, RecordingLabels, RecordingPrior, one_hot, record_masks
from helpers.trainers import ONE_PASS, PLAIN, noise, small_trainer
from torch import Tensor, nn

from gan_cli.engines.compiled import Compiled
from gan_cli.engines.mixed_precision import in_precision
from gan_cli.engines.one_pass import is_per_sample
from gan_cli.game.objectives import Minimax, NonSaturating
from gan_cli.game.priors import Uniform
from gan_cli.game.updates import TRAINING_METRICS, metrics
from gan_cli.networks.conditional import ConditionalGenerator, ConditionalMaxoutDiscriminator
from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Discriminator, Generator
from gan_cli.training.averaging import current_average
from gan_cli.training.optimizers import Momentum
from gan_cli.training.trainer import Trainer

M, SHAPE, CLASSES = 6, (1, 3, 3), 3


class Reversed(NonSaturating):
    """A user's objective, whose slopes at generated examples have the other sign."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return super().discriminator_loss(-real_logits, -fake_logits)


OBJECTIVES = {"non_saturating": NonSaturating(), "minimax": Minimax(), "reversed": Reversed()}


def training(
    objective: str = "non_saturating",
    updates: str = "alternating",
    k: int = 1,
    discriminator: nn.Module | None = None,
    form: dict = ONE_PASS,
    labels: Literal["none", "data", "uniform"] = "none",
    **average: float,
) -> Trainer:
    torch.manual_seed(0)
    # Larger weights than the paper's, so that every path through the pair matters.
    generator: nn.Module = Generator(4, SHAPE, [5, 7], init={"irange": [0.8]})
    discriminator = discriminator or MaxoutDiscriminator(SHAPE, [4, 6], 3, [0.8])
    classes = None if labels == "none" else CLASSES
    if classes:
        generator = ConditionalGenerator(4, classes, SHAPE, [5, 7], init={"irange": [0.8]})
        discriminator = ConditionalMaxoutDiscriminator(
            SHAPE, classes, [4, 6], pieces=3, irange=[0.8]
        )
    optimizer = Momentum(
        lr=0.5, lr_decay=1.2, lr_min=0.1, momentum=0.3, momentum_end=0.9, momentum_epochs=4
    )
    data = noise(SHAPE, m=M, dtype=torch.float64, classes=classes)
    t = small_trainer(
        generator, discriminator, optimizer, data, form[updates], k, RecordingPrior(Uniform(4)),
        OBJECTIVES[objective], **average,
    )  # fmt: skip
    if labels == "uniform":
        t.game = replace(t.game, fake_condition=RecordingLabels(CLASSES))
    return t


def weights(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


@pytest.mark.parametrize("objective", ["non_saturating", "minimax"])
@pytest.mark.parametrize(
    ("updates", "k"), [("alternating", 1), ("alternating", 3), ("simultaneous", 1)]
)
@pytest.mark.parametrize(
    ("labels", "compiled"),
    [
        ("none", False),
        ("data", False),
        ("uniform", False),
        pytest.param("none", True, marks=[needs_compiler, pytest.mark.slow]),
    ],
)
@pytest.mark.usefixtures("compilers_cache")
def test_updates_equal_numpy(
    objective: str, updates: str, k: int, compiled: bool, labels: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Six iterations over two epochs, with momentum, schedules and dropout."""
    t = training(objective, updates, k, labels=labels)
    masks = record_masks(monkeypatch)
    pair = Pair(t.state.generator, t.state.discriminator, masks, objective)
    eager = t.update
    if compiled:
        t.update = Compiled(eager, t.d_optimizer.set_from_tensor)
    for step in range(6):
        t_copy = copy.deepcopy(replace(t, update=eager))
        t.train_step()
        # As the iteration draws, which a compiled one does by its own means.
        masks.clear()
        z = t_copy.game.prior.drawn
        z.clear()
        if labels == "uniform":
            pair.fake_labels = t_copy.game.fake_condition.drawn
            pair.fake_labels.clear()
        t_copy.train_step()
        seen = range(step * k, (step + 1) * k)
        rates = [t.d_optimizer.schedule(n, n // t.minibatches.per_epoch + 1) for n in seen]
        minibatches = [
            (x.numpy(), *(one_hot(y, CLASSES) for y in c))
            for x, *c in (t.minibatches[n] for n in seen)
        ]
        getattr(pair, updates)(minibatches, z, rates)
        assert not masks
        assert not z
        assert not pair.fake_labels
        pair.g.assert_close(t.state.generator, rtol=1e-9)
        pair.d.assert_close(t.state.discriminator, rtol=1e-9)


def without_dropout() -> MaxoutDiscriminator:
    torch.manual_seed(1)
    return MaxoutDiscriminator(SHAPE, [4, 6], 3, [0.8], keep_prob_input=1, keep_prob_hidden=1)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("bias", [-1e4, -100.0, -50.0, -5.0, 0.0, 50.0, 1e4])
def test_one_backward_pass_equals_two(objective: str, bias: float) -> None:
    """Whatever D's logits: G's gradient is exact where D's own has all but vanished."""
    results = []
    for form in (PLAIN, ONE_PASS):
        t = training(objective, "simultaneous", 1, without_dropout(), form)
        g, d = t.state.generator, t.state.discriminator
        with torch.no_grad():
            d.layers[-1].bias.fill_(bias)
        before = weights(g)
        t.train_step()
        moves = [new - old for new, old in zip(weights(g), before, strict=True)]
        relative = [move / move.abs().max().clamp_min(1e-300) for move in moves]
        results.append([*weights(g), *weights(d), *relative])
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


def test_batch_norm_in_d_is_found_and_halves_are_scored_apart() -> None:
    x = torch.randn(8, *SHAPE)
    normalised = Discriminator(SHAPE, [8], batch_norm=[True])
    assert is_per_sample(MaxoutDiscriminator(SHAPE, [4, 6], 3, [0.005]), x)
    assert is_per_sample(Discriminator(SHAPE, [8], keep_prob=0.5), x)
    assert not is_per_sample(normalised, x)
    assert not is_per_sample(Discriminator(SHAPE, [8]), x[:1])
    assert not is_per_sample(normalised, torch.zeros_like(x))  # all images black

    t = training("non_saturating", "simultaneous", 1, normalised, PLAIN)
    batches = []
    normalised.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))
    t.train_step()
    assert batches == [M, M]


@pytest.mark.parametrize("logit", [0.0, 3.0])
def test_metrics_of_a_constant_discriminator(logit: float) -> None:
    logits = torch.full((2, 3, M), logit)
    row = dict(zip(TRAINING_METRICS, metrics(NonSaturating(), logits).tolist(), strict=True))
    d = 1 / (1 + np.exp(-logit))
    value = np.log(d) + np.log(1 - d)
    assert row == pytest.approx(
        {
            "d_loss": -value / 2, "g_loss": -np.log(d), "value": value, "d_real": d, "d_fake": d,
            "d_accuracy_real": float(logit > 0), "d_accuracy_fake": 0,
        }
    )  # fmt: skip


def test_metrics_of_several_steps_are_the_mean_of_theirs() -> None:
    logits = torch.randn(5, 3, M)
    mean = torch.stack([metrics(NonSaturating(), each[None]) for each in logits]).mean(0)
    torch.testing.assert_close(metrics(NonSaturating(), logits), mean)


@pytest.mark.parametrize(("updates", "passes"), [("alternating", 2), ("simultaneous", 1)])
def test_an_update_returns_the_logits_of_its_losses(updates: str, passes: int) -> None:
    seen: list[Tensor] = []
    t = training(updates=updates)
    t.state.discriminator.register_forward_hook(lambda _m, _x, y: seen.append(y.detach()))
    logits = t.update(t.state, t.game, [t.minibatches[0]])
    assert torch.equal(logits[:2].flatten(), seen[0])
    assert torch.equal(logits[2], seen[-1][-M:])
    assert len(seen) == passes


@pytest.mark.parametrize("power", [0.0, 2.0, 8.0])
def test_average_follows_the_generator(power: float) -> None:
    t = training(ema_decay=0.9, ema_power=power)
    average = weights(t.state.average)
    for step in range(41):
        t.train_step()
        if step % 10 == 9:
            decay = min(0.9, (1 + step) / (2 + power + step)) ** 10
            for mean, weight in zip(average, weights(t.state.generator), strict=True):
                mean.mul_(decay).add_((1 - decay) * weight)
    torch.testing.assert_close(weights(t.state.average), average)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_average_is_never_older_than_the_generator(decay: float) -> None:
    """Looked at after any step it has that step in it, and to look changes nothing."""
    t, unseen = training(ema_decay=decay), training(ema_decay=decay)
    for _ in range(13):
        t.train_step()
        unseen.train_step()
        state = t.state
        seen = current_average(state.average, state.generator, state.step, decay, 8.0)
        left = min(decay, state.step / (state.step + 9)) ** (state.step % 10)
        for now, before, weight in zip(
            *map(weights, (seen, state.average, state.generator)), strict=True
        ):
            torch.testing.assert_close(now, left * before + (1 - left) * weight)
            if not decay:
                assert torch.equal(now, weight)
    assert_same(t.state.state_dict(), unseen.state.state_dict())


def trainer_in(
    precision: torch.dtype | None, form: dict = ONE_PASS, k: int = 1, **dropout: float
) -> Trainer:
    torch.manual_seed(0)
    t = small_trainer(
        Generator(16, (1, 8, 8), [64], init={"irange": [0.1]}),
        MaxoutDiscriminator((1, 8, 8), [32], 5, [0.1], **dropout),
        Momentum(lr=0.1), noise((1, 8, 8), n=200, m=50), form["alternating"], k, Uniform(16),
    )  # fmt: skip
    return t if precision is None else replace(t, update=in_precision(t.update, t.state, precision))


def test_bf16_differs_by_rounding_alone() -> None:
    """Weights after an iteration, and its logits, in bf16 and in fp32."""
    logits, after = [], []
    for t in (trainer_in(None), trainer_in(torch.bfloat16)):
        t.train_step()
        logits += t.state.logits
        after.append(torch.cat([p.flatten() for p in weights(t.state.generator)]))
    torch.testing.assert_close(*logits, rtol=0.02, atol=0.02)
    torch.testing.assert_close(*after, rtol=0.02, atol=2e-4)
    assert not torch.equal(*after)


@pytest.mark.parametrize("precision", [None, torch.bfloat16])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("form", "passes"), [(PLAIN, 2), (ONE_PASS, 1)], ids=["plain", "one_pass"])
def test_d_scores_with_the_weights_that_the_update_before_left(
    form: dict, passes: int, precision: torch.dtype | None, k: int
) -> None:
    t = trainer_in(precision, form, k, keep_prob_input=1, keep_prob_hidden=1)
    discriminator = t.state.discriminator
    scored = []

    def record(network: nn.Module, inputs: tuple[Tensor], logits: Tensor) -> None:
        scored.append((copy.deepcopy(network.state_dict()), inputs[0].detach(), logits.detach()))

    hook = discriminator.register_forward_hook(record)
    t.train_step()
    hook.remove()
    assert len(scored) == passes * k + 1
    for before, x, logits in scored:
        discriminator.load_state_dict(before)
        with torch.autocast("cpu", dtype=precision, enabled=precision is not None):
            assert torch.equal(discriminator(x), logits)
