import subprocess
import sys

import pytest

from gan_cli.training.device import pick_device

# As much is freed and taken again as in a step of large networks.
FAULTS = """
import resource, torch
from gan_cli.training.device import keep_freed_memory
keep_freed_memory({largest})
def step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(millions * 10**6) for millions in (10, 3, 20, 12, 10)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print([step() for _ in range(12)][-1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="is for glibc")
@pytest.mark.parametrize("largest", [40_000_000, 10_000_000])
def test_large_blocks_that_were_freed_are_used_again(largest: int) -> None:
    """Those of 208 MB are about 50000 pages, or 100 huge ones; what was kept takes none."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(largest=largest)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (int(done.stdout) < 50) == (largest > 32 * 2**20)


def test_a_processor_may_have_a_number() -> None:
    """CUDA must not be asked to make it the current one."""
    assert pick_device("cpu:0").type == "cpu"
