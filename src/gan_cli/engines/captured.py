"""The update captured once and replayed: what CUDA graphs and compiled code have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gan_cli.data.minibatches import Minibatch
from gan_cli.game.state import State
from gan_cli.game.updates import Game, Update

SetFromTensor = Callable[[torch.optim.Optimizer, Tensor], None]


class Captured(ABC):
    """`update`, captured at its first call and replayed from then on.

    What changes from iteration to iteration is in tensors: the minibatches, and learning rate and
    momentum (2,), which `set_from_tensor(optimizer, values)` hands to an optimizer. Random streams
    continue as in the update itself. Python runs at the capture alone: a network that counts its
    own steps stays at its count.
    """

    def __init__(self, update: Update, set_from_tensor: SetFromTensor) -> None:
        self._update, self._set_from_tensor = update, set_from_tensor
        self._captured: Sequence[Mapping[Tensor, object]] = []

    def __call__(self, state: State, game: Game, minibatches: Sequence[Minibatch]) -> Tensor:
        """Update as `update` does. Raises UserError for networks that can't be captured."""
        optimizers = (state.d_optimizer, state.g_optimizer)
        # Loading a checkpoint gives the optimizers new tensors, in new dicts.
        slots = [optimizer.state for optimizer in optimizers]
        if [id(x) for x in slots] != [id(x) for x in self._captured]:
            groups = [group for optimizer in optimizers for group in optimizer.param_groups]
            settings = [{k: v for k, v in group.items() if k != "params"} for group in groups]
            self._capture(state, game, minibatches)
            for group, setting in zip(groups, settings, strict=True):
                group.update(setting)
            self._captured = slots
        k, hyperparameters = len(minibatches), []
        for i, optimizer in enumerate([state.d_optimizer] * k + [state.g_optimizer]):
            game.set_hyperparameters(optimizer, state.step * k + min(i, k - 1))
            group = optimizer.param_groups[0]
            hyperparameters.append([group["lr"], group.get("momentum", 0.0)])
        return self._replay(minibatches, hyperparameters)

    @abstractmethod
    def _capture(self, state: State, game: Game, minibatches: Sequence[Minibatch]) -> None:
        """Get ready to replay; leave `state` as it is, but for the optimizers' buffers, zeros."""

    @abstractmethod
    def _replay(
        self, minibatches: Sequence[Minibatch], hyperparameters: list[list[float]]
    ) -> Tensor:
        """Update with lr and momentum of each of D's updates, then of G's, a pair each."""

    def _run(
        self, state: State, game: Game, minibatches: Sequence[Minibatch], hyperparameters: Tensor
    ) -> Tensor:
        """Run the update; hyperparameters: (k + 1, 2) for k minibatches, on the device."""
        rows = iter(hyperparameters)

        def set_from_tensor(optimizer: torch.optim.Optimizer, _n: int) -> None:
            self._set_from_tensor(optimizer, next(rows))

        return self._update(state, replace(game, set_hyperparameters=set_from_tensor), minibatches)


def tensors_of(state: State) -> list[Tensor]:
    """Return weights, buffers and the optimizers' buffers: all that an update changes."""
    networks = (state.generator, state.discriminator)
    slots = [*state.g_optimizer.state.values(), *state.d_optimizer.state.values()]
    return [
        *(x for network in networks for x in (*network.parameters(), *network.buffers())),
        *(x for slot in slots for x in slot.values()),
    ]


def snapshot(state: State) -> Callable[[], None]:
    """Return a function that restores weights, buffers, optimizers and random streams, in place.

    What the optimizers have made since becomes zeros, as before a first step.
    """
    device, tensors = state.rng.device, tensors_of(state)
    values, known = [x.detach().clone() for x in tensors], set(map(id, tensors))
    rng, cpu_rng = state.rng.get_state(), torch.get_rng_state()
    cuda_rng = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @torch.no_grad()
    def restore() -> None:
        for tensor, value in zip(tensors, values, strict=True):
            tensor.copy_(value)
        for x in tensors_of(state):
            if id(x) not in known:
                x.zero_()
        state.rng.set_state(rng)
        torch.set_rng_state(cpu_rng)
        if cuda_rng is not None:
            torch.cuda.set_rng_state(cuda_rng, device)

    return restore
