import os
import subprocess
import sys

import pytest

from gan_cli.training.device import pick_device, warn_if_busy

# Allocates and frees as a training step does; prints the page faults of a step before and after, of
# small blocks and of large ones.
FAULTS = """
import ctypes, resource
from gan_cli.training.device import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p

def faults(sizes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [ctypes.c_void_p(libc.malloc(size)) for size in sizes]
    for block, size in zip(blocks, sizes):
        libc.memset(block, 1, size)
    for block in blocks:
        libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

steps = [3_000_000] * 10, [40_000_000, 48_000_000, 80_000_000, 48_000_000, 40_000_000]
before = [[faults(sizes) for _ in range(12)][-1] for sizes in steps]
for sizes, n in zip(steps, before):
    keep_freed_memory(min(sizes))
    print(n, [faults(sizes) for _ in range(12)][-1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="is for glibc")
def test_blocks_that_were_freed_are_used_again() -> None:
    """30 MB are about 7000 pages, or 15 huge ones; what is used again causes no page fault."""
    # So that what glibc does by itself does not depend on what else lies in memory.
    handed_back = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    printed = subprocess.check_output([sys.executable, "-c", FAULTS], env=handed_back, text=True)
    for line in printed.splitlines():
        before, after = map(int, line.split())
        assert after < 10 < before


def test_a_busy_machine_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for load, warned in ((1.9, False), (3.2, True)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        warn_if_busy()
        assert ("3.2, on 2 cores" in caplog.text) == warned


def test_a_processor_may_have_a_number() -> None:
    """CUDA must not be asked to make it the current one."""
    assert pick_device("cpu:0").type == "cpu"
