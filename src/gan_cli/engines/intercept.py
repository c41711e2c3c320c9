"""ATen operations caught on their way to the device."""

from collections.abc import Callable
from typing import Any

from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

Operation = OpOverload


class Intercept(TorchDispatchMode):
    """Runs `handle(operation, args, kwargs)` in place of each operation that `matches`."""

    def __init__(
        self,
        matches: Callable[[Operation], bool],
        handle: Callable[[Operation, tuple[Any, ...], dict[str, Any]], object],
    ) -> None:
        super().__init__()
        self._matches, self._handle = matches, handle

    def __torch_dispatch__(
        self,
        func: Operation,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        return self._handle(func, args, kwargs) if self._matches(func) else func(*args, **kwargs)
