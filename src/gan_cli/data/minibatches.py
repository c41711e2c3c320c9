"""Shuffled minibatches from tensors that live on the training device."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gan_cli.data.source import Split
from gan_cli.errors import UserError
from gan_cli.rng import stream

# Examples (x,); (x, y) where labels are the condition of both players; (x, x_labelled, y) where
# some of the data have labels.
Minibatch = Sequence[Tensor]


class Minibatches:
    """Minibatch i is a pure function of (seed, i): there is no position to save.

    Each epoch is a new permutation, of which `per_epoch` slices of `batch_size` are taken; what is
    left over waits for another epoch's shuffle. `to_model` maps a slice to model space. Where
    `labelled`, the data's labels are part of a minibatch.
    """

    def __init__(
        self,
        data: Split,
        batch_size: int,
        seed: int,
        to_model: Callable[[Tensor], Tensor],
        device: torch.device,
        labelled: bool = False,
    ) -> None:
        if batch_size > len(data.x):
            raise UserError(
                f"schedule.batch_size is {batch_size}; it can be {len(data.x)} at most, the number "
                f"of training examples, as in schedule.batch_size={len(data.x)}."
            )
        self.x = data.x.to(device)
        self.condition = [data.y.to(device, torch.int64)] if labelled and data.y is not None else []
        self.batch_size, self.seed, self.to_model, self.device = batch_size, seed, to_model, device
        self.per_epoch = len(self.x) // batch_size
        self._epoch = -1
        self._order = torch.empty(0)

    def __getitem__(self, i: int) -> Minibatch:
        """Return minibatch i >= 0: float32 x (m, C, H, W) in model space, maybe int64 y (m,)."""
        epoch, place = divmod(i, self.per_epoch)
        if epoch != self._epoch:
            rng = stream(self.seed, "minibatches", epoch)
            self._order = torch.randperm(len(self.x), generator=rng).to(self.device)
            self._epoch = epoch
        index = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        c = [y.index_select(0, index) for y in self.condition]
        return self.to_model(self.x.index_select(0, index)), *c


class WithLabelled(Minibatches):
    """Minibatches of all examples, each beside one of the few whose labels are known.

    Minibatch i is (x, x_labelled, y), the second two from `labelled`, which has epochs of its own.
    """

    def __init__(
        self, data: Split, labelled: Split, batch_size: int, seed: int,
        to_model: Callable[[Tensor], Tensor], device: torch.device,
    ) -> None:  # fmt: skip
        super().__init__(data, batch_size, seed, to_model, device)
        m = min(batch_size, len(labelled.x))
        self.labelled = Minibatches(labelled, m, seed, to_model, device, labelled=True)

    def __getitem__(self, i: int) -> Minibatch:
        """Return minibatch i >= 0."""
        return *super().__getitem__(i), *self.labelled[i]
