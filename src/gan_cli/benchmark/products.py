"""The matrix products and convolutions of a step, made again by themselves."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

ATEN = torch.ops.aten
PRODUCTS: tuple[Any, ...] = (
    ATEN.mm.default,
    ATEN.addmm.default,
    ATEN.convolution.default,
    ATEN.convolution_backward.default,
)

# Rows of the matrices whose product shows a machine's peak: a GPU wants more of them.
PEAK_SIZE = {"cpu": 2048, "cuda": 8192}


class _Record(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[], Any]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in PRODUCTS:
            # Copies: what a step has used it changes, or gives back.
            kept = [a.clone() if isinstance(a, Tensor) else a for a in args]
            self.calls.append(lambda: func(*kept, **(kwargs or {})))
        return func(*args, **(kwargs or {}))


def products_of(step: Callable[[], None], device: torch.device) -> tuple[Callable[[], None], int]:
    """Run `step` once; return what makes all its products again, and their operations (FLOP).

    On a GPU as a CUDA graph, or their launches would be what is timed.
    """
    with _Record() as record:
        step()

    @torch.no_grad()
    def again() -> None:
        for call in record.calls:
            call()

    with FlopCounterMode(display=False) as counter:
        again()
    flops = counter.get_total_flops()
    if device.type != "cuda":
        return again, flops
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        again()

    def replay(_inputs: object = record.calls) -> None:
        # A graph does not keep its inputs alive.
        graph.replay()

    return replay, flops


def peak(autocast: torch.dtype | None, device: torch.device) -> Callable[[], int]:
    """Return a function that multiplies two square matrices, and returns how many FLOP that was."""
    n = PEAK_SIZE[device.type]
    a, layer = torch.randn(n, n, device=device), nn.Linear(n, n, device=device)

    @torch.no_grad()
    def multiply() -> int:
        with torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
            layer(a)
        return 2 * n**3

    return multiply
