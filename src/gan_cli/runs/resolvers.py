"""What `${...}` stands for in the configs, and in the directories of Hydra's."""

import functools
import os
from pathlib import Path

from omegaconf import OmegaConf

from gan_cli.runs import sweeps


@functools.cache  # Hydra's search for plugins runs a module of theirs twice
def register() -> None:
    """Make the resolvers known to Hydra."""
    OmegaConf.register_new_resolver("logspace", _logspace, replace=True)
    OmegaConf.register_new_resolver("sweep_dir", _sweep_dir, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("path", os.path.expanduser, replace=True)
    OmegaConf.register_new_resolver("one_gpu", _one_gpu, replace=True)


def _sweep_dir(given: str, name: str | None = None) -> str:
    """Return where a sweep's jobs go, as workers elsewhere find it too."""
    return str(Path(sweeps.directory(given, name)).expanduser().absolute())


def _logspace(start: float, stop: float, n: int) -> list[float]:
    """Return n numbers from 10**start to 10**stop, evenly apart in the exponent."""
    return [10 ** (start + (stop - start) * i / max(n - 1, 1)) for i in range(n)]


def _one_gpu() -> int:
    """Return how many GPUs a job is to have here: 1, or 0 where there is none."""
    import torch  # which takes a second, and few need

    return min(torch.cuda.device_count(), 1)
