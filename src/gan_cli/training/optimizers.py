"""Optimizers: each builds a torch optimizer and sets its rates, pure functions of the time."""

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
    """A player's optimizer, as its config describes it.

    `slots` counts the numbers that it keeps for each parameter.
    """

    slots: int

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return PyTorch's optimizer of `parameters`."""
        ...

    def rates(self, t: int, epoch: int) -> tuple[float, float]:
        """Return learning rate and momentum after t minibatches, in `epoch` (from 1)."""
        ...

    def set(self, optimizer: torch.optim.Optimizer, t: int, epoch: int) -> None:
        """Set the rates of the update that follows t minibatches."""
        ...


@runtime_checkable
class CapturableOptimizer(Optimizer, Protocol):
    """One whose update can be compiled, or captured as a CUDA graph."""

    def take(self, optimizer: torch.optim.Optimizer, rates: Tensor) -> None:
        """Have the update at hand use learning rate and momentum from `rates` (2,), a tensor."""
        ...


def _refuse_floor_above(lr: float, lr_min: float) -> None:
    if lr < lr_min:
        raise UserError(f"lr is {lr:g} and lr_min is {lr_min:g}; lr must be at least lr_min.")


class Momentum:
    """Gradient descent with classical momentum: v <- m v - lr g; theta <- theta + v.

    The rate decays from `lr` by `lr_decay` a minibatch down to `lr_min`, the momentum m grows from
    `momentum` to `momentum_end` over the first `momentum_epochs` epochs. Raises UserError where
    `lr_min` is above `lr`.
    """

    slots = 1  # numbers kept for each parameter

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
        """Return an optimizer of `parameters`, whose rates `set` has yet to give."""
        return torch.optim.SGD(parameters, lr=self.lr, momentum=self.momentum, fused=True)

    def rates(self, t: int, epoch: int) -> tuple[float, float]:
        """Return learning rate and momentum after t minibatches, in `epoch` (from 1)."""
        return (
            learning_rate(t, self.lr, self.lr_decay, self.lr_min),
            momentum(epoch, self.momentum, self.momentum_end, self.momentum_epochs),
        )

    def set(self, optimizer: torch.optim.Optimizer, t: int, epoch: int) -> None:
        """Set the rates of the update that follows t minibatches.

        PyTorch keeps b = -v / lr, with b <- m' b + g and theta <- theta - lr b. That is the same
        where m' = m lr_before / lr, lr_before being the rate of the update before.
        """
        lr, m = self.rates(t, epoch)
        for group in optimizer.param_groups:
            group["momentum"] = m * group["lr"] / lr
            group["lr"] = lr

    def take(self, optimizer: torch.optim.Optimizer, rates: Tensor) -> None:
        """Have the update at hand use lr and momentum from `rates` (2,), on the device.

        For CUDA graphs, where `rates` are other ones in every replay and Python's numbers are not.
        """
        # PyTorch's update takes the momentum from Python alone: it is there 1, and made up here.
        slots = optimizer.state.values()
        buffers = [s["momentum_buffer"] for s in slots if "momentum_buffer" in s]
        if buffers:
            torch._foreach_mul_(buffers, rates[1])
        for group in optimizer.param_groups:
            group["lr"], group["momentum"] = rates[0], 1.0


class Adam:
    """Adam (Kingma and Ba, 2015).

    The rate decays from `lr` by `lr_decay` a minibatch down to `lr_min`. Raises UserError where
    `lr_min` is above `lr`.
    """

    slots = 2  # numbers kept for each parameter

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

    def rates(self, t: int, epoch: int) -> tuple[float, float]:  # noqa: ARG002
        """Return learning rate after t minibatches, and beta1, Adam's momentum."""
        return learning_rate(t, self.lr, self.lr_decay, self.lr_min), self.betas[0]

    def set(self, optimizer: torch.optim.Optimizer, t: int, epoch: int) -> None:
        """Set the rate of the update that follows t minibatches."""
        lr, _ = self.rates(t, epoch)
        for group in optimizer.param_groups:
            group["lr"] = lr

    def take(self, optimizer: torch.optim.Optimizer, rates: Tensor) -> None:
        """Have the update at hand use the learning rate rates[0], on the device.

        For CUDA graphs, where `rates` are other ones in every replay and Python's numbers are not.
        """
        for group in optimizer.param_groups:
            group["lr"], group["capturable"] = rates[0], True
