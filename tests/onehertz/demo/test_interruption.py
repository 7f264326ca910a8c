"""Ctrl-C and SIGTERM, with real signals."""

from __future__ import annotations

import signal

import pytest

from onehertz.demo.interruption import Interrupted, Interruption


def send(number: signal.Signals) -> None:
    """To this thread: Python has run its handler before the next line."""
    signal.raise_signal(number)


def test_a_signal_raises_where_there_is_nothing_to_finish() -> None:
    with Interruption() as interruption:
        with pytest.raises(Interrupted):
            send(signal.SIGINT)
        assert interruption.requested
        assert interruption.exit_code == 130


def test_while_cameras_play_the_first_is_noted_and_the_second_raises() -> None:
    with Interruption() as interruption:
        with interruption.noted():
            send(signal.SIGTERM)
            assert interruption.requested
            with pytest.raises(Interrupted):
                send(signal.SIGINT)
        assert interruption.exit_code == 143  # of the first


def test_what_one_signal_has_set_off_no_other_breaks_off() -> None:
    with Interruption() as interruption:
        with pytest.raises(Interrupted):
            send(signal.SIGINT)
        send(signal.SIGINT)
        send(signal.SIGTERM)
        assert interruption.exit_code == 130


def test_after_the_cameras_signals_are_noted_alone() -> None:
    with Interruption() as interruption:
        with interruption.noted():
            assert not interruption.requested
        send(signal.SIGINT)
        assert interruption.requested


def test_afterwards_the_signals_are_what_they_were() -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with Interruption():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
