"""Semi-supervised learning (section 7, extension 4), as in Salimans et al. (2016)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from gan_cli.data.minibatches import Minibatch
from gan_cli.game.state import State
from gan_cli.game.updates import Game, descend
from gan_cli.networks.classifier import Classifier


def feature_matching(state: State, game: Game, minibatches: Sequence[Minibatch]) -> Tensor:
    """Do one iteration of Algorithm 1 with a D that classifies and a G that matches its features.

    Each minibatch is (x, x_labelled, y): images (m, C, H, W), and some whose classes y, int64, are
    known. D descends its loss in the game plus the cross-entropy of y. G descends the mean square
    of E[f(x)] - E[f(G(z))], with D's features f (section 3.1 of Salimans et al.), in place of its
    loss in the game. Returns logits as `updates.alternating`.
    """
    discriminator = state.discriminator
    assert isinstance(discriminator, Classifier)
    for n, (x, x_labelled, y) in enumerate(minibatches, start=state.step * len(minibatches)):
        with torch.no_grad():
            fake = state.generator(game.prior(len(x), state.rng))
        class_logits, _ = discriminator.classify(x_labelled)
        real_logits, fake_logits = discriminator(x), discriminator(fake)
        d_loss = game.objective.discriminator_loss(real_logits, fake_logits)
        game.set_hyperparameters(state.d_optimizer, n)
        descend(state.d_optimizer, d_loss + cross_entropy(class_logits, y))

    fake = state.generator(game.prior(len(x), state.rng))
    with torch.no_grad():
        _, real_features = discriminator.classify(x)
    class_logits, fake_features = discriminator.classify(fake)
    game.set_hyperparameters(state.g_optimizer, n)
    descend(state.g_optimizer, mse_loss(fake_features.mean(0), real_features.mean(0)))
    return torch.stack([real_logits, fake_logits, class_logits.logsumexp(1)]).detach()


@torch.no_grad()
def classes(discriminator: Classifier, x: Tensor) -> Tensor:
    """Return the most probable class (n,) of each image (n, C, H, W), without dropout or noise."""
    was_training = discriminator.training
    discriminator.eval()
    found = [discriminator.classify(part)[0].argmax(1) for part in x.split(1000)]
    discriminator.train(was_training)
    return torch.cat(found)
