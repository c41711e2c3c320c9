"""Feature matching with a D that classifies, against the formulas of Salimans et al. (2016)."""

import copy

import torch
from helpers.trainers import noise, small_trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from gan_cli.data.minibatches import WithLabelled
from gan_cli.data.source import Split
from gan_cli.engines.mixed_precision import in_precision
from gan_cli.game.priors import Uniform
from gan_cli.game.semi_supervised import classes, feature_matching
from gan_cli.networks.classifier import NoisyClassifier
from gan_cli.networks.mlp import Generator
from gan_cli.training.optimizers import Momentum
from gan_cli.training.trainer import Trainer

SHAPE, CLASSES, LR = (1, 3, 3), 4, 0.3
GENERATED = CLASSES


def training(k: int = 1, std: float = 0.0, dtype: torch.dtype = torch.float64) -> Trainer:
    torch.manual_seed(0)
    images = noise(SHAPE).x
    few = Split(torch.randint(0, 256, (8, *SHAPE), dtype=torch.uint8), torch.arange(8) % CLASSES)
    minibatches = WithLabelled(
        Split(images, None), few, 6, 0, lambda x: x.to(dtype) / 255, torch.device("cpu")
    )
    generator = Generator(4, SHAPE, [5, 7], init={"irange": [0.8]})
    discriminator = NoisyClassifier(SHAPE, CLASSES, [6, 5], std, std)
    optimizer = Momentum(LR, momentum=0, momentum_end=0)

    def z(m: int, rng: torch.Generator) -> Tensor:
        return Uniform(4)(m, rng).to(dtype)

    return small_trainer(
        generator, discriminator, optimizer, minibatches, feature_matching, k, z
    )  # fmt: skip


def descended(network: nn.Module, loss: Tensor) -> nn.Module:
    """Return a copy of the network after a step of gradient descent."""
    stepped = copy.deepcopy(network)
    gradients = torch.autograd.grad(loss, [*network.parameters()])
    for p, gradient in zip(stepped.parameters(), gradients, strict=True):
        p.data -= LR * gradient
    return stepped


def log_p(d: nn.Module, x: Tensor) -> Tensor:
    """Return the log-probabilities of all K + 1 classes."""
    class_logits, _ = d.classify(x)
    return pad(class_logits, (0, 1)).log_softmax(1)


def test_an_iteration_equals_the_formulas() -> None:
    """D's are cross-entropies of K + 1 classes, half of them each for real and generated images."""
    t = training(k=2)
    d, g, rng = copy.deepcopy((t.state.discriminator, t.state.generator, t.state.rng))
    t.train_step()

    for x, x_labelled, y in (t.minibatches[0], t.minibatches[1]):
        fake = g(t.game.prior(len(x), rng)).detach()
        supervised = cross_entropy(log_p(d, x_labelled)[:, :CLASSES], y)
        real = (1 - log_p(d, x)[:, GENERATED].exp()).log().mean()
        generated = log_p(d, fake)[:, GENERATED].mean()
        d = descended(d, supervised - real / 2 - generated / 2)

    fake = g(t.game.prior(len(x), rng))
    difference = d.hidden(x.flatten(1)).mean(0) - d.hidden(fake.flatten(1)).mean(0)
    g = descended(g, difference.square().mean())
    for trained, expected in ((t.state.discriminator, d), (t.state.generator, g)):
        for p, q in zip(trained.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(p, q)


def test_the_logit_is_that_of_being_real() -> None:
    d = training(dtype=torch.float32).state.discriminator.eval()
    x = torch.rand(5, *SHAPE)
    class_logits, _ = d.classify(x)
    p = pad(class_logits, (0, 1)).softmax(1)
    torch.testing.assert_close(d(x).sigmoid(), 1 - p[:, GENERATED])
    assert torch.equal(classes(d.train(), x), p[:, :CLASSES].argmax(1))
    assert d.training


def test_noise_is_added_in_training_alone() -> None:
    d = training(std=0.5, dtype=torch.float32).state.discriminator
    x = torch.rand(5, *SHAPE)
    assert not torch.equal(d(x), d(x))
    d.eval()
    assert torch.equal(d(x), d(x))


def test_mixed_precision_is_the_same_but_for_rounding() -> None:
    """With the loss, and G's, of float32 logits and features."""
    t, low = (training(dtype=torch.float32) for _ in range(2))
    low.update = in_precision(low.update, low.state, torch.bfloat16)
    for one in (t, low):
        one.train_step()
    for p, q in zip(t.state.generator.parameters(), low.state.generator.parameters(), strict=True):
        assert p.dtype == q.dtype == torch.float32
        torch.testing.assert_close(p, q, atol=1e-2, rtol=1e-2)
    assert not torch.equal(
        t.state.discriminator.output[1].weight, low.state.discriminator.output[1].weight
    )
