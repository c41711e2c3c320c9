"""Optimizers: each builds PyTorch's, and sets its learning rate and momentum before each update."""

from collections.abc import Iterable
from typing import Annotated, Protocol, runtime_checkable

import torch
from annotated_types import Interval
from torch import Tensor, nn

from gan_cli.errors import UserError
from gan_cli.game.schedules import learning_rate, momentum
from gan_cli.ranges import LARGEST, Count, Decay, Fraction, NonNegative, Positive

LearningRateDecay = Annotated[float, Interval(ge=1, le=LARGEST)]


class Optimizer(Protocol):
    """A player's optimizer, as its config describes it; it stores `slots` numbers a parameter."""

    slots: int

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return PyTorch's optimizer of `parameters`."""
        ...

    def schedule(self, n: int, epoch: int) -> tuple[float, float]:
        """Return learning rate and momentum after n minibatches, in `epoch` (from 1)."""
        ...

    def set_hyperparameters(self, optimizer: torch.optim.Optimizer, n: int, epoch: int) -> None:
        """Set learning rate and momentum for the update after n minibatches."""
        ...


@runtime_checkable
class CapturableOptimizer(Optimizer, Protocol):
    """One whose update can be compiled, or captured as a CUDA graph.

    A replay finds new numbers in a tensor, and never in Python.
    """

    def set_from_tensor(self, optimizer: torch.optim.Optimizer, values: Tensor) -> None:
        """Set learning rate and momentum from `values` (2,), on the device."""
        ...


def _refuse_floor_above(lr: float, lr_min: float) -> None:
    if lr < lr_min:
        raise UserError(f"lr is {lr:g} and lr_min is {lr_min:g}; lr must be at least lr_min.")


class Momentum:
    """Gradient descent with classical momentum: v <- m v - lr g; theta <- theta + v.

    lr decays from `lr` by `lr_decay` a minibatch down to `lr_min`, the momentum m grows from
    `momentum` to `momentum_end` over the first `momentum_epochs` epochs. Raises UserError where
    `lr_min` is above `lr`.
    """

    slots = 1

    def __init__(
        self,
        lr: Positive,
        lr_decay: LearningRateDecay = 1.0,
        lr_min: NonNegative = 0.0,
        momentum: Fraction = 0.5,
        momentum_end: Fraction = 0.5,
        momentum_epochs: Count = 1,
    ) -> None:
        _refuse_floor_above(lr, lr_min)
        self.lr, self.lr_decay, self.lr_min = lr, lr_decay, lr_min
        self.momentum, self.momentum_end = momentum, momentum_end
        self.momentum_epochs = momentum_epochs

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimizer of `parameters`."""
        return torch.optim.SGD(parameters, lr=self.lr, momentum=self.momentum, fused=True)

    def schedule(self, n: int, epoch: int) -> tuple[float, float]:
        """Return learning rate and momentum after n minibatches, in `epoch` (from 1)."""
        return (
            learning_rate(n, self.lr, self.lr_decay, self.lr_min),
            momentum(epoch, self.momentum, self.momentum_end, self.momentum_epochs),
        )

    def set_hyperparameters(self, optimizer: torch.optim.Optimizer, n: int, epoch: int) -> None:
        """Set learning rate and momentum for the update after n minibatches.

        PyTorch keeps b = -v / lr, with b <- m' b + g and theta <- theta - lr b. That is the same
        where m' = m lr_before / lr, lr_before being the learning rate of the update before.
        """
        lr, m = self.schedule(n, epoch)
        for group in optimizer.param_groups:
            group["momentum"] = m * group["lr"] / lr
            group["lr"] = lr

    def set_from_tensor(self, optimizer: torch.optim.Optimizer, values: Tensor) -> None:
        """Set lr and m' from `values` (2,), on the device."""
        # PyTorch takes the momentum from Python alone: there it is 1, and the buffers are scaled.
        slots = optimizer.state.values()
        buffers = [s["momentum_buffer"] for s in slots if "momentum_buffer" in s]
        if buffers:
            torch._foreach_mul_(buffers, values[1])
        for group in optimizer.param_groups:
            group["lr"], group["momentum"] = values[0], 1.0


class Adam:
    """Adam (Kingma and Ba, 2015).

    lr decays from `lr` by `lr_decay` a minibatch down to `lr_min`. Raises UserError where `lr_min`
    is above `lr`.
    """

    slots = 2

    def __init__(
        self,
        lr: Positive,
        lr_decay: LearningRateDecay = 1.0,
        lr_min: NonNegative = 0.0,
        beta1: Decay = 0.5,
        beta2: Decay = 0.999,
    ) -> None:
        _refuse_floor_above(lr, lr_min)
        self.lr, self.lr_decay, self.lr_min = lr, lr_decay, lr_min
        self.betas = (beta1, beta2)

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimizer of `parameters`."""
        return torch.optim.Adam(parameters, lr=self.lr, betas=self.betas, fused=True)

    def schedule(self, n: int, epoch: int) -> tuple[float, float]:  # noqa: ARG002
        """Return learning rate after n minibatches, and beta1, Adam's momentum."""
        return learning_rate(n, self.lr, self.lr_decay, self.lr_min), self.betas[0]

    def set_hyperparameters(self, optimizer: torch.optim.Optimizer, n: int, epoch: int) -> None:
        """Set the learning rate for the update after n minibatches."""
        lr, _ = self.schedule(n, epoch)
        for group in optimizer.param_groups:
            group["lr"] = lr

    def set_from_tensor(self, optimizer: torch.optim.Optimizer, values: Tensor) -> None:
        """Set the learning rate from values[0], on the device."""
        for group in optimizer.param_groups:
            group["lr"], group["capturable"] = values[0], True
