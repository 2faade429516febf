"""Every sentence that an answer may hold, read from the sources: its constant parts, between the numbers."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "contrascope"
NAMES = ("reason", "cause", "next", "sentence", "evidence")
"""Keywords, and beginnings of variables, that hold what is said."""
LEAST = 4
"""Letters of a part that is worth looking for."""


def sources():
    """Where answers, causes and advice are worded."""
    yield from sorted((PACKAGE / "diagnosis").glob("*.py"))
    yield from sorted((PACKAGE / "diagnosis" / "checks").glob("*.py"))
    yield PACKAGE / "evaluation" / "few" / "words.py"
    yield PACKAGE / "methods" / "hints.py"
    yield from sorted((PACKAGE / "methods").glob("*/*_settings.py"))


def parts(node):
    """Constant parts of every string below a node; the parts of one f-string stand together in a list."""
    if isinstance(node, ast.Constant):
        return [[node.value]] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        pieces = [one.value for one in node.values if isinstance(one, ast.Constant)]
        inner = [
            one
            for value in node.values
            if isinstance(value, ast.FormattedValue)
            for one in parts(value.value)
        ]
        return [pieces, *inner]
    if isinstance(node, ast.Raise | ast.Compare | ast.Subscript):
        return []
    return [one for child in ast.iter_child_nodes(node) for one in parts(child)]


def spoken(path):
    """What a file says, by the line where it stands."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        value = None
        if isinstance(node, ast.keyword) and node.arg in NAMES:
            value = node.value
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id.rstrip("_") in (
                *NAMES,
                "usual",
                "beside",
                "said",
                "what",
            ):
                value = node.value
        elif isinstance(node, ast.Return | ast.Yield) and node.value is not None and path.stem in WORDING:
            value = node.value
        if value is not None:
            found.setdefault(value.lineno, []).extend(parts(value))
    return found


WORDING = ("causes", "learning", "collapse", "words")
"""Files whose returned strings are sentences too."""


def fragments():
    """(file, line, fragment) of everything that is said."""
    for path in sources():
        for line, found in sorted(spoken(path).items()):
            for pieces in found:
                for piece in pieces:
                    if len(piece.strip(" .,:;()")) >= LEAST and "_views" not in piece:
                        yield path.relative_to(PACKAGE).as_posix(), line, piece
