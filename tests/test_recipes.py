"""Each recipe, at reduced widths, is updated as a plain float64 version of it is."""

import dataclasses

import pytest
import torch
from helpers.reference import Pair, RecordingPrior, one_hot, record_masks
from hydra import compose, initialize_config_module
from omegaconf import DictConfig
from torch import Tensor, nn

from gan_cli.config.build import build_source, build_trainer, settle
from gan_cli.data.gaussians import Ring
from gan_cli.data.source import Data, Split
from gan_cli.networks.maxout import Maxout, MaxoutConv
from gan_cli.runs import resolvers
from gan_cli.training.trainer import Trainer

M, CLASSES = 4, 3
FC = ["network.generator.widths=[12,14]", "network.discriminator.units=[25,26]"]
RECIPES = {
    "mnist": [*FC, "dataset.shape=[1,6,6]"],
    "mnist_conditional": [
        *FC,
        "dataset.shape=[1,6,6]",
        "optimizer=momentum",
        "schedule=simultaneous",
    ],
    "tfd_pretrain": [*FC, "dataset.shape=[1,6,6]", "network.generator.init.sparse=3"],
    "tfd": [
        "network.generator.front.widths=[11]",
        "network.generator.back.widths=[12,14]",
        "network.generator.back.init.sparse=3",
        "network.discriminator.units=[25,26]",
        "dataset.shape=[1,6,6]",
    ],
    "cifar10_fc": [*FC, "dataset.shape=[3,6,6]"],
    "cifar10_conv": [
        "dataset.shape=[3,14,14]",
        "network.generator.widths=[9]",
        "network.generator.channels=2",
        "network.discriminator.convolutions="
        "[{channels:2,kernel:4,pad:2,pool:4,stride:2},{channels:2,kernel:4,pad:2,pool:2,stride:2},"
        "{channels:3,kernel:3,pad:1,pool:2,stride:2}]",
        "network.discriminator.units=[25]",
    ],
}


def composed(recipe: str, *overrides: str) -> DictConfig:
    resolvers.register()
    common = [f"experiment={recipe}", "precision=fp32", "device=cpu", "data_dir=x"]
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        return compose("train", [*common, *overrides])


def training(cfg: DictConfig) -> Trainer:
    """A trainer on noise, or on the ring's own points."""
    source = build_source(cfg)
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (40, *source.shape), dtype=torch.uint8, generator=rng)
    labelled = Split(noise, torch.arange(40) % CLASSES)
    part = source.load().train if isinstance(source, Ring) else labelled
    data = Data(part, part, part)
    settle(cfg, source, data)
    return build_trainer(cfg, source, data)


def reduced_training(recipe: str, *overrides: str) -> Trainer:
    """A trainer of the recipe in float64, at reduced widths."""
    reduced = [f"schedule.batch_size={M}", "prior.dim=5", *RECIPES[recipe]]
    t = training(composed(recipe, *reduced, *overrides))
    for network in (t.state.generator, t.state.discriminator, t.state.average):
        network.double()
    to_model = t.minibatches.to_model
    t.minibatches.to_model = lambda x: to_model(x).double()
    # The recipe's weights are so small that D's say little: larger ones test more.
    with torch.no_grad():
        for p in t.state.discriminator.parameters():
            p.mul_(20)
    game = dataclasses.replace(t.game, prior=RecordingPrior(t.game.prior))
    return dataclasses.replace(t, game=game)


@pytest.mark.parametrize(("recipe", "g_rate"), [*((name, 1) for name in RECIPES), ("mnist", 3)])
def test_two_updates_equal_numpy(recipe: str, g_rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two, the second with another learning rate than the first."""
    masks = record_masks(monkeypatch)
    own = [f"optimizer.generator.lr={0.1 * g_rate}"] if g_rate != 1 else []
    t = reduced_training(recipe, *own, "optimizer.lr_decay=1.5")
    masks.clear()
    pair = Pair(t.state.generator, t.state.discriminator, masks, g_rate=g_rate)
    for step in range(2):
        t.train_step()
        x, *c = t.minibatches[step]
        real = x.numpy(), *(one_hot(y, CLASSES) for y in c)
        pair.simultaneous([real], t.game.prior.drawn, [t.d_optimizer.schedule(step, 1)])
        assert not masks
        pair.g.assert_close(t.state.generator, rtol=1e-6)
        pair.d.assert_close(t.state.discriminator, rtol=1e-6)


def test_the_fast_recipe_is_algorithm_1_with_another_end() -> None:
    slow, fast = composed("algorithm_1"), composed("mnist_fast")
    different = {key for key in slow if slow[key] != fast[key]}
    assert different == {"schedule", "monitor"}
    assert {**fast.schedule, "epochs": slow.schedule.epochs} == slow.schedule


@pytest.mark.parametrize(
    "recipe",
    [*RECIPES, "algorithm_1", "mnist_fast", "tutorial", "dcgan", "ring", "digits_conditional"],
)
def test_every_recipe_starts_alive(recipe: str) -> None:
    """At its own widths: hidden units vary over a minibatch, samples over z, and all can learn."""
    t = training(composed(recipe, "schedule.batch_size=20"))
    state = t.state
    hidden: dict[str, Tensor] = {}
    for player, network in (("G", state.generator), ("D", state.discriminator)):
        for name, layer in network.named_modules():
            if isinstance(layer, Maxout | MaxoutConv | nn.ReLU | nn.LeakyReLU | nn.Sigmoid):
                layer.register_forward_hook(
                    lambda _layer, _x, y, key=f"{player}.{name}": hidden.update({key: y.detach()})
                )
    x, *c = t.minibatches[0]
    fake = state.generator(t.game.prior(20, state.rng), *c)
    logits = state.discriminator(torch.cat([x, fake]), *(torch.cat([y, y]) for y in c))
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
    state, (x, *c) = t.state, t.minibatches[0]
    z = t.game.prior(M, state.rng)
    for network, given in ((state.generator, z), (state.discriminator, x)):
        names, parameters = zip(*network.named_parameters(), strict=True)

        def forward(
            given: Tensor, *values: Tensor, network: nn.Module = network, names: tuple = names
        ) -> Tensor:
            state.rng.manual_seed(0)
            weights = dict(zip(names, values, strict=True))
            return torch.func.functional_call(network, weights, (given, *c))

        inputs = (given.clone().requires_grad_(), *parameters)
        assert torch.autograd.gradcheck(forward, inputs, fast_mode=True)
        assert torch.autograd.gradgradcheck(forward, inputs, fast_mode=True)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_network_can_be_exported(recipe: str) -> None:
    t = reduced_training(recipe)
    x, *c = t.minibatches[0]
    z = t.game.prior(M, t.state.rng)
    for network, given in ((t.state.generator, (z, *c)), (t.state.discriminator, (x, *c))):
        exported = torch.export.export(network.eval(), given)
        assert torch.equal(exported.module()(*given), network(*given))
