"""Each recipe, at reduced widths, moves as a plain float64 version of it does."""

import dataclasses

import numpy as np
import pytest
import torch
from helpers import reference_layers as ref
from helpers.reference import d_slope, g_slope
from hydra import compose, initialize_config_module
from omegaconf import DictConfig
from torch import Tensor, nn

from gan_cli.config import validate as config
from gan_cli.config.build import build_source, build_trainer
from gan_cli.data.source import Data, Split
from gan_cli.networks import layers
from gan_cli.networks.layers import Dropout, UntiedBias
from gan_cli.networks.maxout import Maxout, MaxoutConv
from gan_cli.training.trainer import Trainer

M = 4
FC = ["network.generator.widths=[12,14]", "network.discriminator.units=[25,26]"]
RECIPES = {
    "mnist": [*FC, "dataset.shape=[1,6,6]"],
    "tfd_pretrain": [*FC, "dataset.shape=[1,6,6]", "network.generator.sparse=3"],
    "tfd": [
        "network.generator.front.widths=[11]",
        "network.generator.back.widths=[12,14]",
        "network.generator.back.sparse=3",
        "network.discriminator.units=[25,26]",
        "dataset.shape=[1,6,6]",
    ],
    "cifar10_fc": [*FC, "dataset.shape=[3,6,6]"],
    "cifar10_conv": [
        "dataset.shape=[3,14,14]",
        "network.generator.widths=[9]",
        "network.generator.channels=2",
        "network.discriminator.channels=[2,2,3]",
        "network.discriminator.kernels=[4,4,3]",
        "network.discriminator.pads=[2,2,1]",
        "network.discriminator.pools=[4,2,2]",
        "network.discriminator.units=[25]",
    ],
}


class Double:
    """A prior in float64 that remembers what it drew."""

    def __init__(self, prior: object) -> None:
        self.prior, self.dim = prior, prior.dim

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        self.drawn = self.prior(n, rng).double()
        return self.drawn


def compose_reduced(recipe: str, *overrides: str) -> DictConfig:
    config.register()
    reduced = ["schedule.batch_size=4", "prior.dim=5", "precision=fp32", "device=cpu", "data_dir=x"]
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        return compose("train", [f"experiment={recipe}", *reduced, *RECIPES[recipe], *overrides])


def reduced_training(recipe: str, *overrides: str) -> Trainer:
    cfg = compose_reduced(recipe, *overrides)
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (3 * M, *cfg.dataset.shape), dtype=torch.uint8, generator=rng)
    part = Split(x, None)
    t = build_trainer(cfg, build_source(cfg), Data(part, part, part))
    for network in (t.state.generator, t.state.discriminator, t.state.average):
        network.double()
    to_model = t.minibatches.to_model
    t.minibatches.to_model = lambda x: to_model(x).double()
    # The recipe's weights are so small that D's say little: larger ones test more.
    with torch.no_grad():
        for p in t.state.discriminator.parameters():
            p.mul_(20)
    return dataclasses.replace(t, game=dataclasses.replace(t.game, prior=Double(t.game.prior)))


def layer_by_layer(network: nn.Module) -> list[ref.Layer]:
    """Return the NumPy counterpart of a network of ours."""

    def numpy(*tensors: Tensor) -> list[np.ndarray]:
        return [t.detach().numpy() for t in tensors]

    result: list[ref.Layer] = []
    for module in network.children():
        match module:
            case nn.Linear():
                result.append(ref.Dense(*numpy(module.weight, module.bias)))
            case nn.ReLU():
                result.append(ref.ReLU())
            case nn.Sigmoid():
                result.append(ref.Sigmoid())
            case nn.Identity():
                result.append(ref.Linear())
            case Dropout():
                result.append(ref.Drop(module.keep_prob))
            case Maxout():
                result.append(ref.Dense(*numpy(module.linear.weight, module.linear.bias)))
                result.append(ref.MaxPieces(module.pieces))
            case MaxoutConv():
                w, b = numpy(module.conv.weight, module.conv.bias)
                result.append(ref.Conv(w, b, module.conv.padding[0]))
                result.append(ref.MaxPieces(module.pieces))
                result.append(ref.Pool(module.pool.kernel_size, module.pool.stride))
            case nn.Unflatten():
                result.append(ref.Reshape(*module.unflattened_size))
            case nn.Flatten():
                result.append(ref.Reshape(-1))
            case nn.ConvTranspose2d():
                result.append(ref.Deconv(*numpy(module.weight), module.stride[0]))
            case UntiedBias():
                result.append(ref.Bias(*numpy(module.bias)))
            case _:
                result += layer_by_layer(module)
    return result


