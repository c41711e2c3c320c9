"""The update as one compiled program: on a CPU, what lies between the products in few loops."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gan_cli.engines.captured import Captured, Take, keep, tensors_of
from gan_cli.errors import UserError
from gan_cli.game.state import State
from gan_cli.game.updates import Game, Update

log = logging.getLogger(__name__)
ATEN = torch.ops.aten


class Compiled(Captured):
    """A program of PyTorch's compiler, TorchInductor, for the whole update, made in a minute or so.

    Its numbers are those of the update but for the order of their rounding, and always the same.
    Random numbers are drawn before each replay, in the update's order, and handed to the program.
    """

    def __init__(self, update: Update, take: Take) -> None:
        super().__init__(update, take)
        self._program: Callable[..., Tensor] | None = None
        self._tensors: list[Tensor] = []
        self._casts: dict[int, torch.dtype] = {}
        self._draws: list[Callable[[], Tensor]] = []

    @torch.no_grad()
    def _replay(self, xs: Sequence[Tensor], rates: list[list[float]]) -> Tensor:
        assert self._program is not None
        drawn = [draw() for draw in self._draws]
        given = torch.tensor(rates, dtype=torch.float64)
        return self._program(*self._tensors, *xs, given, *drawn)

    def _capture(self, state: State, game: Game, xs: Sequence[Tensor]) -> None:
        rates = torch.zeros(len(xs) + 1, 2, dtype=torch.float64)
        put_back, record = keep(state), _Record()
        with record:
            self._play(state, game, xs, rates)
        put_back()
        self._draws, tensors = record.draws, tensors_of(state)
        self._tensors = [x.detach() for x in tensors]
        if self._program is None:
            self._compile(state, game, xs, rates, tensors)
            put_back()
        self._tensors += [self._tensors[i].to(dtype) for i, dtype in self._casts.items()]

    def _compile(
        self, state: State, game: Game, xs: Sequence[Tensor], rates: Tensor, tensors: list[Tensor]
    ) -> None:
        log.info("Compiling the update.")
        n, m = len(tensors), len(tensors) + len(xs)

        def update(*inputs: Tensor) -> Tensor:
            with _Replace(inputs[m + 1 :]):
                return self._play(state, game, inputs[n:m], inputs[m])

        drawn = [draw() for draw in self._draws]
        try:
            # Tensors that are known by now, not fakes of them: the networks hold those.
            traced = make_fx(update, tracing_mode="real")(*tensors, *xs, rates, *drawn)
            self._casts = _keep_casts(traced, n)
            casts = [tensors[i].detach().to(dtype) for i, dtype in self._casts.items()]
            self._program = _compile(traced, [*self._tensors, *casts, *xs, rates, *drawn])
        except RuntimeError as error:
            raise UserError(
                f"The update can't be compiled ({_reason(error)}); compile=false runs it as it is."
            ) from error


def _keep_casts(traced: GraphModule, n: int) -> dict[int, torch.dtype]:
    """Have what the first `n` inputs are cast to at first kept from step to step, as more inputs.

    Cast where it is updated, a weight need not be read once more in the next step. Returns the
    types that inputs are cast to, by their places, in the order of the new inputs.
    """
    graph, casts = traced.graph, {}
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    last = inputs[n - 1]
    for i, x in enumerate(inputs[:n]):
        uses = [node for node in graph.nodes if x in node.all_input_nodes]
        written = [node for node in uses if node.target._schema.is_mutable]
        first = next((node for node in uses if node.target is ATEN._to_copy.default), None)
        if first is None or "dtype" not in first.kwargs or not written or first > written[0]:
            continue
        casts[i] = first.kwargs["dtype"]
        with graph.inserting_after(last):
            last = graph.placeholder(f"cast_{i}")
        first.replace_all_uses_with(last)
        graph.erase_node(first)
        with graph.inserting_before(graph.output_node()):
            graph.call_function(ATEN.copy_.default, (last, x))
    return casts


@torch.no_grad()
def _compile(traced: GraphModule, inputs: list[Any]) -> Callable[..., Tensor]:
    for node in reversed(traced.graph.nodes):
        # The optimizers' words to a profiler.
        if getattr(node.target, "namespace", None) == "profiler":
            traced.graph.erase_node(node)
        node.meta.clear()  # Of one trace each: a program in C++ wants all of one.
    traced.recompile()
    # Without Python between its loops and products, a program is a twentieth faster. PyTorch's
    # patterns make an optimizer's sum a part of a product, with two more passes through memory: a
    # sixth of a float32 update. The number of threads is the program's for good: in older versions'
    # cache, no key otherwise.
    options = {
        "cpp_wrapper": True,
        "pattern_matcher": False,
        "cpp.threads": torch.get_num_threads(),
    }
    program: Callable[..., Tensor] = torch._inductor.compile(traced, inputs, options=options)
    return program


class _Record(TorchDispatchMode):
    """Notes what draws random numbers, as functions that draw the next ones."""

    def __init__(self) -> None:
        super().__init__()
        self.draws: list[Callable[[], Tensor]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.draws.append(_draw(func, args, kwargs))
        return func(*args, **kwargs)


class _Replace(TorchDispatchMode):
    """Has `drawn` stand for the random numbers, and plain operations for the optimizers' fused."""

    def __init__(self, drawn: Iterable[Tensor]) -> None:
        super().__init__()
        self._drawn = iter(drawn)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            drawn, fills = next(self._drawn, None), _name(func) in FILLS
            if drawn is None or (fills and drawn.shape != args[0].shape):
                raise RuntimeError("it draws other random numbers the second time")
            return args[0].copy_(drawn) if fills else drawn.clone()
        return PLAIN.get(func, func)(*args, **(kwargs or {}))


# What overwrites its tensor, or makes another like it, without a look at its values.
FILLS = {
    "random_", "uniform_", "normal_", "bernoulli_", "exponential_", "geometric_", "cauchy_",
    "log_normal_",
}  # fmt: skip
LIKES = {"rand_like", "randn_like", "randint_like"}


def _draw(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Tensor]:
    """Return what draws as `func` does, from the streams that it draws from.

    Raises UserError where what is drawn depends on more than the streams.
    """
    kept: tuple[Tensor, ...] = ()
    if _name(func) in FILLS | LIKES:
        kept, args = (torch.empty_like(args[0]),), args[1:]
    if any(isinstance(x, Tensor) for x in tree_leaves((args, kwargs))):
        raise UserError(
            f"The update can't be compiled ({func} draws random numbers that depend on others); "
            "compile=false runs it as it is."
        )
    return lambda: func(*kept, *args, **kwargs)


def _name(func: Any) -> str:
    name: str = func.overloadpacket.__name__
    return name


def _reason(error: BaseException) -> str:
    """Return the line of an error of the compiler's that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "error:" in line), lines[0] if lines else repr(error))


# PyTorch's fused optimizers in plain operations, which its compiler fuses with others.


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
