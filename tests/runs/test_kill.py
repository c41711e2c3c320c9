import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nothing() -> None:
    script = Path(__file__).parents[2] / "benchmarks/kill.py"
    subprocess.run([sys.executable, str(script), "50"], check=True)
