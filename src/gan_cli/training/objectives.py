"""What each player minimises, as softplus of D's logits: finite for any logit (section 3).

With s the sigmoid, D(x) = s(real_logits) and D(G(z)) = s(fake_logits); log s(a) = -softplus(-a) and
log(1 - s(a)) = -softplus(a). All logits are float32 (m,); losses are means over the minibatch.
"""

from torch import Tensor
from torch.nn.functional import softplus


class NonSaturating:
    """D ascends V, halved as in the released code; G minimises -E[log D(G(z))]."""

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return -V / 2, a scalar."""
        return -value(real_logits, fake_logits) / 2

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return -E[log D(G(z))], a scalar."""
        return softplus(-fake_logits).mean()


class Minimax(NonSaturating):
    """Equation 1 to the letter: G minimises E[log(1 - D(G(z)))], which saturates early on."""

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        """Return E[log(1 - D(G(z)))], a scalar."""
        return -softplus(fake_logits).mean()


def value(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))] (equation 1), a scalar."""
    return -softplus(-real_logits).mean() - softplus(fake_logits).mean()
