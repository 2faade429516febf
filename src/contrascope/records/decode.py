"""From the bytes of a file of JSON to values: what no writer of ours makes is refused, or read as null.

Refused are text that is no UTF-8 (a byte order mark is passed over), a key that stands twice, and nesting beyond
`DEEPEST`. Null are NaN, infinities and whole numbers beyond 64 bits. Lone surrogates and NUL, which no text and no name
of a file has, become U+FFFD.
"""

import json
import math
import re
from typing import Any

DEEPEST = 64
"""Levels of nesting beyond which a file is no record."""
LOWEST, HIGHEST = -(2**63), 2**64 - 1
"""The whole numbers that are read."""
_DIGITS = 20
_DEEP = f"it nests deeper than {DEEPEST} levels"
_ESCAPED = re.compile(r"\\u(?:d[89a-f]|0000)", re.IGNORECASE)
_NO_TEXT = re.compile(
    "[\0\ud800-\udc7f\udd00-\udfff]"
)  # between those, bytes of file names that are no UTF-8


def decoded(content: bytes) -> Any:
    """The values of JSON; raises `ValueError` with the reason, to be read after "is damaged".

    >>> decoded(b'{"a": [1, NaN, 1e999, 123456789012345678901234567890]}')
    {'a': [1, None, None, None]}
    >>> decoded(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: it names 'a' twice
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8 text") from None
    try:
        tree = json.loads(
            text,
            parse_constant=lambda _: None,
            parse_float=_fraction,
            parse_int=_whole,
            object_pairs_hook=_once,
        )
    except RecursionError:
        raise ValueError(_DEEP) from None
    if _deeper(tree, DEEPEST):
        raise ValueError(_DEEP)
    return _as_text(tree) if _ESCAPED.search(text) else tree


def _fraction(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _whole(digits: str) -> int | None:
    if len(digits) > _DIGITS + 1:
        return None
    value = int(digits)
    return value if LOWEST <= value <= HIGHEST else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in pairs:
        if name in found:
            raise ValueError(f"it names {name[:40]!r} twice")
        found[name] = item
    return found


def _as_text(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {_NO_TEXT.sub("\ufffd", key): _as_text(item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [_as_text(item) for item in tree]
    return _NO_TEXT.sub("\ufffd", tree) if isinstance(tree, str) else tree


def _deeper(tree: Any, most: int) -> bool:
    """Whether a tree has more levels than that, found level by level and not by recursion."""
    level = [tree]
    for _ in range(most):
        level = [
            item
            for one in level
            for item in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True
