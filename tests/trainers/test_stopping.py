"""Signals that ask a run to stop."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from hrmgym.trainers.stopping import STOPS, Stopped, stop_noted, stop_signals


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOPS)
def test_every_signal_ends_the_block_as_ctrl_c_does(number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in STOPS]
    with pytest.raises(KeyboardInterrupt) as error, stop_signals():
        send(number)
    assert isinstance(error.value, Stopped)
    assert error.value.number == number
    assert [signal.getsignal(one) for one in STOPS] == before


def test_a_second_sigterm_does_not_disturb_the_saving() -> None:
    saved = []

    def work() -> None:
        try:
            send(signal.SIGTERM)
        finally:
            send(signal.SIGTERM)
            send(signal.SIGHUP)
            saved.append(True)

    with pytest.raises(Stopped) as error, stop_signals():
        work()
    assert saved
    assert error.value.number == signal.SIGTERM


def test_a_second_ctrl_c_acts_at_once() -> None:
    saved = []

    def work() -> None:
        try:
            send(signal.SIGTERM)
        finally:
            send(signal.SIGINT)
            saved.append(True)

    with pytest.raises(KeyboardInterrupt), stop_signals():
        work()
    assert not saved


def test_work_that_swallows_the_first_and_says_so_later_keeps_its_number() -> None:
    def work() -> None:
        with suppress(KeyboardInterrupt):  # a scoring writes what it has
            send(signal.SIGTERM)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error, stop_signals():
        work()
    assert isinstance(error.value, Stopped)
    assert error.value.number == signal.SIGTERM


@pytest.mark.parametrize("number", STOPS)
def test_noted_signals_act_where_they_are_asked_for(number: signal.Signals) -> None:
    with stop_noted() as asked:
        asked.act()
        assert not asked()
        send(number)
        assert asked()
        send(signal.SIGTERM)
        with pytest.raises(Stopped) as error:
            asked.act()
        assert error.value.number == number
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_what_was_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals():
            send(signal.SIGHUP)
        with stop_noted() as asked:
            send(signal.SIGHUP)
            assert not asked()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_changes() -> None:
    seen = []

    def work() -> None:
        with stop_signals(), stop_noted() as asked:
            seen.append((asked(), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, signal.getsignal(signal.SIGTERM))]


LOST_TERMINAL = """
import os, sys, time
from hrmgym.trainers.stopping import stop_signals
path = sys.argv[1]
try:
    with stop_signals():
        print("ready", flush=True)
        time.sleep(30)
except KeyboardInterrupt as stop:
    print("saving", flush=True)  # the terminal is gone: this must not fail
    open(path, "w").write(str(stop.number))
"""


def test_a_lost_terminal_does_not_keep_a_run_from_saving(tmp_path: Path) -> None:
    path = tmp_path / "saved"
    leader, follower = pty.openpty()

    process = subprocess.Popen(
        [sys.executable, "-c", LOST_TERMINAL, str(path)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    assert b"ready" in os.read(leader, 100)
    os.close(leader)  # it hangs up
    process.send_signal(signal.SIGHUP)
    assert process.wait(30) == 0
    assert int(path.read_text()) == signal.SIGHUP
