"""Section 4 of the paper in one dimension: D*, C(G) and the Jensen-Shannon divergence.

Densities are given by their logarithms, float64, so that D* stays defined where both underflow.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gan_cli.errors import UserError

LOG_4 = math.log(4)

# Where p_data + p_g is below this, in units of 1 / p_data's std, D has hardly anything to go by.
DENSE = 0.01

# log p or logits of D at x (n,), as (n,).
OfX = Callable[[Tensor], Tensor]


class Mixture:
    """A mixture of normal densities on the line, the known p_data.

    `weights` are positive and need not sum to 1. `mean` and `std` are the mixture's. Raises
    UserError where the three do not have one entry for each component.
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
                f"means has {len(means)} entries, stds {len(stds)} and weights {len(weights)}; "
                "each must have one for each component of p_data."
            )
        self.means, self.stds, self.weights = (
            torch.tensor(values, dtype=torch.float64, device=device)
            for values in (means, stds, weights)
        )
        self.weights = self.weights / self.weights.sum()
        self.mean = float(self.weights @ self.means)
        second = float(self.weights @ (self.stds**2 + (self.means - self.mean) ** 2))
        self.std = math.sqrt(second)

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
    """Return V(D, G) as equation 3 has it, by the trapezoidal rule on the grid `x` (n,), a scalar.

    V = integral of p_data(x) log D(x) + p_g(x) log(1 - D(x)) over x.
    """
    integrand = log_p_data.exp() * softplus(-logits) + log_p_g.exp() * softplus(logits)
    return -torch.trapezoid(integrand, x)


def value_of_game(discriminator: OfX, p_data: OfX, generator: OfX, x: Tensor) -> float:
    """Return V(D, G) as equation 1 has it: the second expectation is over z, not over p_g.

    `discriminator` gives logits and `p_data` log p_data at x (n,), `generator` x at z (n,). z runs
    through sigmoid(u) for even u, which resolves the tails: dz = sigmoid(u) sigmoid(-u) du. No
    density of G enters, so that a wrong one shows.
    """
    u = torch.linspace(-U_MAX, U_MAX, len(x), dtype=x.dtype, device=x.device)
    fake_logits = discriminator(generator(u.sigmoid()))
    real = torch.trapezoid(p_data(x).exp() * softplus(-discriminator(x)), x)
    fake = torch.trapezoid(u.sigmoid() * (-u).sigmoid() * softplus(fake_logits), u)
    return -float(real + fake)


# Beyond it lies 1e-13 of z's mass, and above it z would round to 1.
U_MAX = 30.0


def jensen_shannon(log_p: Tensor, log_q: Tensor, x: Tensor) -> float:
    """Return JSD(p || q) in nats, by the trapezoidal rule on the grid `x` (n,).

    As entropies: H((p + q) / 2) - (H(p) + H(q)) / 2; D* does not enter.
    """
    log_middle = torch.logaddexp(log_p, log_q) - math.log(2)
    middle, p, q = (-torch.trapezoid(a.exp() * a, x) for a in (log_middle, log_p, log_q))
    return float(middle - (p + q) / 2)


@dataclass(frozen=True)
class Moment:
    """What is measured of D and G at one moment of the game; values in nats.

    `value` is V(D, G) and `value_at_optimum` V(D*, G) (equation 1), `jensen_shannon` JSD(p_data ||
    p_g), `c_of_g` -log 4 + 2 JSD (theorem 1). `d_error` and `d_from_half` are the largest
    |D - D*| and |D - 1/2| where p_data + p_g > DENSE; `mass` is the integral of p_data and of p_g
    over the grid, which a grid too coarse gets wrong.
    """

    value: float
    value_at_optimum: float
    c_of_g: float
    jensen_shannon: float
    d_error: float
    d_from_half: float
    mass: tuple[float, float]


@torch.no_grad()
def measure(
    discriminator: OfX, generator: OfX, log_density: OfX, p_data: Mixture, x: Tensor
) -> Moment:
    """Return what is measured; `log_density` is log p_g, `x` (n,) the grid of the integrals."""
    log_p_data, log_p_g = p_data.log_density(x), log_density(x)

    def optimum(at: Tensor) -> Tensor:
        return optimal_logits(p_data.log_density(at), log_density(at))

    d, dense = discriminator(x).sigmoid(), log_p_data.exp() + log_p_g.exp() > DENSE / p_data.std
    jsd = jensen_shannon(log_p_data, log_p_g, x)
    return Moment(
        value_of_game(discriminator, p_data.log_density, generator, x),
        value_of_game(optimum, p_data.log_density, generator, x),
        -LOG_4 + 2 * jsd,
        jsd,
        float((d - optimum(x).sigmoid())[dense].abs().max()),
        float((d - 0.5)[dense].abs().max()),
        (float(torch.trapezoid(log_p_data.exp(), x)), float(torch.trapezoid(log_p_g.exp(), x))),
    )


@torch.no_grad()
def grid(p_data: Mixture, generator: OfX, cells: int) -> Tensor:
    """Return `cells` + 1 even points that hold all of p_data's and of p_g's mass but 1e-13."""
    ends = generator(p_data.means.new_tensor([-U_MAX, U_MAX]).sigmoid())
    low = min(float(ends[0]), float((p_data.means - 8 * p_data.stds).min()))
    high = max(float(ends[1]), float((p_data.means + 8 * p_data.stds).max()))
    return torch.linspace(low, high, cells + 1, dtype=torch.float64, device=ends.device)
