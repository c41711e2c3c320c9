"""The update captured once and replayed: what CUDA graphs and compiled code have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gan_cli.game.state import State
from gan_cli.game.updates import Game, Update

Take = Callable[[torch.optim.Optimizer, Tensor], None]


class Captured(ABC):
    """`update`, a step function, captured at its first call and replayed from then on.

    What changes from step to step a replay finds in tensors: the minibatches, and the rates, which
    `take(optimizer, rates)` sets from a tensor (2,) of learning rate and momentum. Random streams
    go on in it as in the update itself. Python runs at the capture alone: a network that decides by
    a step counter of its own would decide so for good.
    """

    def __init__(self, update: Update, take: Take) -> None:
        self._update, self._take = update, take
        self._of: tuple[Any, ...] = ()

    def __call__(self, state: State, game: Game, xs: Sequence[Tensor]) -> Tensor:
        """Play as `update` does. Raises UserError for networks that can't be captured."""
        # Loading a checkpoint gives the optimizers new tensors.
        of = (state.d_optimizer.state, state.g_optimizer.state)
        if not self._of or any(a is not b for a, b in zip(of, self._of, strict=True)):
            optimizers = (state.d_optimizer, state.g_optimizer)
            groups = [group for optimizer in optimizers for group in optimizer.param_groups]
            settings = [{k: v for k, v in group.items() if k != "params"} for group in groups]
            self._capture(state, game, xs)
            for group, setting in zip(groups, settings, strict=True):
                group.update(setting)
            self._of = of
        t, rates = state.step * len(xs), []
        for i, optimizer in enumerate([state.d_optimizer] * len(xs) + [state.g_optimizer]):
            game.set_rates(optimizer, t + min(i, len(xs) - 1))
            group = optimizer.param_groups[0]
            rates.append([group["lr"], group.get("momentum", 0.0)])
        return self._replay(xs, rates)

    @abstractmethod
    def _capture(self, state: State, game: Game, xs: Sequence[Tensor]) -> None:
        """Get ready to replay; leave `state` as it is, but for slots of the optimizers, zeros."""

    @abstractmethod
    def _replay(self, xs: Sequence[Tensor], rates: list[list[float]]) -> Tensor:
        """Play on `xs`; `rates` has lr and momentum of each player's updates, G's as the last."""

    def _play(self, state: State, game: Game, xs: Sequence[Tensor], rates: Tensor) -> Tensor:
        """Play once, with rates from a tensor (len(xs) + 1, 2) on the device."""
        rows = iter(rates)

        def take(optimizer: torch.optim.Optimizer, _t: int) -> None:
            self._take(optimizer, next(rows))

        return self._update(state, replace(game, set_rates=take), xs)


def tensors_of(state: State) -> list[Tensor]:
    """Return weights, buffers, and what the optimizers keep: all that an update changes."""
    networks = (state.generator, state.discriminator)
    slots = [*state.g_optimizer.state.values(), *state.d_optimizer.state.values()]
    return [
        *(x for network in networks for x in (*network.parameters(), *network.buffers())),
        *(x for of_one in slots for x in of_one.values()),
    ]


def keep(state: State) -> Callable[[], None]:
    """Return what puts weights, buffers, optimizers and random streams back as they are now.

    In place. What the optimizers get only then will be zeros, as it would be before a first step.
    """
    device, tensors = state.rng.device, tensors_of(state)
    kept, known = [x.detach().clone() for x in tensors], set(map(id, tensors))
    rng, of_cpu = state.rng.get_state(), torch.get_rng_state()
    of_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @torch.no_grad()
    def put_back() -> None:
        for tensor, before in zip(tensors, kept, strict=True):
            tensor.copy_(before)
        for x in tensors_of(state):
            if id(x) not in known:
                x.zero_()
        state.rng.set_state(rng)
        torch.set_rng_state(of_cpu)
        if of_gpu is not None:
            torch.cuda.set_rng_state(of_gpu, device)

    return put_back
