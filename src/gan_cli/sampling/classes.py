"""The classes of a conditional run, and conditions to generate from."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.game.conditions import Condition
from gan_cli.rng import stream
from gan_cli.sampling.samples import BLOCK


class Classes:
    """Classes 0, 1, ... as their names with how many training examples each has.

    An unconditional run has none: its condition is ().
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = dict(counts)
        self.names = list(counts)

    def drawn(self, n: int, seed: int) -> Condition:
        """Return labels y_0 .. y_(n-1) of `seed` in the proportions of the training examples.

        y_i is the same for any n > i.
        """
        if not self.names:
            return ()
        shares = torch.tensor(list(self.counts.values()), dtype=torch.float64)
        blocks = [
            shares.multinomial(BLOCK, replacement=True, generator=stream(seed, "labels", b))
            for b in range(-(-n // BLOCK))
        ]
        return (torch.cat(blocks)[:n],)

    def in_order(self, n: int) -> Condition:
        """Return n labels, those of a class together, as many of each as can be."""
        return (torch.arange(n) * len(self.names) // n,) if self.names else ()

    def number(self, label: int | str) -> int:
        """Return the class of a name or number. Raises UserError for one that there is not."""
        if not self.names:
            raise UserError(
                f"label is {label}, but the run is unconditional: one with condition=label, as "
                "experiment=mnist_conditional has, gives samples of a class."
            )
        if str(label) in self.names:
            return self.names.index(str(label))
        if isinstance(label, int) and 0 <= label < len(self.names):
            return label
        listed = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
        raise UserError(
            f"label is {label}, which is no class of the run; it has {len(self.names)}: {listed}."
        )

    def weights(self, label: int | str) -> Tensor:
        """Return a class as weights of all, float32 (classes,): 1 at its own place."""
        return torch.eye(len(self.names))[self.number(label)]
