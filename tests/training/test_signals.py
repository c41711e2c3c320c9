import os
import signal

import pytest

from gan_cli.training.signals import stop_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_is_noted_and_the_second_acts_at_once(number: signal.Signals) -> None:
    def before(*_: object) -> None:
        raise AssertionError

    # Whatever the tests were begun under: nohup ignores SIGHUP.
    theirs = signal.signal(number, before)
    try:
        with stop_signals() as stop:
            assert stop.signal is None
            os.kill(os.getpid(), number)
            assert stop.signal == number
            assert signal.getsignal(number) == signal.SIG_DFL
        assert signal.getsignal(number) == before
    finally:
        signal.signal(number, theirs)


def test_a_closed_terminal_is_ignored_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_warning_asks_to_save_each_time() -> None:
    with stop_signals() as stop:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert (stop.save, stop.signal) == (True, None)
            stop.save = False


def test_a_schedulers_signal_is_raised_again_when_all_is_saved() -> None:
    queued_again = []
    before = signal.signal(signal.SIGUSR2, lambda *_: queued_again.append("by Submitit"))
    try:
        with stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGUSR2)
            assert stop.signal == signal.SIGUSR2
            assert not queued_again
        assert queued_again == ["by Submitit"]
        with stop_signals():
            pass
        assert len(queued_again) == 1
    finally:
        signal.signal(signal.SIGUSR2, before)
