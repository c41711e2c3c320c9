import multiprocessing
import os
import signal
from functools import partial
from itertools import repeat

import pytest

from gan_cli.benchmark.separate_process import in_own_process
from gan_cli.errors import UserError


def test_a_loop_in_a_process_of_its_own() -> None:
    start = partial(repeat, None)
    with in_own_process("tutorial", start) as run:
        (child,) = multiprocessing.active_children()
        os.kill(child.pid, signal.SIGINT)  # as Ctrl-C does
        run(2)
        run(1)
        assert child.is_alive()
        child.kill()
        with pytest.raises(UserError, match=r"tutorial .* -9"):
            run(1)

    with in_own_process("tutorial", start):
        (child,) = multiprocessing.active_children()
    assert child.exitcode == 0
