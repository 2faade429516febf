"""What a command is: its words, its arguments, what people set, its call, and its exit codes."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import tyro

import contrascope.commands
from contrascope.imports import FLAG, allow
from contrascope.terminal.help import Shown, help_text
from contrascope.terminal.progress import CommandProgress

DONE, DIVERGED, WRONG_INPUT, BROKEN, LOST, SIGNALLED = 0, 1, 2, 3, 4, 128
"""Exit codes; docs/commands.md has them as a table, and a test compares."""
EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        DONE: "done",
        DIVERGED: "train: the loss is no number any more",
        WRONG_INPUT: "wrong input: one sentence says what came, what was expected and what to do",
        BROKEN: "unsound: diagnose found a fault or a collapse, or train stopped on an alarm (--monitor.stop)",
        LOST: "train: another of several processes ended or does not answer",
        SIGNALLED + 2: "stopped by Ctrl-C",
        SIGNALLED + 15: "stopped by SIGTERM",
        SIGNALLED + 13: "whoever read the output went away, as `head` does",
    }
)
"""What each exit code says."""

Group = Literal["train", "measure", "show", "use"]
GROUPS: tuple[Group, ...] = ("train", "measure", "show", "use")
"""Groups of the usage, in order."""
PARTS = (".curation",)
"""Parts of this room that hold commands too."""
HELP, HELP_ALL = ("-h", "--help"), "--help-all"
CONFIG = (tyro.conf.AvoidSubcommands,)


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every command takes."""

    quiet: Annotated[bool, tyro.conf.arg(aliases=("-q",)), tyro.conf.FlagCreatePairsOff] = False
    """Print only results, on stdout, and errors, on stderr: no progress and no notes."""


@dataclass(frozen=True, kw_only=True)
class Computing(Common):
    """What every command takes that runs a network."""

    device: str | None = None
    """Where networks run: cpu, cuda, cuda:1 or mps; unset: the first GPU, or the CPU."""
    allow_import: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Code that may be imported though a file names it, such as the encoder of a run: package.module:Object; one each time."""  # noqa: E501


@dataclass(frozen=True, kw_only=True)
class Start:
    """How the words after a command's name are read."""

    rest: list[str]
    """Words for the parser of arguments."""
    default: Any = None
    """The arguments where nothing is set; None: those of the class."""
    name: str = ""
    """What stands between the command's name and its flags in messages."""
    more: str = ""
    """Below the short help."""


def plain_start(words: list[str], *, helping: bool) -> Start:
    """All words are arguments.

    >>> plain_start(["RUN", "--json"], helping=False).rest
    ['RUN', '--json']
    """
    del helping
    return Start(rest=words)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of the command line."""

    name: str
    """The word that calls it: the name of its file."""
    group: Group
    """Where the usage lists it."""
    words: str
    """What follows the name, for people: RUN [DATA]."""
    summary: str
    """One line for the usage."""
    arguments: type[Common]
    """Its arguments; their docstrings are the texts of --help-all."""
    run: Callable[[Any, CommandProgress], int]
    """The call: arguments and where to tell progress, to the exit code."""
    shown: tuple[Shown, ...]
    """The settings that people use, as --help shows them."""
    examples: tuple[str, ...]
    """Lines to copy."""
    stopped: str = "Nothing was written."
    """Said after Ctrl-C and SIGTERM."""
    start: Callable[..., Start] = plain_start
    """From words to a `Start`: `start(words, helping=...)`."""

    def __call__(self, words: list[str]) -> int:
        """Parse and run; or show the short help, or (by tyro, which exits) all of it.

        What may be imported is known before anything is parsed: the first word may be a file of settings.
        """
        for path in values_of(FLAG, words):
            allow(path)
        if set(words) & set(HELP):
            start = self.start([word for word in words if word not in HELP], helping=True)
            sys.stdout.write(self.help(start))
            return DONE
        arguments = self.parse(words)
        with CommandProgress.of(quiet=arguments.quiet) as progress:
            return self.run(arguments, progress)

    def help(self, start: Start) -> str:
        """The short help: what people set, with the defaults of this start."""
        text = help_text(
            " ".join(filter(None, ("contrascope", self.name, start.name))),
            words=self.words if not start.name else "",
            about=(self.arguments.__doc__ or "").strip(),
            arguments=self.arguments if start.default is None else start.default,
            shown=self.shown,
            examples=self.examples,
        )
        return f"{text}\n{start.more}" if start.more else text

    def parse(self, words: list[str]) -> Any:
        """The arguments of these words; a wrong one ends with code 2 and the nearest right one."""
        helping = HELP_ALL in words
        start = self.start([word for word in words if word != HELP_ALL], helping=helping)
        return tyro.cli(
            self.arguments,
            args=["--help"] if helping else start.rest,
            default=start.default,
            prog=" ".join(filter(None, ("contrascope", self.name, start.name))),
            config=CONFIG,
        )


def values_of(flag: str, words: Sequence[str]) -> list[str]:
    """What is typed after a flag, each time that it comes; read before the parser knows all flags.

    >>> values_of("--method", ["--method", "moco", "--method.splits", "2", "--method=byol"])
    ['moco', 'byol']
    >>> values_of("--method", [])
    []
    """
    found = []
    for at, word in enumerate(words):
        spelt, equals, value = word.partition("=")
        if spelt.replace("_", "-") == flag:
            found.append(value if equals else "".join(words[at + 1 : at + 2]))
    return found


def find_command(name: str) -> Command | None:
    """The command of this name; only its own file is imported."""
    file = _files().get(name)
    return None if file is None else _command(file)


def all_commands() -> dict[str, Command]:
    """Every command by name.

    >>> {"train", "evaluate", "diagnose", "geometry"} <= set(all_commands())
    True
    """
    found = {name: _command(file) for name, file in sorted(_files().items())}
    return {name: command for name, command in found.items() if command is not None}


def _files() -> dict[str, str]:
    """Name to module of every file that may be a command: of this room and of its parts."""
    found = {}
    for part in ("", *PARTS):
        package = importlib.import_module(f"{contrascope.commands.__name__}{part}")
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            found[info.name.rpartition(".")[2]] = info.name
    return found


def _command(file: str) -> Command | None:
    found = vars(importlib.import_module(file)).get("COMMAND")
    return found if isinstance(found, Command) else None
