"""Where to compute, and in which arithmetic."""

import contextlib
import ctypes
import logging
import os
import platform
import time
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from gan_cli.errors import UserError

log = logging.getLogger(__name__)


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` takes a GPU where there is one.

    From here on it is the process's, with deterministic convolutions in float32. Raises UserError
    where there is no such device.
    """
    name = device_name(name)
    those = "it can be auto, cpu, or cuda and cuda:1 where there are GPUs."
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise UserError(f"device is {name!r}; {those}")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"device is {name!r}, which PyTorch can't use here ({reason}); {those}"
        ) from error
    if device.type == "cuda" and device.index is not None:
        # CUDA graphs are captured on the current one.
        torch.cuda.set_device(device)
    # By PyTorch's defaults cuDNN rounds float32 convolutions to TF32, and may add up in another
    # order each time: a resumed run would not be the same.
    round_float32(to_tf32=False)
    torch.backends.cudnn.deterministic = True
    return device


def device_name(name: str) -> str:
    """Return which device `auto` is, or `name`; unlike `pick_device` it takes no memory there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def warn_if_busy() -> None:
    """Warn where other programs keep all of this machine's cores busy already."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores:
        log.warning(
            "The load of this machine is %.1f, on %d cores: other programs run here, and training "
            "will be slower than it could be; threads=1 may be faster then.", load, cores,
        )  # fmt: skip


# What keeps this process's GPU from other jobs, as long as it lives.
_gpu: list[FileLock] = []


def take_gpu(directory: Path) -> None:
    """Leave one GPU visible to this process, where there are several: one that no other job has.

    Jobs lock theirs by files in `directory`, which other machines may write to as well. Waits until
    a GPU is free, and then has it for good: CUDA looks only once.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]
    while len(gpus) > 1:
        for gpu in gpus:
            lock = FileLock(directory / f".gpu-{platform.node()}-{gpu}", timeout=0)
            with contextlib.suppress(Timeout):
                _gpu.append(lock.acquire().lock)
                os.environ["CUDA_VISIBLE_DEVICES"] = gpu
                return
        time.sleep(1)


def autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the type that matrix products are cast to, or None for float32.

    `auto` takes bfloat16 where the hardware multiplies it natively: GPUs from Ampere on, CPUs with
    AMX or AVX512-BF16. The weights themselves stay float32 always. Raises UserError for tf32 on a
    CPU.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UserError(
            f"precision is tf32, which only GPUs have; on {device} it can be fp32, bf16 or auto."
        )
    native = precision == "bf16" or (precision == "auto" and _multiplies_bf16(device))
    return torch.bfloat16 if native else None


def round_float32(to_tf32: bool) -> None:
    """Let GPUs round the inputs of all products in float32 to TF32, with 10 bits, or not."""
    # Not by fp32_precision: torch.export refuses to work once that was set.
    torch.backends.cuda.matmul.allow_tf32 = to_tf32
    torch.backends.cudnn.allow_tf32 = to_tf32


# Names and values of glibc's malloc.h and malloc.c.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_MMAP_MAX = -4
MMAP_THRESHOLD_MAX = 32 * 2**20


def keep_freed_memory(largest: int) -> None:
    """Have glibc keep freed blocks of up to `largest` bytes for the next step.

    By default it hands memory back once twice the largest block lies free at its heap's end, which
    depends on all else that lies there; the kernel's clearing of new pages was then a third of a
    step of `tutorial`. Blocks above 32 MB, as the paper's CIFAR-10 pairs have them, it always hands
    back, unless all come from the heap: that takes half as much memory again and more, so only
    networks that have such blocks get it. Other C libraries are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(M_TRIM_THRESHOLD, -1)
    if largest > MMAP_THRESHOLD_MAX:
        mallopt(M_MMAP_MAX, 0)
    else:
        mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_MAX)


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