def compare(network: nn.Module, theirs: list[ref.Layer]) -> None:
    ours = layer_by_layer(network)
    for a, b in zip(ours, theirs, strict=True):
        for p, q in zip(a.parameters, b.parameters, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("recipe", "times_for_g"), [*((recipe, 1) for recipe in RECIPES), ("mnist", 3)]
)
def test_two_updates_equal_numpy(
    recipe: str, times_for_g: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two, the second at another rate than the first."""
    masks: list[np.ndarray] = []
    original = layers.keep_mask

    def record(like: Tensor, keep: float, rng: torch.Generator | None) -> Tensor:
        masks.append(original(like, keep, rng).double().numpy())
        return torch.from_numpy(masks[-1]).bool()

    monkeypatch.setattr(layers, "keep_mask", record)
    own = [f"optimizer.generator.lr={0.1 * times_for_g}"] if times_for_g != 1 else []
    t = reduced_training(recipe, *own, "optimizer.lr_decay=1.5")
    state = t.state
    g, d = layer_by_layer(state.generator), layer_by_layer(state.discriminator)
    for step in range(2):
        masks.clear()
        t.train_step()
        x = t.minibatches[step].numpy()
        fake = ref.forward(g, t.game.prior.drawn.numpy()).reshape(x.shape)
        both = np.concatenate([x, fake])
        if not isinstance(d[1], ref.Conv):
            both = both.reshape(len(both), -1)
        drops = [layer for layer in d if isinstance(layer, ref.Drop)]
        for drop, mask in zip(drops, masks, strict=True):
            drop.mask = mask
        logits = ref.forward(d, both)[:, 0]
        g_only = np.concatenate([np.zeros(M), g_slope(logits[M:], "non_saturating")])
        at_x = ref.backward(d, g_only[:, None])[M:]
        deconvolved = isinstance(g[-2], ref.Bias)
        ref.backward(g, at_x.reshape(fake.shape) if deconvolved else at_x.reshape(M, -1))
        slope = np.concatenate([d_slope(logits[:M], True), d_slope(logits[M:], False)])
        ref.backward(d, slope[:, None])
        lr, momentum = t.d_optimizer.schedule(step, 1)
        for layer in g:
            layer.update(times_for_g * lr, momentum, state.generator.max_col_norm)
        for layer in d:
            layer.update(lr, momentum, state.discriminator.max_col_norm)
        compare(state.generator, g)
        compare(state.discriminator, d)


def test_the_fast_recipe_has_the_game_of_the_papers() -> None:
    config.register()
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        paper, fast = (compose("train", [f"experiment=mnist{name}"]) for name in ("", "_fast"))
    for same in ("dataset", "network", "objective", "prior"):
        assert fast[same] == paper[same]
    assert fast.optimizer != paper.optimizer


@pytest.mark.parametrize(
    "recipe",
    [*RECIPES, "algorithm_1", "mnist_fast", "tutorial", "dcgan", "ring"],
)
def test_every_recipe_starts_alive(recipe: str) -> None:
    """At its own widths: hidden units vary over a minibatch, samples over z, and all can learn."""
    config.register()
    some = ["schedule.batch_size=20", "precision=fp32", "device=cpu", "data_dir=x"]
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        cfg = compose("train", [f"experiment={recipe}", *some])
    source = build_source(cfg)
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (40, *source.shape), dtype=torch.uint8, generator=rng)
    part = source.load().train if recipe == "ring" else Split(x, None)
    state = (t := build_trainer(cfg, source, Data(part, part, part))).state
    hidden: dict[str, Tensor] = {}
    for player, network in (("G", state.generator), ("D", state.discriminator)):
        for name, layer in network.named_modules():
            if isinstance(layer, Maxout | MaxoutConv | nn.ReLU | nn.LeakyReLU | nn.Sigmoid):
                layer.register_forward_hook(
                    lambda _layer, _x, y, key=f"{player}.{name}": hidden.update({key: y.detach()})
                )
    fake = state.generator(t.game.prior(20, state.rng))
    logits = state.discriminator(torch.cat([t.minibatches[0], fake]))
    real_logits, fake_logits = logits.chunk(2)
    losses = {
        state.generator: t.game.objective.generator_loss(fake_logits),
        state.discriminator: t.game.objective.discriminator_loss(real_logits, fake_logits),
    }

    assert len(hidden) >= 2
    for name, y in hidden.items():
        # A unit that is the same for every example is a bias.
        active = (y.flatten(1).std(0) > 0).float().mean().item()
        assert active > 0.1, f"{name}: {active:.1%} of its units are active"
    assert (fake.detach().flatten(1).std(0) > 1e-4).float().mean() > 0.5
    for network, loss in losses.items():
        names, parameters = zip(*network.named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        for name, gradient in zip(names, gradients, strict=True):
            assert gradient.any(), f"{name} gets no gradient"


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_network_has_a_second_derivative(recipe: str) -> None:
    """Autograd's against finite differences, masks and all, by input and weights at once."""
    t = reduced_training(recipe)
    state, x = t.state, t.minibatches[0]
    z = t.game.prior(M, state.rng)
    for network, given in ((state.generator, z), (state.discriminator, x)):
        names, parameters = zip(*network.named_parameters(), strict=True)

        def forward(
            given: Tensor, *values: Tensor, network: nn.Module = network, names: tuple = names
        ) -> Tensor:
            state.rng.manual_seed(0)
            weights = dict(zip(names, values, strict=True))
            return torch.func.functional_call(network, weights, (given,))

        inputs = (given.clone().requires_grad_(), *parameters)
        assert torch.autograd.gradcheck(forward, inputs, fast_mode=True)
        assert torch.autograd.gradgradcheck(forward, inputs, fast_mode=True)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_network_can_be_exported(recipe: str) -> None:
    t = reduced_training(recipe)
    z = t.game.prior(M, t.state.rng)
    for network, given in ((t.state.generator, z), (t.state.discriminator, t.minibatches[0])):
        exported = torch.export.export(network.eval(), (given,))
        assert torch.equal(exported.module()(given), network(given))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_gradient_penalty_is_felt(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by the plain maximum, whose derivatives are PyTorch's own."""
    state = (t := reduced_training(recipe)).state

    state.discriminator.eval()  # The order of memory, by which masks are drawn, is not the same.

    def penalty() -> tuple[Tensor, ...]:
        x = t.minibatches[0].requires_grad_()
        (at_x,) = torch.autograd.grad(state.discriminator(x).sum(), x, create_graph=True)
        weights = [p for p in state.discriminator.parameters() if p.dim() > 1]
        return torch.autograd.grad(at_x.square().sum(), weights)

    ours = penalty()
    plain = lambda a, pieces: a.unflatten(1, (pieces, -1)).amax(1)  # noqa: E731
    monkeypatch.setattr("gan_cli.networks.maxout.max_of_pieces", plain)
    for a, b in zip(ours, penalty(), strict=True):
        assert a.abs().max() > 0
        torch.testing.assert_close(a, b)
