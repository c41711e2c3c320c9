"""A generator of numbers whose density is known: a rising map of the line."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

# Of the logistic distribution, which is that of logit(z).
LOGISTIC_STD = math.pi / math.sqrt(3)


@dataclass(frozen=True)
class Start:
    """A MonotoneGenerator before its first update: its bends, and where its density lies."""

    units: Annotated[int, Interval(ge=1, le=10_000)]
    shift: Annotated[float, Interval(ge=-1000, le=1000)]
    spread: Annotated[float, Interval(gt=0, le=1000)]


class MonotoneGenerator(nn.Module):
    """G: z (n,) in (0, 1) -> x (n,), rising, hence invertible; its density follows (section 4).

    With u = logit(z), G(z) = center + scale (a + s u + sum_k w_k tanh((u - c_k) / r_k)), where s,
    w_k and r_k are positive. `center` and `scale` are the units of x and stay; G starts at about
    center + scale (shift + spread u / 1.81), whose standard deviation is spread * scale, with
    `units` bends. All is float64.

    The logit opens (0, 1) to the line: a G bounded on it would end p_g in a cliff, where D* jumps
    and no continuous D can follow.
    """

    center: Tensor
    scale: Tensor

    def __init__(
        self, units: int, center: float, scale: float, shift: float, spread: float
    ) -> None:
        super().__init__()
        self.register_buffer("center", torch.tensor(center, dtype=torch.float64))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        # The bends lie side by side where z has its mass, and start as half of the slope.
        edges = torch.linspace(-6, 6, units + 1, dtype=torch.float64)
        width, slope = 12 / units, spread / LOGISTIC_STD
        each = torch.ones(units, dtype=torch.float64)
        self.shift = nn.Parameter(torch.tensor(shift, dtype=torch.float64))
        self.slope = nn.Parameter(_inverse_softplus(torch.tensor(slope / 2, dtype=torch.float64)))
        self.heights = nn.Parameter(_inverse_softplus(slope * width / 4 * each))
        self.centers = nn.Parameter((edges[1:] + edges[:-1]) / 2)
        self.widths = nn.Parameter(_inverse_softplus(width * each))

    def forward(self, z: Tensor) -> Tensor:
        """Return G(z)."""
        return self._x_and_slope(z.logit())[0]

    @torch.no_grad()
    def log_density(self, x: Tensor) -> Tensor:
        """Return log p_g at `x` (n,): p_z(z) / G'(z) at the z with G(z) = x."""
        # tanh lies in (-1, 1), which brackets u; bisection then halves the bracket to nothing.
        level = (x - self.center) / self.scale - self.shift
        bend, slope = softplus(self.heights).sum(), softplus(self.slope)
        low, high = (level - bend) / slope, (level + bend) / slope
        for _ in range(64):
            middle = (low + high) / 2
            below = self._x_and_slope(middle)[0] < x
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        u = (low + high) / 2
        return logsigmoid(u) + logsigmoid(-u) - self._x_and_slope(u)[1].log()

    def _x_and_slope(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return x at `u` and dx/du."""
        slope, heights, widths = map(softplus, (self.slope, self.heights, self.widths))
        bends = ((u.unsqueeze(1) - self.centers) / widths).tanh()
        x = self.center + self.scale * (self.shift + slope * u + bends @ heights)
        return x, self.scale * (slope + (1 - bends**2) @ (heights / widths))


def _inverse_softplus(y: Tensor) -> Tensor:
    return y + torch.log(-torch.expm1(-y))
