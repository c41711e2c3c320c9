"""PyTorch's fused optimizers in plain operations, which its compiler fuses with others."""

import math
from typing import Any

import torch
from torch import Tensor

ATEN = torch.ops.aten


def _sgd(
    parameters: list[Tensor], gradients: list[Tensor], buffers: list[Tensor], *,
    weight_decay: float, momentum: float, lr: Tensor, dampening: float, nesterov: bool,
    maximize: bool, **_: Any,
) -> None:  # fmt: skip
    """Do as `torch._fused_sgd_` does, once the buffers are there."""
    for i, (theta, g) in enumerate(zip(parameters, gradients, strict=True)):
        g = (-g if maximize else g) + weight_decay * theta
        if momentum:
            b = buffers[i].mul_(momentum).add_(g, alpha=1 - dampening)
            g = g + momentum * b if nesterov else b
        theta.sub_(lr * g)


def _adam(
    parameters: list[Tensor], gradients: list[Tensor], means: list[Tensor], squares: list[Tensor],
    _largest: list[Tensor], steps: list[Tensor], *, lr: Tensor, beta1: float, beta2: float,
    weight_decay: float, eps: float, amsgrad: bool, maximize: bool, **_: Any,
) -> None:  # fmt: skip
    """Do as `torch._fused_adam_` does, where all parameters have moved as often.

    Raises NotImplementedError for `amsgrad`.
    """
    if amsgrad:
        raise NotImplementedError("Adam with amsgrad")
    # One exponential for all: the compiler works it out once, and a power for every number.
    t, logs = steps[0].double(), (math.log(b) if b else -math.inf for b in (beta1, beta2))
    unbias1, unbias2 = (1 - (t * log_b).exp() for log_b in logs)
    rate, root = lr / unbias1, unbias2.sqrt()
    for theta, g, m, v in zip(parameters, gradients, means, squares, strict=True):
        g = (-g if maximize else g) + weight_decay * theta
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        theta.sub_(rate * m / (v.sqrt() / root + eps))


PLAIN = {ATEN._fused_sgd_.tensor_lr: _sgd, ATEN._fused_adam_.tensor_lr: _adam}
