"""Where to compute, and in which arithmetic."""

import ctypes
import os
import sys
import time
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from gan_cli.errors import UserError


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` takes a GPU where there is one.

    Raises UserError where there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"device is {name!r}, which PyTorch can't use here ({reason}); it can be auto, cpu, or "
            "cuda and cuda:1 where there are GPUs."
        ) from error
    return device


# What keeps this process's GPU from other jobs, as long as it lives.
_gpu: list[FileLock] = []


def take_gpu(directory: Path) -> None:
    """Leave one GPU visible to this process, where there are several: one that no other job has.

    Jobs tell each other by locks in `directory`. Waits until a GPU is free, and then has it for
    good: CUDA looks only once.
    """
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = told.split(",") if told else [str(i) for i in range(torch.cuda.device_count())]
    while len(gpus) > 1:
        for gpu in gpus:
            try:
                _gpu.append(FileLock(directory / f".gpu-{gpu}", timeout=0).acquire().lock)
            except Timeout:
                continue
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
            return
        time.sleep(1)


def autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the type of matrix products: None is float32 throughout.

    `auto` takes bfloat16 where the hardware multiplies it natively: GPUs from Ampere on, CPUs with
    AMX or AVX512-BF16. The weights themselves stay float32 always.
    """
    native = {"fp32": False, "bf16": True, "auto": _multiplies_bf16(device)}[precision]
    return torch.bfloat16 if native else None


def keep_freed_memory(largest: int) -> None:
    """Have the C library keep freed blocks of `largest` bytes: the next step takes them again.

    glibc hands blocks above 32 MB back at once, whatever else it is told, and the kernel's clearing
    of new pages is then a third of a step of the paper's CIFAR-10 pairs. To keep them costs memory,
    half as much again and more, so smaller networks are left alone, as are other C libraries.
    """
    if largest > MMAP_THRESHOLD_MAX and sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, -1)


# Names and values of glibc's malloc.h and malloc.c.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
MMAP_THRESHOLD_MAX = 32 * 2**20


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
