import os
import subprocess
import sys

import pytest

from gan_cli.training.device import pick_device, warn_if_busy

# Frees and takes again as the steps of small and large networks do; tells page faults of the last.
FAULTS = """
import ctypes, resource
from gan_cli.training.device import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p

def step(megabytes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [ctypes.c_void_p(libc.malloc(n * 10**6)) for n in megabytes]
    for block, n in zip(blocks, megabytes):
        libc.memset(block, 1, n * 10**6)
    for block in blocks:
        libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def last(megabytes):
    print([step(megabytes) for _ in range(12)][-1])

small, large = (3,) * 10, (40, 12, 80, 48, 40)
last(small)
keep_freed_memory(3_000_000)
last(small)
last(large)
keep_freed_memory(40_000_000)
last(large)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="is for glibc")
def test_blocks_that_were_freed_are_used_again() -> None:
    """30 MB are about 7000 pages, or 15 huge ones, and 220 MB 50000; what was kept takes none."""
    # So that what glibc does by itself does not depend on what else lies in memory.
    handed_back = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env=handed_back,
        capture_output=True,
        text=True,
        check=True,
    )
    by_itself, kept, too_large, kept_as_well = map(int, done.stdout.split())
    assert kept < 10 < 100 < by_itself
    assert kept_as_well < 10 < 100 < too_large


def test_a_busy_machine_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for load, warned in ((1.9, False), (3.2, True)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        warn_if_busy()
        assert ("The load of this machine is 3.2, on 2 cores" in caplog.text) == warned


def test_a_processor_may_have_a_number() -> None:
    """CUDA must not be asked to make it the current one."""
    assert pick_device("cpu:0").type == "cpu"
