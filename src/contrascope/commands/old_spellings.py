"""Command lines of version 0.1 that are spelt otherwise now, with a note; they go in version 0.3."""

import shlex
import sys

from contrascope.errors import InputError

SUITES = {"augmented": "robustness", "transfer": "transfer"}
"""Word of `evaluate --suite` to the command that it became."""
NOW = ("sts", "sentences")
"""Words of `evaluate --suite` that are spelt so today."""
UNTIL = "the old spelling works until version 0.3"


def renewed(words: list[str]) -> list[str]:
    """The words as they are spelt now; a note on stderr where that is another way.

    >>> renewed(["evaluate", "RUN", "digits"])
    ['evaluate', 'RUN', 'digits']
    """
    name, *rest = words
    old, new = name, words
    if name == "diagnose" and "--geometry" in rest:
        old, new = "diagnose --geometry", ["geometry", *_without(rest, {"--geometry"}, ("of-geometry.",))]
    elif name == "evaluate" and any(word.partition("=")[0] == "--suite" for word in rest):
        suite, left = _suite(rest)
        if suite in NOW:
            return words
        old = f"evaluate --suite {suite}"
        if suite == "augmented" and any(word.partition("=")[0] == "--sets" for word in rest):
            raise InputError("--sets belongs to contrascope transfer; robustness takes its images as DATA.")
        new = [SUITES[suite], *_without(left, set(), (f"{suite}.",))]
    if new is not words and not {"-q", "--quiet"} & set(rest):
        sys.stderr.write(f"contrascope: {old!r} is now: contrascope {shlex.join(new)}; {UNTIL}.\n")
    return new


def _suite(words: list[str]) -> tuple[str, list[str]]:
    """The suite that is asked for, and the other words."""
    place = next(at for at, word in enumerate(words) if word.partition("=")[0] == "--suite")
    _, equals, suite = words[place].partition("=")
    end = place + 1
    if not equals:
        suite, end = "".join(words[end : end + 1]), end + 1
    if suite not in SUITES and suite not in NOW:
        raise InputError(
            f"--suite is {suite!r}; expected sts or sentences; of images: contrascope robustness, transfer."
        )
    return suite, [*words[:place], *words[end:]]


def _without(words: list[str], dropped: set[str], prefixes: tuple[str, ...]) -> list[str]:
    """The words without some, and without the prefix that named the settings."""
    kept = []
    for word in words:
        if word in dropped:
            continue
        for prefix in prefixes:
            if word.replace("_", "-").startswith(f"--{prefix}"):
                word = f"--{word[2 + len(prefix) :]}"
        kept.append(word)
    return kept
