"""A CUDA graph's stand-in on the CPU: a capture's operations, recorded to be run again.

It shows what a replay does without Python, and that a capture changes nothing; of streams, pinned
memory and CUDA's own generators it shows nothing.
"""

import contextlib
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gan_cli.engines.intercept import Intercept, Operation


class CPUGraph:
    """In the place of torch.cuda.CUDAGraph."""

    def __init__(self) -> None:
        self.generators = [torch.default_generator]
        self.operations: list[tuple[Callable[[], object], list[tuple[int, Tensor]]]] = []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    @torch.no_grad()
    def replay(self) -> None:
        for operation, made in self.operations:
            result = tree_leaves(operation())
            for i, x in made:
                x.copy_(result[i])


def _memory(x: Tensor) -> int:
    return x.untyped_storage().data_ptr()


@contextlib.contextmanager
def capture(graph: CPUGraph) -> Iterator[None]:
    """In the place of torch.cuda.graph: what runs within changes nothing and returns nothing.

    But for generators that are not registered.
    """
    before: dict[int, tuple[Tensor, torch.UntypedStorage]] = {}
    made: dict[int, Tensor] = {}

    def record(func: Operation, args: tuple, kwargs: dict) -> object:
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        for x in tree_leaves([args, kwargs]):
            if isinstance(x, Tensor) and _memory(x) not in {*before, *made}:
                before[_memory(x)] = x, x.untyped_storage().clone()
        result = func(*args, **kwargs)
        new = [
            (i, x)
            for i, x in enumerate(tree_leaves(result))
            if isinstance(x, Tensor) and _memory(x) not in {*before, *made}
        ]
        made.update((_memory(x), x) for _, x in new)
        graph.operations.append((lambda: func(*args, **kwargs), new))
        return result

    drawn = [generator.get_state() for generator in graph.generators]
    try:
        with Intercept(lambda _: True, record):
            yield
    except RuntimeError as error:
        # As CUDA does: ending a failed capture fails as well.
        raise RuntimeError("operation failed due to a previous error during capture") from error
    for generator, state in zip(graph.generators, drawn, strict=True):
        generator.set_state(state)
    for x, values in before.values():
        x.untyped_storage().copy_(values)
    for x in made.values():
        if x.is_floating_point():
            x.detach().fill_(torch.nan)


class _Stream:
    def __init__(self, _device: torch.device | None = None) -> None: ...

    def wait_stream(self, _stream: "_Stream") -> None: ...


@contextlib.contextmanager
def stand_in() -> Iterator[None]:
    """Have `Graph` capture on the CPU, with hyperparameters in float64."""
    tensor, dtype = torch.tensor, torch.get_default_dtype()
    with pytest.MonkeyPatch.context() as patch:
        for name, to in {
            "CUDAGraph": CPUGraph,
            "graph": capture,
            "Stream": _Stream,
            "current_stream": _Stream,
            "stream": lambda _stream: contextlib.nullcontext(),
        }.items():
            patch.setattr(torch.cuda, name, to)
        patch.setattr(torch, "tensor", lambda x, **_: tensor(x))  # not pinned
        try:
            torch.set_default_dtype(torch.float64)
            yield
        finally:
            torch.set_default_dtype(dtype)
