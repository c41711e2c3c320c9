"""Section 4 of the paper in one dimension: p_data, D*, V(D, G) and the Jensen-Shannon divergence.

Densities are given by their logarithms, float64, so that D* stays defined where both underflow;
integrals are taken by the trapezoidal rule.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gan_cli.errors import UserError
from gan_cli.ranges import Number, Positive

LOG_4 = math.log(4)

# Beyond it, logit(z) has 1e-13 of z's mass, and above it z would round to 1.
U_MAX = 30.0

# log p or logits of D at x (n,), as (n,).
OfX = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Density:
    """A mixture of normal densities, an entry for each component."""

    means: list[Number]
    stds: list[Positive]
    weights: list[Positive]


class Mixture:
    """A mixture of normal densities on the line, the known p_data, of that `mean` and `std`.

    The weights are positive and need not sum to 1. Raises UserError where the three lists do not
    have one entry for each component.
    """

    def __init__(
        self,
        means: Sequence[float],
        stds: Sequence[float],
        weights: Sequence[float],
        device: torch.device | str = "cpu",
    ) -> None:
        if not 0 < len(means) == len(stds) == len(weights):
            raise UserError(
                f"p_data.means has {len(means)} entries, p_data.stds {len(stds)} and "
                f"p_data.weights {len(weights)}; each must have one for each component."
            )
        self.means, self.stds, self.weights = (
            torch.tensor(values, dtype=torch.float64, device=device)
            for values in (means, stds, weights)
        )
        self.weights = self.weights / self.weights.sum()
        self.mean = float(self.weights @ self.means)
        variance = float(self.weights @ (self.stds**2 + (self.means - self.mean) ** 2))
        self.std = math.sqrt(variance)

    def log_density(self, x: Tensor) -> Tensor:
        """Return log p_data at `x` (n,)."""
        standard = (x.unsqueeze(1) - self.means) / self.stds
        log_normal = -(standard**2) / 2 - self.stds.log() - math.log(2 * math.pi) / 2
        return torch.logsumexp(log_normal + self.weights.log(), 1)

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Return x (n,), drawn with `rng`."""
        k = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        noise = torch.randn(n, dtype=torch.float64, device=self.means.device, generator=rng)
        return self.means[k] + self.stds[k] * noise


def optimal_logits(log_p_data: Tensor, log_p_g: Tensor) -> Tensor:
    """Return the logits of D* = p_data / (p_data + p_g) (proposition 1)."""
    return log_p_data - log_p_g


def value_on_grid(logits: Tensor, log_p_data: Tensor, log_p_g: Tensor, x: Tensor) -> Tensor:
    """Return V(D, G) as in equation 3, from values on the grid `x` (n,), as a scalar.

    V = integral of p_data(x) log D(x) + p_g(x) log(1 - D(x)) over x.
    """
    integrand = log_p_data.exp() * softplus(-logits) + log_p_g.exp() * softplus(logits)
    return -torch.trapezoid(integrand, x)


def value_of_game(discriminator: OfX, p_data: OfX, generator: OfX, x: Tensor) -> float:
    """Return V(D, G) as in equation 1, whose second expectation is over z and not over p_g.

    `discriminator` gives logits and `p_data` log p_data at x (n,), `generator` x at z (n,). z is
    sigmoid(u) for evenly spaced u, which resolves the tails: dz = sigmoid(u) sigmoid(-u) du. No
    density of G enters, so that a wrong one shows.
    """
    u = torch.linspace(-U_MAX, U_MAX, len(x), dtype=x.dtype, device=x.device)
    fake_logits = discriminator(generator(u.sigmoid()))
    real = torch.trapezoid(p_data(x).exp() * softplus(-discriminator(x)), x)
    fake = torch.trapezoid(u.sigmoid() * (-u).sigmoid() * softplus(fake_logits), u)
    return -float(real + fake)


def jensen_shannon(log_p: Tensor, log_q: Tensor, x: Tensor) -> float:
    """Return JSD(p || q) in nats, from values on the grid `x` (n,).

    As entropies: H((p + q) / 2) - (H(p) + H(q)) / 2; D* does not enter.
    """
    log_middle = torch.logaddexp(log_p, log_q) - math.log(2)
    middle, p, q = (-torch.trapezoid(a.exp() * a, x) for a in (log_middle, log_p, log_q))
    return float(middle - (p + q) / 2)


@torch.no_grad()
def grid(p_data: Mixture, generator: OfX, cells: int) -> Tensor:
    """Return `cells` + 1 evenly spaced points over all but 1e-13 of p_data's and p_g's mass."""
    ends = generator(p_data.means.new_tensor([-U_MAX, U_MAX]).sigmoid())
    low = min(float(ends[0]), float((p_data.means - 8 * p_data.stds).min()))
    high = max(float(ends[1]), float((p_data.means + 8 * p_data.stds).max()))
    return torch.linspace(low, high, cells + 1, dtype=torch.float64, device=ends.device)
