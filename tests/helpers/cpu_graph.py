"""A CUDA graph's stand-in on the CPU: a capture's operations, written down to be played again.

It shows what a replay does without Python, and that a capture moves nothing; of streams, pinned
memory and CUDA's own generators it shows nothing.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class CPUGraph:
    """In the place of torch.cuda.CUDAGraph."""

    def __init__(self) -> None:
        self.generators = [torch.default_generator]
        self.operations: list[tuple[Callable[[], Any], list[tuple[int, Tensor]]]] = []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    @torch.no_grad()
    def replay(self) -> None:
        for operation, made in self.operations:
            result = tree_leaves(operation())
            for i, x in made:
                x.copy_(result[i])


class _Recorder(TorchDispatchMode):
    """Writes operations down, and what memory they find and make."""

    def __init__(self, graph: CPUGraph) -> None:
        super().__init__()
        self.graph = graph
        self.found: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self.made: dict[int, Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        for x in tree_leaves([args, kwargs]):
            if isinstance(x, Tensor) and not self._knows(x):
                memory = x.untyped_storage()
                self.found[memory.data_ptr()] = memory, memory.clone()
        result = func(*args, **kwargs)
        leaves = list(enumerate(tree_leaves(result)))
        made = [(i, x) for i, x in leaves if isinstance(x, Tensor) and not self._knows(x)]
        self.made.update((x.untyped_storage().data_ptr(), x) for _, x in made)
        self.graph.operations.append((lambda: func(*args, **kwargs), made))
        return result

    def _knows(self, x: Tensor) -> bool:
        at = x.untyped_storage().data_ptr()
        return at in self.found or at in self.made


@contextlib.contextmanager
def capture(graph: CPUGraph) -> Iterator[None]:
    """In the place of torch.cuda.graph: what is played within moves nothing and gives nothing.

    But for generators that are not registered.
    """
    recorder, drawn = _Recorder(graph), [g.get_state() for g in graph.generators]
    try:
        with recorder:
            yield
    except RuntimeError as error:
        # As CUDA does: to end a capture that failed fails as well.
        raise RuntimeError("operation failed due to a previous error during capture") from error
    for generator, state in zip(graph.generators, drawn, strict=True):
        generator.set_state(state)
    for memory, before in recorder.found.values():
        memory.copy_(before)
    for x in recorder.made.values():
        if x.is_floating_point():
            x.detach().fill_(torch.nan)


class _Stream:
    def __init__(self, _device: torch.device | None = None) -> None: ...

    def wait_stream(self, _stream: "_Stream") -> None: ...


@contextlib.contextmanager
def stand_in() -> Iterator[None]:
    """Have `Graph` capture on the CPU, and keep rates in float64."""
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
