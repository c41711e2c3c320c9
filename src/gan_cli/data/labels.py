"""Labels: classes 0, 1, ... of all examples, and few of them."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_cli.data.source import Split
from gan_cli.errors import UserError


def count_classes(train: Split, asked: str) -> list[int]:
    """Return how many training examples each class has, in the order of their labels 0, 1, ...

    Raises UserError, which begins with what asked for labels, as in "condition is label", where
    there are none, they are no whole numbers, one for each example, from 0 on without a gap, or all
    are the same.
    """
    n, y = len(train.x), train.y
    if y is None:
        raise UserError(
            f"{asked}, but these data have no labels; it takes a data set that has some, "
            "or pictures in a folder for each class."
        )
    if y.shape != (n,) or y.dtype.is_floating_point or y.dtype.is_complex:
        raise UserError(
            f"{asked}, but the labels of these {n} training examples are {y.dtype} of "
            f"shape {tuple(y.shape)}; they must be integers of shape ({n},)."
        )
    found, counts = y.long().unique(return_counts=True)
    if len(found) == 1:
        raise UserError(
            f"{asked}, but all training examples have the label {found[0]}; there must "
            "be two classes or more."
        )
    if not torch.equal(found, torch.arange(len(found))):
        few = ", ".join(map(str, found[:10].tolist())) + (", ..." if len(found) > 10 else "")
        raise UserError(
            f"{asked}, but the labels of the training examples are {few}; they must be "
            f"0 to {len(found) - 1}, as there are {len(found)} of them."
        )
    return counts.tolist()


def labelled_rows(y: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Return the places (n,) of random ones of the labels y (N,), int64 from 0 on.

    Each class has as many of them as any other, give or take one, as long as it has so many. Raises
    UserError, naming the setting `labels`, for fewer than classes, or more than N.
    """
    classes = int(y.max()) + 1
    if not classes <= n <= len(y):
        raise UserError(
            f"labels is {n}; it must be from {classes}, one for each class, to {len(y)}, the "
            "number of labelled examples."
        )
    order = torch.randperm(len(y), generator=rng)
    of_class = one_hot(y[order], classes)
    rank = (of_class.cumsum(0) * of_class).sum(1)  # 1 for the first of its class, 2 for the second
    return order[rank.argsort(stable=True)[:n]]
