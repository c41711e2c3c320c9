"""Independent random streams, each a pure function of the run's seed and a name."""

import zlib

import numpy as np
import torch


def stream_seed(seed: int, name: str, index: int = 0) -> int:
    """Return a 63-bit seed for stream `name`, number `index`, of a run's `seed` >= 0."""
    words = np.random.SeedSequence([seed, zlib.crc32(name.encode()), index]).generate_state(2)
    return int(words[0]) << 31 | int(words[1]) >> 1


def stream(seed: int, name: str, index: int = 0) -> torch.Generator:
    """Return a fresh generator on the CPU for stream `name`, number `index`."""
    return torch.Generator().manual_seed(stream_seed(seed, name, index))
