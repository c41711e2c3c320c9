import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from gan_cli.training.device import keep_freed_memory
if {keep}: keep_freed_memory()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(25_000_000)
before = faults()
torch.ones(25_000_000)
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="is for glibc")
@pytest.mark.parametrize("keep", [True, False])
def test_memory_that_was_freed_is_used_again(keep: bool) -> None:
    """100 MB are about 24000 pages, or 50 huge ones; what was kept takes none."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(keep=keep)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (int(done.stdout) < 20) == keep
