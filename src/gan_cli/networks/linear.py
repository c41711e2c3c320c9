"""Linear layers whose products come from the faster of the two libraries that PyTorch has."""

from typing import Any

import torch
from torch import Tensor, nn

# PyTorch gives float32 products to MKL, which runs its AVX2 kernels on AMD's processors whatever
# they could do; oneDNN's AVX-512 ones take half of the time there (2 cores of a Zen 5: 450 GFLOP/s
# against 225 at minibatch 100). bf16 products are oneDNN's everywhere.
_CPU = torch.cpu.get_capabilities()
MKL_IS_SLOW = bool(
    torch.backends.mkl.is_available()
    and torch.backends.mkldnn.is_available()
    and _CPU.get("avx512_f")
    and "AMD" in _CPU.get("cpu_name", "")
)


class Linear(nn.Linear):
    """`nn.Linear`, (m, inputs) -> (m, outputs)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T + b."""
        float32 = x.dtype == self.weight.dtype == torch.float32
        fits = x.shape[-1] == self.in_features  # PyTorch says what does not, and oneDNN doesn't.
        slow = MKL_IS_SLOW and float32 and fits and x.is_cpu
        if slow and not torch.is_autocast_enabled("cpu"):
            y: Tensor = OneDNNLinear.apply(x, self.weight, self.bias)
            return y
        return super().forward(x)


class OneDNNLinear(torch.autograd.Function):
    """x W^T + b with all three products, the gradients' too, by oneDNN; float32 on the CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Take x (m, inputs), weight (outputs, inputs) and bias (outputs,)."""
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of those that need one."""
        x, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if needed[0] else None,
            _product(gradient.t(), x.t()) if needed[1] else None,
            gradient.sum(0) if needed[2] else None,
        )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return y
