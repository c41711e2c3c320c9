"""The update as one compiled program: on a CPU, what lies between the products in few loops."""

import logging
import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves

from gan_cli.data.minibatches import Minibatch
from gan_cli.engines.captured import Captured, SetFromTensor, snapshot, tensors_of
from gan_cli.engines.intercept import Intercept, Operation
from gan_cli.errors import UserError
from gan_cli.game.state import State
from gan_cli.game.updates import Game, Update

log = logging.getLogger(__name__)
ATEN = torch.ops.aten
Draw = Callable[[], Tensor]


class Compiled(Captured):
    """The whole update, gradients and optimizers included, compiled by `torch.compile`.

    Its numbers differ from the update's by rounding, and are the same from run to run. Random
    numbers are drawn before each replay, in the update's order, and are inputs of the program.
    """

    def __init__(self, update: Update, set_from_tensor: SetFromTensor) -> None:
        super().__init__(update, set_from_tensor)
        self._program: Callable[..., Tensor] | None = None
        self._tensors: list[Tensor] = []
        self._draws: list[Draw] = []

    @torch.no_grad()
    def _replay(
        self, minibatches: Sequence[Minibatch], hyperparameters: list[list[float]]
    ) -> Tensor:
        assert self._program is not None
        drawn = [draw() for draw in self._draws]
        values = torch.tensor(hyperparameters, dtype=torch.float64)
        return self._program(*self._tensors, *chain(*minibatches), values, *drawn)

    def _capture(self, state: State, game: Game, minibatches: Sequence[Minibatch]) -> None:
        restore, hyperparameters = (
            snapshot(state),
            torch.zeros(len(minibatches) + 1, 2, dtype=torch.float64),
        )
        # The first update makes the optimizers' buffers, which a trace must find.
        self._draws = _draws(lambda: self._run(state, game, minibatches, hyperparameters))
        restore()
        self._tensors = [x.detach() for x in tensors_of(state)]
        if self._program is None:
            log.info("Compiling the update.")
            try:
                self._program = _compiled(self._trace(state, game, minibatches, hyperparameters))
                self._replay(
                    minibatches, hyperparameters.tolist()
                )  # It is compiled at its first call.
            except RuntimeError as error:
                raise UserError(_refusal(_reason(error))) from error
            finally:
                restore()

    def _trace(
        self, state: State, game: Game, minibatches: Sequence[Minibatch], hyperparameters: Tensor
    ) -> GraphModule:
        """Return the update as a graph whose inputs are all that it reads, as in `_replay`."""
        tensors, drawn = tensors_of(state), [draw() for draw in self._draws]
        examples, size = [*chain(*minibatches)], len(minibatches[0])
        n, m = len(tensors), len(tensors) + len(examples)

        def update(*inputs: Tensor) -> Tensor:
            numbers = list(inputs[m + 1 :])

            def insert(func: Operation, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
                x = numbers.pop(0)
                return args[0].copy_(x) if _name(func).endswith("_") else x.clone()

            with Intercept(_is_random, insert):
                given = [inputs[i : i + size] for i in range(n, m, size)]
                return self._run(state, game, given, inputs[m])

        # With the state's own tensors, not fakes of them: the networks hold those.
        return make_fx(update, decomposition_table=UNFUSED)(
            *tensors, *examples, hyperparameters, *drawn
        )


def _compiled(traced: GraphModule) -> Callable[..., Tensor]:
    for node in reversed(traced.graph.nodes):
        # The optimizers' marks for a profiler.
        if getattr(node.target, "namespace", None) == "profiler":
            traced.graph.erase_node(node)
    traced.recompile()
    return torch.compile(
        traced,
        fullgraph=True,
        dynamic=False,
        options={
            # One file of C++ without Python between its loops: a quarter less work to compile.
            "cpp_wrapper": True,
            # The patterns make an optimizer's sum a part of a product, with two more passes
            # through memory: a tenth of an update in float32.
            "pattern_matcher": False,
            # Fixed in the program, but no key of older versions' cache.
            "cpp.threads": torch.get_num_threads(),
        },
    )


def _draws(update: Callable[[], object]) -> list[Draw]:
    """Run `update`; return functions that draw the next random numbers in its order.

    Raises UserError where what is drawn depends on more than the random streams.
    """
    draws: list[Draw] = []

    def record(func: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        # These overwrite their first tensor or make one like it, whatever its values.
        fills = _name(func).endswith(("_", "_like"))
        first = (torch.empty_like(args[0]),) if fills else ()
        rest = args[len(first) :]
        if any(isinstance(x, Tensor) for x in tree_leaves((rest, kwargs))):
            raise UserError(_refusal(f"{func} draws random numbers that depend on others"))
        draws.append(lambda: func(*first, *rest, **kwargs))
        return func(*args, **kwargs)

    with Intercept(_is_random, record):
        update()
    return draws


def _is_random(func: Operation) -> bool:
    return torch.Tag.nondeterministic_seeded in func.tags


def _name(func: Operation) -> str:
    return func.name().split(".")[0]


def _refusal(reason: str) -> str:
    return f"The update can't be compiled ({reason}); compile=false runs it as it is."


def _reason(error: BaseException) -> str:
    """Return the line of a compiler's error that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("backend='inductor' raised")]
    return next((line for line in lines if "error:" in line), lines[0] if lines else repr(error))


# PyTorch's fused optimizers in plain operations, which its compiler fuses with others.


def _sgd(
    parameters: list[Tensor], gradients: list[Tensor], buffers: list[Tensor], *,
    lr: Tensor, momentum: float, **options: float,
) -> None:  # fmt: skip
    """Do as `torch._fused_sgd_` does after its first step, which makes the buffers."""
    for i, (theta, g) in enumerate(zip(parameters, gradients, strict=True)):
        g = (-g if options["maximize"] else g) + options["weight_decay"] * theta
        if momentum:
            b = buffers[i].mul_(momentum).add_(g, alpha=1 - options["dampening"])
            g = g + momentum * b if options["nesterov"] else b
        theta.sub_(lr * g)


def _adam(
    parameters: list[Tensor], gradients: list[Tensor], means: list[Tensor], squares: list[Tensor],
    _largest: list[Tensor], steps: list[Tensor], *, lr: Tensor, **options: float,
) -> None:  # fmt: skip
    """Do as `torch._fused_adam_` does for parameters that have had the same number of steps.

    Raises NotImplementedError for `amsgrad`.
    """
    if options["amsgrad"]:
        raise NotImplementedError("Adam with amsgrad")
    beta1, beta2 = options["beta1"], options["beta2"]
    # One exponential for all: the compiler works it out once, and a power for every number.
    n, logs = steps[0].double(), (math.log(b) if b else -math.inf for b in (beta1, beta2))
    unbias1, unbias2 = (1 - (n * log_b).exp() for log_b in logs)
    step_size, root = lr / unbias1, unbias2.sqrt()
    for theta, g, m, v in zip(parameters, gradients, means, squares, strict=True):
        g = (-g if options["maximize"] else g) + options["weight_decay"] * theta
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        theta.sub_(step_size * m / (v.sqrt() / root + options["eps"]))


UNFUSED: dict[Operation, Callable[..., None]] = {
    ATEN._fused_sgd_.tensor_lr: _sgd,
    ATEN._fused_adam_.tensor_lr: _adam,
}
