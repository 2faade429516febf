import os
import signal
import threading

import pytest

from contrascope.training.interrupt import Interrupted, stop_requests


def test_sigterm_becomes_a_request_and_the_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with stop_requests() as stop:
        assert not stop.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.requested, stop.signal) == (True, signal.SIGTERM)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_second_ctrl_c_stops_at_once():
    with stop_requests() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            stop(signal.SIGINT, None)


def test_beside_the_main_thread_signals_are_left_alone():
    seen = []

    def work():
        with stop_requests() as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]


def test_the_exit_code_is_128_plus_the_signal_and_the_message_tells_how_to_go_on(tmp_path):
    stopped = Interrupted(tmp_path, 7, signal.SIGTERM)
    assert stopped.code == 143
    assert str(stopped) == f"stopped by SIGTERM at step 7, saved in {tmp_path}. Go on with --resume."
