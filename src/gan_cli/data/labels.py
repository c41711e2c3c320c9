"""Labels, as the condition of a pair needs them."""

import torch

from gan_cli.data.source import Split
from gan_cli.errors import UserError


def count_classes(train: Split) -> list[int]:
    """Return how many training examples each class has, in the order of their labels 0, 1, ...

    Raises UserError for labels that can't be a condition: there are none, they are no whole
    numbers, one for each example, from 0 on without a gap, or all are the same.
    """
    n, y = len(train.x), train.y
    if y is None:
        raise UserError(
            "condition is label, but these data have no labels; it takes a data set that has some, "
            "or pictures in a folder for each class."
        )
    if y.shape != (n,) or y.dtype.is_floating_point or y.dtype.is_complex:
        raise UserError(
            f"condition is label, but the labels of these {n} training examples are {y.dtype} of "
            f"shape {tuple(y.shape)}; they must be integers of shape ({n},)."
        )
    found, counts = y.long().unique(return_counts=True)
    if len(found) == 1:
        raise UserError(
            f"condition is label, but all training examples have the label {found[0]}; there must "
            "be two classes or more."
        )
    if not torch.equal(found, torch.arange(len(found))):
        few = ", ".join(map(str, found[:10].tolist())) + (", ..." if len(found) > 10 else "")
        raise UserError(
            f"condition is label, but the labels of the training examples are {few}; they must be "
            f"0 to {len(found) - 1}, as there are {len(found)} of them."
        )
    return counts.tolist()
