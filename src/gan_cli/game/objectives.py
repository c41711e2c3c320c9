"""What each player minimises, as softplus of D's logits: finite for any logit (section 3).

With s the sigmoid, D(x) = s(real_logits) and D(G(z)) = s(fake_logits); log s(a) = -softplus(-a) and
log(1 - s(a)) = -softplus(a). All logits are float32 (m,); losses are means over the minibatch.
"""

from typing import Annotated, Protocol

from annotated_types import Interval
from torch import Tensor
from torch.nn.functional import softplus

from gan_cli.ranges import Positive


class Objective(Protocol):
    """What the players minimise, as functions of D's logits (m,), which are float32."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return D's loss, a scalar."""
        ...

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return G's loss, a scalar."""
        ...


class NonSaturating:
    """D ascends V, G minimises -E[log D(G(z))].

    `d_weight` is a factor of D's loss, one half in the released code. With `smoothing` s in [0,
    0.5], D's target for real examples is 1 - s in place of 1: one-sided label smoothing (Salimans
    et al., 2016), against an overconfident D.
    """

    def __init__(
        self, smoothing: Annotated[float, Interval(ge=0, le=0.5)] = 0.0, d_weight: Positive = 0.5
    ) -> None:
        self.smoothing, self.d_weight = smoothing, d_weight

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return d_weight (s E[logit D(x)] - V), a scalar: cross-entropy with D's targets."""
        smoothed = self.smoothing * real_logits.mean()
        return self.d_weight * (smoothed - value(real_logits, fake_logits))

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return -E[log D(G(z))], a scalar."""
        return softplus(-fake_logits).mean()


class Minimax(NonSaturating):
    """Equation 1, with `d_weight` 1: G minimises E[log(1 - D(G(z)))], which saturates early on."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return E[log(1 - D(G(z)))], a scalar."""
        return -softplus(fake_logits).mean()


def value(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))] (equation 1), a scalar."""
    return -softplus(-real_logits).mean() - softplus(fake_logits).mean()
