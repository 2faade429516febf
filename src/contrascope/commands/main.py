"""From words to an exit code; what a command computes goes to stdout, what it says meanwhile to stderr."""

import signal
import sys
import warnings
from collections.abc import Sequence

from contrascope.commands.command import (
    DONE,
    GROUPS,
    HELP,
    SIGNALLED,
    WRONG_INPUT,
    all_commands,
    find_command,
)
from contrascope.commands.ended import EndedError, Terminated, speakable, terminable, told, unheard_from_now
from contrascope.commands.old_spellings import renewed
from contrascope.commands.train import recipe_lines
from contrascope.errors import InputError, LabelWarning, did_you_mean
from contrascope.imports import one_call
from contrascope.training.interrupt import Interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit codes are `contrascope.commands.command.EXIT_CODES`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    speakable()
    with terminable(), one_call():
        try:
            return _heard(words)
        except EndedError as end:
            _end(end.code, end.sentence)
            raise SystemExit(end.code) from None
        except Interrupted as stopped:
            _end(SIGNALLED + stopped.number, str(stopped), after="^C")
            raise
        except KeyboardInterrupt as stop:
            raise SystemExit(_stopped(words, stop)) from None
        except BrokenPipeError:  # whoever read the output went away, as `head` does
            unheard_from_now()
            return SIGNALLED + signal.SIGPIPE
        except Exception as error:
            sentence = told(error)
            if sentence is None:  # a fault of ours: all of it is shown
                raise
            return _end(WRONG_INPUT, sentence)


def _heard(words: list[str]) -> int:
    """The exit code once all that was printed has left; what cannot leave raises here and not as Python ends."""
    try:
        code = _dispatch(words)
    except SystemExit:  # by --help-all, or a word that is wrong
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return code


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    if not words or words[0] in HELP:
        sys.stdout.write(usage())
        return DONE
    if words[0] == "--version":
        from contrascope import __version__

        sys.stdout.write(f"contrascope {__version__}\n")
        return DONE
    name, *rest = renewed(words)
    command = find_command(name)
    if command is None:
        raise InputError(f"there is no command {name!r}. {did_you_mean(name, all_commands())}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWarning)  # the tables say it
        return command(rest)


def usage() -> str:
    """The commands in their groups, one line each, and the recipes."""
    commands = all_commands().values()
    heads = {one.name: f"{one.name} {one.words}" for one in commands}
    column = max(map(len, heads.values()))
    lines = ["usage: contrascope COMMAND ...", ""]
    for group in GROUPS:
        mine = [one for one in commands if one.group == group]
        lines += [f"  {heads[one.name]:<{column}}  {one.summary}" for one in mine]
    lines += [
        "",
        "contrascope COMMAND --help shows what people set, COMMAND --help-all everything.",
        "",
        "recipes for train:",
        *(f"  {line}" for line in recipe_lines()),
    ]
    return "\n".join(lines) + "\n"


def _stopped(words: list[str], stop: KeyboardInterrupt) -> int:
    number = signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT
    by = "SIGTERM" if isinstance(stop, Terminated) else "Ctrl-C"
    command = find_command(words[0]) if words else None
    more = str(stop) or ("" if command is None else command.stopped)
    return _end(SIGNALLED + number, f"stopped by {by}. {more}".rstrip(), after="^C")


def _end(code: int, sentence: str, *, after: str = "") -> int:
    """Writes the sentence; on a terminal on a line of its own, where something stands there already."""
    try:
        line = "\n" if after and sys.stderr.isatty() else ""
        sys.stderr.write(f"{line}contrascope: {sentence}\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # whoever read it went away; the code still tells
        unheard_from_now()
    return code
