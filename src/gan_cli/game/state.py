"""All that changes in training: saved and loaded, a run resumes bit for bit."""

import copy
import functools
import itertools
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.errors import DivergedError
from gan_cli.networks.layers import Dropout, GaussianNoise, bound_columns
from gan_cli.rng import stream_seed

log = logging.getLogger(__name__)

BuildOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]

# Of how many steps at most the logits are stored: a megabyte or so.
STORED_LOGITS = 1000


@dataclass
class State:
    """The two players, their optimizers, the average of G's weights, random numbers, the step.

    `rng` gives z and our own layers' masks; a user's networks may draw from PyTorch's global
    stream. Of the steps since the last row of metrics, `logits` are those of the latest, (3, m)
    each and STORED_LOGITS at most, and `earlier` the mean metrics of the `n_earlier` before them.
    `best` is the monitor's best estimate so far, NaN before the first, `maxima` are the running
    maxima of the measures of diversity, `collapsed` is whether one of them has collapsed, and
    `restored` how often a diverged run was restored.
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
    best: float = math.nan
    maxima: dict[str, float] = field(default_factory=dict)
    collapsed: bool = False
    restored: int = 0

    def start_streams(self, restored: int) -> None:
        """Start the random streams from the seed: other ones after each time a run was restored."""
        self._seed_streams("", restored)
        self.restored = restored

    def _seed_streams(self, suffix: str, index: int) -> None:
        self.rng.manual_seed(stream_seed(self.seed, f"game{suffix}", index))
        torch.manual_seed(stream_seed(self.seed, f"global{suffix}", index))

    def refuse_diverged(self) -> None:
        """Raise DivergedError where a weight or a buffer is NaN or infinite; a sync point."""
        for player, network in (("G", self.generator), ("D", self.discriminator)):
            for name, x in itertools.chain(network.named_parameters(), network.named_buffers()):
                if not x.isfinite().all():
                    value = "NaN" if x.isnan().any() else "infinity"
                    raise DivergedError(f"{player}'s {name} holds {value} at step {self.step}")

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
        """Load what `state_dict` returned.

        A device of another type has no use for the saved random streams: they start anew, from the
        seed and the step.
        """
        for name in _STATEFUL:
            getattr(self, name).load_state_dict(saved[name])
        for name in _NUMBERS:
            setattr(self, name, saved[name])
        device = self.rng.device
        logits, earlier = saved["logits"], saved["earlier"]
        self.logits = [] if logits is None else list(logits.to(device))
        self.earlier = None if earlier is None else earlier.to(device)

        saved_on = "cpu" if saved["global_cuda_rng"] is None else "cuda"
        if device.type != saved_on:
            self._seed_streams(f" on {device.type}", self.step)
            log.warning(
                "The checkpoint of step %d was written on %s: the random numbers on %s start anew, "
                "from the seed and the step.", self.step, saved_on, device.type,
            )  # fmt: skip
            return
        self.rng.set_state(saved["rng"])
        torch.set_rng_state(saved["global_rng"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(saved["global_cuda_rng"], device)


_NUMBERS = ("step", "n_earlier", "best", "maxima", "collapsed", "restored")
_STATEFUL = ("generator", "discriminator", "g_optimizer", "d_optimizer", "average")


def parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the parameters that an optimizer trains."""
    return [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]


def new_state(
    generator: nn.Module,
    discriminator: nn.Module,
    build_optimizers: tuple[BuildOptimizer, BuildOptimizer],
    seed: int,
    device: torch.device,
) -> State:
    """Return the state before the first step, on `device`.

    `build_optimizers` are those of G and D. A network with an attribute `max_col_norm` has its
    weights within that bound now and after each step of its optimizer.
    """
    rng = torch.Generator(device)
    optimizers = []
    for network, build in zip((generator, discriminator), build_optimizers, strict=True):
        network.to(device)
        _bound(network)
        optimizers.append(build(network.parameters()))
        optimizers[-1].register_step_post_hook(functools.partial(_bound, network))
        for layer in network.modules():
            if isinstance(layer, Dropout | GaussianNoise):
                layer.rng = rng
    average = copy.deepcopy(generator).requires_grad_(False)
    g_optimizer, d_optimizer = optimizers
    state = State(generator, discriminator, g_optimizer, d_optimizer, average, rng, seed)
    state.start_streams(0)
    return state


def _bound(network: nn.Module, *_: object) -> None:
    c = getattr(network, "max_col_norm", None)
    if c is not None:
        bound_columns(network, c)
