"""Samples that depend on the seed and their own number alone."""

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gan_cli.errors import UserError
from gan_cli.game.conditions import Condition
from gan_cli.rng import stream, stream_seed

# z comes in blocks that are always drawn and always generated whole, so that neither how many
# samples are asked for nor memory's limits can change a bit of any of them.
BLOCK = 256

DrawZ = Callable[[int, torch.Generator], Tensor]


def draw_z(prior: DrawZ, n: int, seed: int) -> Tensor:
    """Return z_0 .. z_(n-1) of `seed`, (n, dim) on the CPU; z_i is the same for any n > i."""
    return torch.cat(list(_blocks_of_z(prior, n, seed)))[:n]


def generate(
    generator: nn.Module, z: Tensor, seed: int, device: torch.device, c: Condition = ()
) -> Tensor:
    """Return G(z, *c) in eval mode and float32, (n, C, H, W) on the CPU, for z (n, dim).

    Random numbers of G's own, if it draws any from the global stream of PyTorch, NumPy or Python,
    are a function of `seed` and the sample's number; the streams are left as they were, and so is
    G. Raises UserError where G gives no tensor, or one of lower precision.
    """
    blocks = enumerate(zip(*map(_blocks, (z, *c)), strict=True))
    images = [images_from(generator, z, seed, device, b, c).cpu() for b, (z, *c) in blocks]
    return torch.cat(images)[: len(z)]


def sample_blocks(
    generator: nn.Module, prior: DrawZ, n: int, seed: int, device: torch.device, c: Condition = ()
) -> Iterator[Tensor]:
    """Yield samples 0 .. n-1 of `seed`, as `generate` gives them of `draw_z`, BLOCK at a time.

    c: n conditions, or ().
    """
    blocks = zip(_blocks_of_z(prior, n, seed), *map(_blocks, c), strict=True)
    for b, (z, *c) in enumerate(blocks):
        yield images_from(generator, z, seed, device, b, c).cpu()[: n - b * BLOCK]


@torch.no_grad()
def images_from(
    generator: nn.Module, z: Tensor, seed: int, device: torch.device, b: int = 0, c: Condition = ()
) -> Tensor:
    """Return G(z, *c) for z of block `b`, as `generate` does, on `device`."""
    was_training, numbers = generator.training, stream_seed(seed, "generate", b)
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        generator.eval()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(numbers)
            random.seed(numbers)
            np.random.seed(numbers % 2**32)  # noqa: NPY002
            images = generator(*(x.to(device) for x in (z, *c)))
    finally:
        generator.train(was_training)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
    if not isinstance(images, Tensor):
        raise UserError(
            f"network.generator gives {type(images).__name__}; it must give a tensor of images "
            "(m, C, H, W)."
        )
    if images.dtype not in (torch.float32, torch.float64):
        raise UserError(
            f"network.generator gives images of {images.dtype}; it must give float32: "
            "precision=bf16 makes its products in less."
        )
    return images.float()


def _blocks(x: Tensor) -> Sequence[Tensor]:
    """Return x (n, ...) in whole blocks, the last one filled up with zeros."""
    return torch.cat([x, x.new_zeros(-len(x) % BLOCK, *x.shape[1:])]).split(BLOCK)


def _blocks_of_z(prior: DrawZ, n: int, seed: int) -> Iterator[Tensor]:
    """Yield z in whole blocks (BLOCK, dim), enough for n samples."""
    for b in range(-(-n // BLOCK)):
        yield prior(BLOCK, stream(seed, "z", b))
