"""Arrays that a user brings, and samples as arrays for other programs."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_cli.data.source import Source
from gan_cli.errors import UserError
from gan_cli.files import replacing


def read_array(setting: str, path: Path) -> Tensor:
    """Read a .npy file of finite numbers, (n, ...), as float32; pickled ones are never loaded.

    Raises UserError, naming `setting`, for any other file.
    """
    try:
        # Mapped, so that a header that claims more than the file has gets no memory for it.
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # whatever a damaged header makes of numpy's parser
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        message = " ".join(str(reason).split())
        raise UserError(
            f"{setting} is {path}, which can't be read as a .npy array of numbers ({message}); it "
            "must hold one .npy array."
        ) from error
    if array.dtype.kind not in "fiu":
        raise UserError(f"{setting} is {path} of {array.dtype}; it must be of real numbers.")
    if array.ndim < 2:
        raise UserError(f"{setting} is {path} of shape {array.shape}; it must be (n, ...).")
    with np.errstate(over="ignore"):  # refused below
        values = torch.from_numpy(array.astype(np.float32))
    if len(bad := (~values.isfinite()).nonzero()):
        raise UserError(
            f"{setting} is {path}, which holds NaN or infinite values, the first at "
            f"{bad[0].tolist()}."
        )
    return values


def read_samples(path: Path, source: Source) -> Tensor:
    """Read samples (n, D) or (n, C, H, W) of a source's shape and range, as float32 (n, C, H, W).

    Sides of one pixel, and the one channel of grey images, may be left out. Raises UserError for
    other samples.
    """
    samples = read_array("samples", path)
    n, shape, dimension = len(samples), tuple(samples.shape[1:]), math.prod(source.shape)
    if shape != (dimension,) and _without_ones(shape) != _without_ones(source.shape):
        raise UserError(
            f"samples is {path} of shape {tuple(samples.shape)}; those of this data set are (n, "
            f"{', '.join(map(str, source.shape))}), or (n, {dimension})."
        )
    if n < 2:
        raise UserError(f"samples is {path} with {n} of them; it takes at least 2.")
    low, high = samples.min().item(), samples.max().item()
    slack = 1e-3
    if low < source.low - slack or high > source.high + slack:
        unit = (source.low, source.high) == (0, 1)
        hint = "; dataset.range=signed is for samples in [-1, 1]" if unit else ""
        raise UserError(
            f"samples is {path} with values from {low:g} to {high:g}; this data set's are from "
            f"{source.low:g} to {source.high:g}{hint}."
        )
    return samples.reshape(n, *source.shape)


def read_points(path: Path, dim: int) -> Tensor:
    """Read at least 2 points of z-space, float32 (points, dim). Raises UserError for others."""
    z = read_array("z", path)
    if z.dim() != 2 or z.shape[1] != dim or len(z) < 2:
        raise UserError(
            f"z is {path} of shape {tuple(z.shape)}; it must be (points, {dim}), with at least 2 "
            "points."
        )
    return z


def write_samples(path: Path, blocks: Iterable[Tensor], shape: Sequence[int]) -> None:
    """Write samples of `shape` (n, C, H, W) as a .npy file of float32, block by block.

    blocks: (m, C, H, W) each, n in all, which need not fit into memory together. Raises UserError
    where the file can't be written.
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(block.numpy().astype("<f4", copy=False).tobytes())


def _without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(side for side in shape if side != 1)
