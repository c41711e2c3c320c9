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

    D's loss counts `d_weight` times: one half in the released code. With `smoothing` s in [0,
    0.5], D's target for real examples is 1 - s in place of 1: one-sided label smoothing (Salimans
    et al., 2016), which keeps D from becoming overconfident.
    """

    def __init__(
        self, smoothing: Annotated[float, Interval(ge=0, le=0.5)] = 0.0, d_weight: Positive = 0.5
    ) -> None:
        self.smoothing, self.d_weight = smoothing, d_weight

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return d_weight (-V + s E[logit D(x)]), a scalar: cross-entropy, the target smoothed."""
        loss = -value(real_logits, fake_logits)
        if self.smoothing:
            loss = loss + self.smoothing * real_logits.mean()
        return loss * self.d_weight

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return -E[log D(G(z))], a scalar."""
        return softplus(-fake_logits).mean()


class Minimax(NonSaturating):
    """G as in equation 1: it minimises E[log(1 - D(G(z)))], which saturates early on.

    With `d_weight` 1 both players are.
    """

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return E[log(1 - D(G(z)))], a scalar."""
        return -softplus(fake_logits).mean()


def value(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))] (equation 1), a scalar."""
    return -softplus(-real_logits).mean() - softplus(fake_logits).mean()
