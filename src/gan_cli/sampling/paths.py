"""Paths through z-space."""

from collections.abc import Callable

import torch
from torch import Tensor

from gan_cli.game.priors import Prior
from gan_cli.sampling.samples import draw_z

Curve = Callable[[Tensor, Tensor, Tensor], Tensor]


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return points (s, ..., dim) of the line from a to b (..., dim) at t (s,) in [0, 1]."""
    t = t.view(-1, *[1] * a.dim())
    return a + t * (b - a)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return points (s, ..., dim) of the arc from a to b (..., dim) at t (s,) in [0, 1].

    Directions turn at a constant rate, lengths change linearly (Shoemake, 1985; White, 2016), so
    that gaussian z stay as long as gaussian z are.
    """
    t = t.view(-1, *[1] * a.dim())
    long_a, long_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    u, v = a / long_a, b / long_b
    # atan2 keeps its precision for nearly equal or opposite directions, where acos has none.
    angle = 2 * torch.atan2((u - v).norm(dim=-1, keepdim=True), (u + v).norm(dim=-1, keepdim=True))
    sine = angle.sin()
    arc = (torch.sin((1 - t) * angle) * u + torch.sin(t * angle) * v) / sine
    direction = torch.where(sine.abs() < 1e-6, torch.lerp(u, v, t), arc)
    return direction * torch.lerp(long_a, long_b, t)


def random_points(prior: Prior, points: int, rows: int, seed: int) -> Tensor:
    """Return points (points, rows, dim) for `rows` paths, z_0, z_1, ... of `seed` row by row."""
    z = draw_z(prior, points * rows, seed)
    return z.view(rows, points, prior.dim).transpose(0, 1)


def path(points: Tensor, steps: int, between: Curve = linear, loop: bool = False) -> Tensor:
    """Return z along the path through points (p, ..., dim), `steps` from one to the next.

    The points themselves are on it; a loop returns to the first but does not repeat it. Shape:
    (steps * p, ..., dim) for a loop, (steps * (p - 1) + 1, ..., dim) otherwise.
    """
    t = torch.arange(steps, dtype=points.dtype) / steps
    ends = points.roll(-1, 0) if loop else points[1:]
    legs = [between(a, b, t) for a, b in zip(points, ends, strict=False)]
    return torch.cat(legs if loop else [*legs, points[-1:]])
