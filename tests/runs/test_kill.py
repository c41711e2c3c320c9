import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nothing() -> None:
    bench = Path(__file__).parent.parent / "bench/kill.py"
    subprocess.run([sys.executable, str(bench), "50"], check=True)
