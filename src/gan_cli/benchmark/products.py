"""The matrix products and convolutions of an update, made again by themselves."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gan_cli.engines.intercept import Intercept, Operation

ATEN = torch.ops.aten
PRODUCTS: tuple[Operation, ...] = (
    ATEN.mm.default,
    ATEN.addmm.default,
    ATEN.convolution.default,
    ATEN.convolution_backward.default,
)


def products_of(update: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """Run `update` once; return a function that makes all its products again.

    On a GPU as a CUDA graph, or launching them would be what is timed.
    """
    calls: list[Callable[[], object]] = []

    def record(func: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        # Copies: an update overwrites or frees what it has used.
        copies = [a.clone() if isinstance(a, Tensor) else a for a in args]
        calls.append(lambda: func(*copies, **kwargs))
        return func(*args, **kwargs)

    with Intercept(PRODUCTS.__contains__, record):
        update()

    @torch.no_grad()
    def again() -> None:
        for call in calls:
            call()

    if device.type != "cuda":
        return again
    again()  # Before a capture, so that the libraries are set up.
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        again()

    def replay(_inputs: object = calls) -> None:
        # A graph does not keep its inputs alive.
        graph.replay()

    return replay
