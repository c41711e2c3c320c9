"""All that changes while the game is played; save it and the run goes on bit for bit."""

import copy
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.networks.layers import Dropout, bound_columns
from gan_cli.streams import stream, stream_seed

# Of how many steps a row of metrics tells at most: their logits take a megabyte or so.
KEPT = 1000


@dataclass
class State:
    """The two players, their optimizers, the average of G's weights, random numbers, the step.

    `rng` gives z and our own layers' masks. `global_seed` starts PyTorch's global stream, for
    networks of the user's that draw from it. `logits` are what the steps since the last row of
    metrics returned, KEPT at most, (3, m) each. `best` is the monitor's best estimate so far, in
    nats.
    """

    generator: nn.Module
    discriminator: nn.Module
    g_optimizer: torch.optim.Optimizer
    d_optimizer: torch.optim.Optimizer
    average: nn.Module
    rng: torch.Generator
    logits: deque[Tensor] = field(default_factory=lambda: deque(maxlen=KEPT))
    step: int = 0
    best: float = -math.inf

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as tensors, numbers and dicts of them."""
        device = self.rng.device
        return {
            **{name: getattr(self, name).state_dict() for name in _STATEFUL},
            "rng": self.rng.get_state(),
            "global_rng": torch.get_rng_state(),
            "global_cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "logits": torch.stack(list(self.logits)) if self.logits else None,
            "step": self.step,
            "best": self.best,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        for name in _STATEFUL:
            getattr(self, name).load_state_dict(saved[name])
        self.rng.set_state(saved["rng"])
        torch.set_rng_state(saved["global_rng"])
        if saved["global_cuda_rng"] is not None and self.rng.device.type == "cuda":
            torch.cuda.set_rng_state(saved["global_cuda_rng"], self.rng.device)
        self.logits.clear()
        if saved["logits"] is not None:
            self.logits.extend(saved["logits"].to(self.rng.device))
        self.step, self.best = saved["step"], saved["best"]


_STATEFUL = ("generator", "discriminator", "g_optimizer", "d_optimizer", "average")


def bound(network: nn.Module) -> None:
    """Bring a network's weights within its `max_col_norm`, where it has one."""
    c = getattr(network, "max_col_norm", None)
    if c is not None:
        bound_columns(network, c)


def new_state(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: Any,
    seed: int,
    device: torch.device,
) -> State:
    """Return the state before the first step, all of it on `device`.

    `optimizer` builds one for each player.
    """
    generator, discriminator = generator.to(device), discriminator.to(device)
    for network in (generator, discriminator):
        bound(network)
    rng = stream(seed, "game", device=device)
    for network in (generator, discriminator):
        for layer in network.modules():
            if isinstance(layer, Dropout):
                layer.rng = rng
    torch.manual_seed(stream_seed(seed, "global"))
    return State(
        generator,
        discriminator,
        optimizer.build(generator.parameters()),
        optimizer.build(discriminator.parameters()),
        copy.deepcopy(generator).requires_grad_(False),
        rng,
    )
