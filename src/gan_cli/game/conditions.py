"""The condition of generated examples, c: nothing, (), or labels, (y,) with y int64 (m,)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Condition = Sequence[Tensor]

# Gives G's condition, from that of as many real examples and random numbers on their device.
FakeCondition = Callable[[Condition, torch.Generator], Condition]


def as_real(c: Condition, _: torch.Generator) -> Condition:
    """Return the real examples' condition: labels in the data's proportions, or nothing."""
    return c


class UniformLabels:
    """Labels of `classes` classes, each as likely as the others."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def __call__(self, c: Condition, rng: torch.Generator) -> Condition:
        """Draw as many labels as there are real ones."""
        (y,) = c
        return (torch.randint(self.classes, y.shape, generator=rng, device=y.device),)
