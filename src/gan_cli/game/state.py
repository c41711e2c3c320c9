"""All that changes while the players are trained: saved and loaded, a run goes on bit for bit."""

import copy
import functools
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from gan_cli.errors import DivergedError
from gan_cli.networks.layers import Dropout, bound_columns
from gan_cli.rng import stream_seed

log = logging.getLogger(__name__)

BuildOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]

# How many steps' logits are kept: a megabyte or so.
LOGITS = 1000


@dataclass
class State:
    """The two players, their optimizers, the average of G's weights, random numbers, the step.

    `rng`, a function of the run's `seed`, gives z and our own layers' masks; networks of the user's
    may draw from PyTorch's global stream. Of the steps since the last row of metrics, `logits` are
    what the latest returned, (3, m) each and LOGITS at most, and `earlier` the mean metrics of the
    `n_earlier` before them. `best` is the monitor's best estimate so far, in nats, `maxima` are the
    running maxima of the measures of diversity, `collapsed` whether one has fallen far below.
    `restored` counts how often the random streams were started anew.
    """

    generator: nn.Module
    discriminator: nn.Module
    g_optimizer: torch.optim.Optimizer
    d_optimizer: torch.optim.Optimizer
    average: nn.Module
    rng: torch.Generator
    seed: int
    logits: list[Tensor] = field(default_factory=list)
    earlier: Tensor | None = None
    n_earlier: int = 0
    step: int = 0
    best: float = -math.inf
    maxima: dict[str, float] = field(default_factory=dict)
    collapsed: bool = False
    restored: int = 0

    def start_streams(self, restored: int) -> None:
        """Set the random streams to their beginning, or to others once the game was `restored`."""
        self.rng.manual_seed(stream_seed(self.seed, "game", restored))
        torch.manual_seed(stream_seed(self.seed, "global", restored))
        self.restored = restored

    def refuse_diverged(self) -> None:
        """Raise DivergedError, naming it, where a weight is NaN or infinite; a sync point."""
        networks = (("G", self.generator), ("D", self.discriminator))
        tensors = {
            f"{player}'s {name}": x.detach()
            for player, network in networks
            for name, x in (*network.named_parameters(), *network.named_buffers())
            if x.is_floating_point()
        }
        # One number says whether to look further: passes through memory cost time.
        if tensors and not get_total_norm(tensors.values(), math.inf).isfinite():
            name, x = next((n, x) for n, x in tensors.items() if not x.isfinite().all())
            raise DivergedError(
                f"{name} holds {'NaN' if x.isnan().any() else 'infinity'} at step {self.step}"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return all of it as tensors, numbers and dicts of them."""
        device = self.rng.device
        return {
            **{name: getattr(self, name).state_dict() for name in _STATEFUL},
            "rng": self.rng.get_state(),
            "global_rng": torch.get_rng_state(),
            "global_cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "logits": torch.stack(self.logits) if self.logits else None,
            "earlier": self.earlier,
            **{name: getattr(self, name) for name in _NUMBERS},
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put back what `state_dict` returned, here or on a device of another type.

        There the random streams of the device, which it has no state for, begin anew from the seed
        and the step.
        """
        for name in _STATEFUL:
            getattr(self, name).load_state_dict(saved[name])
        torch.set_rng_state(saved["global_rng"])
        here, there = self.rng.device.type, "cpu" if saved["global_cuda_rng"] is None else "cuda"
        if here == there:
            self.rng.set_state(saved["rng"])
            if here == "cuda":
                torch.cuda.set_rng_state(saved["global_cuda_rng"], self.rng.device)
        else:
            self.rng.manual_seed(stream_seed(self.seed, f"game on {here}", saved["step"]))
            if here == "cuda":
                torch.cuda.manual_seed(stream_seed(self.seed, "global on cuda", saved["step"]))
            log.warning(
                "The checkpoint of step %d was written on %s: the random numbers on %s begin anew, "
                "from the seed and the step.", saved["step"], there, here,
            )  # fmt: skip
        self.logits.clear()
        if saved["logits"] is not None:
            self.logits.extend(saved["logits"].to(self.rng.device))
        earlier = saved["earlier"]
        self.earlier = None if earlier is None else earlier.to(self.rng.device)
        for name in _NUMBERS:
            setattr(self, name, saved[name])


_NUMBERS = ("step", "n_earlier", "best", "maxima", "collapsed", "restored")
_STATEFUL = ("generator", "discriminator", "g_optimizer", "d_optimizer", "average")


def parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the parameters that an optimizer trains."""
    # Not by walking the network's modules, which takes a fiftieth of a small pair's update.
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]


def bound(network: nn.Module, *_: object) -> None:
    """Bring a network's weights within its `max_col_norm`, where it has one."""
    c = getattr(network, "max_col_norm", None)
    if c is not None:
        bound_columns(network, c)


def new_state(
    generator: nn.Module,
    discriminator: nn.Module,
    build_optimizers: tuple[BuildOptimizer, BuildOptimizer],
    seed: int,
    device: torch.device,
) -> State:
    """Return the state before the first step, all of it on `device`.

    `build_optimizers` make those of G and of D from their parameters. Each is followed by the bound
    on its network's weights, `max_col_norm`, at every step.
    """
    generator, discriminator = generator.to(device), discriminator.to(device)
    optimizers = []
    for network, build in zip((generator, discriminator), build_optimizers, strict=True):
        bound(network)
        optimizers.append(build(network.parameters()))
        optimizers[-1].register_step_post_hook(functools.partial(bound, network))
    rng = torch.Generator(device)
    for network in (generator, discriminator):
        for layer in network.modules():
            if isinstance(layer, Dropout):
                layer.rng = rng
    state = State(
        generator,
        discriminator,
        optimizers[0],
        optimizers[1],
        copy.deepcopy(generator).requires_grad_(False),
        rng,
        seed,
    )
    state.start_streams(0)
    return state
