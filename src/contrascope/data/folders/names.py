"""Names of files as text: whatever bytes they are made of."""

FIRST_BYTE, LAST_BYTE, SURROGATES = 0xDC80, 0xDCFF, range(0xD800, 0xE000)


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
