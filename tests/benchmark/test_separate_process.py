import multiprocessing
import os
import signal

import pytest
import torch

from gan_cli.benchmark.separate_process import plain_apart
from gan_cli.errors import UserError


def test_the_plain_loop_in_a_process_of_its_own() -> None:
    with plain_apart("tutorial", (1, 28, 28), 100, torch.device("cpu")) as plays:
        (child,) = multiprocessing.active_children()
        os.kill(child.pid, signal.SIGINT)  # as Ctrl-C does
        plays(2)
        plays(1)
        assert child.is_alive()
        child.kill()
        with pytest.raises(UserError, match="plain loop of tutorial ended with exit status -9"):
            plays(1)

    with plain_apart("tutorial", (1, 28, 28), 100, torch.device("cpu")):
        (child,) = multiprocessing.active_children()
    assert child.exitcode == 0
