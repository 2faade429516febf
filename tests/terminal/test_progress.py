import io
import sys

import pytest

from contrascope.terminal import progress
from contrascope.terminal.progress import CommandProgress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def count(told, clock, *, seconds, total):
    for done in range(1, total + 1):
        clock[0] += seconds
        told(done, total)


def test_a_log_file_gets_a_line_every_ten_seconds_with_the_time_left(clock, capsys):
    with CommandProgress.of(quiet=False) as shown:
        count(shown.counter("images embedded"), clock, seconds=4, total=10)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "images embedded: 3 of 10, 28 s left",
        "images embedded: 6 of 10, 16 s left",
        "images embedded: 9 of 10, 4 s left",
    ]


def test_opening_the_images_does_not_count_as_time_of_a_part(clock, capsys):
    with CommandProgress.of(quiet=False) as shown:
        told = shown.counter("probes")
        clock[0] = 100
        told(1, 5)
        clock[0] = 112
        told(2, 5)
    assert capsys.readouterr().err.splitlines()[-1] == "probes: 2 of 5, 36 s left"


def test_what_is_done_at_once_says_nothing(clock, capsys):
    with CommandProgress.of(quiet=False) as shown:
        count(shown.counter("images"), clock, seconds=0.1, total=20)
    assert capsys.readouterr().err == ""


def test_quiet_writes_nothing_even_of_what_others_say(clock, capsys):
    with CommandProgress.of(quiet=True) as shown:
        shown.say("a part begins")
        sys.stderr.write("a library says\n")
        count(shown.counter("images"), clock, seconds=20, total=3)
    assert capsys.readouterr().err == ""


def test_a_sentence_comes_with_the_clock(clock, capsys):
    with CommandProgress.of(quiet=False) as shown:
        clock[0] = 12.34
        shown.say("corruption [blur]")
    assert capsys.readouterr().err == "[   12.3 s] corruption [blur]\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with CommandProgress.of(quiet=False) as shown:
        told = shown.counter("images embedded")
        told(1, 4)
        shown.say("half [of] it")
        told(4, 4)
    text = terminal.getvalue()
    assert "images embedded" in text
    assert "4/4" in text
    assert "half [of] it" in text
    assert text.endswith("\x1b[2K")
