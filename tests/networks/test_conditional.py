"""Conditional pairs: what labels and weights of classes do in them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gan_cli.networks.conditional import (
    ConditionalDCGANGenerator,
    ConditionalGenerator,
    ConditionalMaxoutDiscriminator,
    ProjectionDiscriminator,
    class_weights,
)

CLASSES, SHAPE = 5, (1, 8, 8)
GENERATORS = [
    lambda: ConditionalGenerator(3, CLASSES, SHAPE, [16], init={"irange": [0.5]}),
    lambda: ConditionalDCGANGenerator(3, CLASSES, SHAPE, embedding=6, width=4),
]
DISCRIMINATORS = [
    lambda: ConditionalMaxoutDiscriminator(SHAPE, CLASSES, [16], pieces=3, irange=[0.5]),
    lambda: ProjectionDiscriminator(SHAPE, CLASSES, width=4),
]
Network = Callable[[], nn.Module]


def of(network: Network) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    given = torch.randn(4, 3) if network in GENERATORS else torch.rand(4, *SHAPE)
    return network().eval(), given


@pytest.mark.parametrize("network", [*GENERATORS, *DISCRIMINATORS])
def test_what_is_given_depends_on_the_label(network: Network) -> None:
    """An example's own alone, and a label is the weight 1 of its class."""
    made, given = of(network)
    y = torch.tensor([0, 1, 2, 4])
    before, after = made(given, y), made(given, torch.tensor([0, 3, 2, 4]))
    changed = (before != after).flatten(1).any(1) if before.ndim > 1 else before != after
    assert changed.tolist() == [False, True, False, False]
    assert torch.equal(made(given, torch.eye(CLASSES)[y]), before)


@pytest.mark.parametrize("network", [*GENERATORS, *DISCRIMINATORS])
def test_what_lies_between_two_classes(network: Network) -> None:
    """Weights lead from one to the other, and end at both."""
    made, given = of(network)
    ends = torch.eye(CLASSES)[[1, 3]]
    path = [
        made(given, w.expand(4, -1)) for w in torch.lerp(*ends, torch.linspace(0, 1, 5)[:, None])
    ]
    for at, label in ((0, 1), (-1, 3)):
        assert torch.equal(path[at], made(given, torch.full((4,), label)))
    assert not torch.equal(path[2], path[0])
    assert not torch.equal(path[2], path[-1])


def test_a_projection_discriminator_is_a_linear_map_and_an_inner_product() -> None:
    """logit = linear(phi(x)) + embed(y) . phi(x), so that it is linear in the class's weights."""
    made, x = of(DISCRIMINATORS[1])
    logits = torch.stack([made(x, torch.full((4,), y)) for y in range(CLASSES)])
    weights = torch.rand(CLASSES).softmax(0)
    torch.testing.assert_close(made(x, weights.expand(4, -1)), weights @ logits)
    nn.init.zeros_(made.embed.weight)
    phi, (w, b) = made.phi(x).flatten(1), made.linear.parameters()
    torch.testing.assert_close(made(x, torch.zeros(4, dtype=torch.int64)), phi @ w.flatten() + b)
    made.embed.weight.data[:, 2] = w.flatten()
    torch.testing.assert_close(made(x, torch.full((4,), 2)), 2 * phi @ w.flatten() + b)


def test_dropout_never_drops_the_label() -> None:
    torch.manual_seed(0)
    d = ConditionalMaxoutDiscriminator(
        SHAPE, CLASSES, [8], pieces=2, irange=[0.5], keep_prob_input=0.1, keep_prob_hidden=1
    ).train()
    inputs: list[Tensor] = []
    d.layers[1].register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    y = torch.arange(200) % CLASSES
    d(torch.ones(200, *SHAPE), y)
    pixels, labels = inputs[0].split([64, CLASSES], dim=1)
    assert torch.equal(labels, torch.eye(CLASSES)[y])
    assert 0.05 < (pixels > 0).float().mean() < 0.15


def test_class_weights_are_of_the_type_asked_for() -> None:
    for dtype in (torch.float64, torch.bfloat16):
        for y in (torch.tensor([2, 0]), torch.tensor([[0.0, 0, 1], [1, 0, 0]])):
            weights = class_weights(y, 3, torch.empty(0, dtype=dtype))
            assert weights.dtype == dtype
            assert weights.tolist() == [[0, 0, 1], [1, 0, 0]]
