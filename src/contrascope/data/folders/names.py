"""Names of files as text, whatever bytes they are made of, and how many there are of a thing."""

from collections.abc import Iterable

FIRST_BYTE, LAST_BYTE, SURROGATES = 0xDC80, 0xDCFF, range(0xD800, 0xE000)
NAMED = 8
"""Names that a sentence lists."""


def text_name(name: str) -> str:
    r"""A file's name as valid text: a byte that is no UTF-8 is written as four signs, all else stays.

    >>> text_name("caf\udce9.png"), text_name("café.png")
    ('caf\\xe9.png', 'café.png')
    """
    if name.isascii():
        return name
    return "".join(_escaped(ord(sign)) if ord(sign) in SURROGATES else sign for sign in name)


def shown_name(name: str) -> str:
    r"""A file's name in a message: on one line, and nothing in it that a terminal would act on.

    >>> print(shown_name("two\nlines.png"), shown_name("\x1b[31mred.png"))
    two\nlines.png \x1b[31mred.png
    """
    text = text_name(name)
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _escaped(code: int) -> str:
    return f"\\x{code - 0xDC00:02x}" if FIRST_BYTE <= code <= LAST_BYTE else f"\\u{code:04x}"


def counted(count: int, noun: str, more: str = "s") -> str:
    """A number with its noun.

    >>> counted(1, "picture"), counted(1400, "class", "es")
    ('1 picture', '1,400 classes')
    """
    return f"{count:,} {noun}{more if count != 1 else ''}"


def listed(names: Iterable[str], most: int = NAMED) -> str:
    """The first names of many, as a sentence has them.

    >>> listed(["b", "a", "c"], 2)
    'b, a and 1 more'
    """
    every = list(names)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return f"{', '.join(shown_name(name) for name in every[:most])}{more}"
