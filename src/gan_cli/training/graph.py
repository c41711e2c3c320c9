"""The update as one CUDA graph: hundreds of small kernels at the cost of launching one thing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.training.state import State
from gan_cli.training.step import Game

# Plays before the capture: cuBLAS, cuDNN and the optimizers set themselves up in the first ones.
WARM_UP = 3


class Captured:
    """`update`, a step function, captured at its first call and replayed from then on.

    What changes from step to step it finds in tensors of its own: the minibatches, and the rates,
    which `optimizer` reads by `take`. Random streams are registered with the graph, so that each
    replay goes on in them as the update itself would. Python runs at the capture alone: a network
    that decides by a step counter of its own would decide so for good.
    """

    def __init__(self, update: Callable[..., Tensor], optimizer: Any) -> None:
        self._update, self._optimizer = update, optimizer
        self._graph = torch.cuda.CUDAGraph()
        self._of: tuple[Any, ...] = ()
        self._xs: list[Tensor] = []
        self._rates = self._logits = torch.empty(0)

    def __call__(self, state: State, game: Game, xs: Sequence[Tensor]) -> Tensor:
        """Play as `update` does. Raises UserError for networks that can't be captured."""
        # Loading a checkpoint gives the optimizers new tensors.
        of = (state.d_optimizer.state, state.g_optimizer.state)
        if not self._of or any(a is not b for a, b in zip(of, self._of, strict=True)):
            self._capture(state, game, xs)
            self._of = of
        t, rates = state.step * len(xs), []
        for i, optimizer in enumerate([state.d_optimizer] * len(xs) + [state.g_optimizer]):
            game.set_rates(optimizer, t + min(i, len(xs) - 1))
            group = optimizer.param_groups[0]
            rates.append([group["lr"], group.get("momentum", 0.0)])
        # Pinned memory is not handed out again before the copy from it is done.
        self._rates.copy_(torch.tensor(rates, pin_memory=True), non_blocking=True)
        for kept, x in zip(self._xs, xs, strict=True):
            kept.copy_(x)
        self._graph.replay()
        return self._logits.clone()

    def _capture(self, state: State, game: Game, xs: Sequence[Tensor]) -> None:
        device = state.rng.device
        # What was captured before gives its memory back first.
        self._graph, self._logits = torch.cuda.CUDAGraph(), torch.empty(0)
        self._xs = [x.clone() for x in xs]
        self._rates = torch.zeros(len(xs) + 1, 2, device=device)
        rows = iter(())

        def take(optimizer: torch.optim.Optimizer, _t: int) -> None:
            self._optimizer.take(optimizer, next(rows))

        def play() -> Tensor:
            nonlocal rows
            rows = iter(self._rates)
            return self._update(state, replace(game, set_rates=take), self._xs)

        groups = [*state.d_optimizer.param_groups, *state.g_optimizer.param_groups]
        settings = [{k: v for k, v in group.items() if k != "params"} for group in groups]
        put_back = _keep(state)
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                play()
        torch.cuda.current_stream(device).wait_stream(stream)
        put_back()

        self._graph.register_generator_state(state.rng)
        try:
            with torch.cuda.graph(self._graph):
                self._logits = play()
        except RuntimeError as error:
            # To end a capture that failed fails as well, and says less.
            cause = error.__context__ or error
            if isinstance(cause, torch.OutOfMemoryError):
                raise cause from None
            reason = str(cause).splitlines()[0]
            raise UserError(
                f"The update can't be captured as a CUDA graph ({reason}); cuda_graph=false plays "
                "it without."
            ) from error
        for group, setting in zip(groups, settings, strict=True):
            group.update(setting)


def _keep(state: State) -> Callable[[], None]:
    """Return what puts weights, buffers, optimizers and random streams back as they are now.

    In place. What the optimizers get only then will be zeros, as it would be before a first step.
    """
    device, optimizers = state.rng.device, (state.d_optimizer, state.g_optimizer)
    networks = (state.generator, state.discriminator)
    tensors = [
        *(x for network in networks for x in (*network.parameters(), *network.buffers())),
        *(x for o in optimizers for s in o.state.values() for x in s.values()),
    ]  # fmt: skip
    kept = [x.clone() for x in tensors]
    rng, of_gpu, of_cpu = (
        state.rng.get_state(),
        torch.cuda.get_rng_state(device),
        torch.get_rng_state(),
    )

    @torch.no_grad()
    def put_back() -> None:
        known = set(map(id, tensors))
        for tensor, before in zip(tensors, kept, strict=True):
            tensor.copy_(before)
        for optimizer in optimizers:
            for slots in optimizer.state.values():
                for x in slots.values():
                    if id(x) not in known:
                        x.zero_()
        state.rng.set_state(rng)
        torch.cuda.set_rng_state(of_gpu, device)
        torch.set_rng_state(of_cpu)

    return put_back
