"""Discriminators that classify: K classes of the data, and one of generated images."""

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from gan_cli.networks.layers import GaussianNoise
from gan_cli.ranges import Count, NonNegative


class Classifier(nn.Module):
    """D with K + 1 classes (Salimans et al., 2016, section 5); `classify` is a subclass's own.

    The logit of generated images is 0, as one of K + 1 logits is free. With l the K others and
    Z = sum_k exp(l_k), D(x) = Z / (Z + 1), so that log Z is the logit of D(x).
    """

    def classify(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (m, K) of the data's classes, and the features (m, d) behind them."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of D(x), (m,)."""
        class_logits, _ = self.classify(x)
        return class_logits.logsumexp(1)


class NoisyClassifier(Classifier):
    """D of Salimans et al. (2016) on MNIST: ReLU layers of the given `widths`, with noise.

    N(0, noise_input^2) is added to the values of images, and N(0, noise_hidden^2) to the inputs of
    all other layers. Weights are normalised (Salimans and Kingma, 2016). The features are the last
    hidden layer's.
    """

    def __init__(
        self,
        shape: Sequence[Count],
        classes: Count,
        widths: Sequence[Count],
        noise_input: NonNegative = 0.3,
        noise_hidden: NonNegative = 0.5,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs, std = math.prod(shape), noise_input
        for width in widths:
            layers += [GaussianNoise(std), weight_norm(nn.Linear(inputs, width)), nn.ReLU()]
            inputs, std = width, noise_hidden
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Sequential(GaussianNoise(std), weight_norm(nn.Linear(inputs, classes)))

    def classify(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return class logits and the last hidden layer's values."""
        features = self.hidden(x.flatten(1))
        return self.output(features), features
