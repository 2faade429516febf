"""What is said of a folder before work begins: how many pictures, how large, which classes, what is not read."""

from collections.abc import Sequence

from contrascope.data.convert import BadPixelsError
from contrascope.data.folders.names import counted, listed, shown_name
from contrascope.data.folders.reading import FolderReading
from contrascope.data.folders.tree import FolderTree
from contrascope.data.imageset import ImageSet
from contrascope.data.source import AbstractSource

LINKS = 20
"""Links that have a line each."""
LOOK_AT = 200
"""Pictures, evenly spaced, whose sizes are looked at."""


def summary_of(
    images: ImageSet, tree: FolderTree, reading: FolderReading, source: AbstractSource, size: int | None
) -> tuple[str, ...]:
    """The lines that say how a folder was read: first what is opened, then what is not, or is so in another way."""
    read_at = "read as they are" if size is None else f"read at {size} px"
    parts = [counted(len(images), "picture"), _sizes(source), read_at]
    first = f"{tree.root}: {', '.join(part for part in parts if part)}; {_classes(images)}"
    return tuple(shown_name(f"{line}.") for line in (first, *reading.told, *_of_tree(tree)))


def _sizes(source: AbstractSource) -> str:
    rows = range(0, len(source), -(-len(source) // LOOK_AT))
    found: list[tuple[int, int]] = []
    for row in rows:
        try:
            _, height, width = source.peek(row)
        except BadPixelsError:
            continue
        found.append((width, height))
    if not found:
        return ""
    least, most = (pick(found, key=lambda one: (one[0] * one[1], one)) for pick in (min, max))
    words = _side(most) if least == most else f"{_side(least)} to {_side(most)}"
    return words if len(rows) == len(source) else f"{words} (of {len(rows)} looked at)"


def _side(size: tuple[int, int]) -> str:
    return f"{size[0]:,} x {size[1]:,}"


def _classes(images: ImageSet) -> str:
    said = []
    for column, names in images.class_names.items():
        of = "" if column == images.label_column == "label" else f" of {column}"
        said.append(f"{counted(len(names), 'class', 'es')}{of}: {listed(names)}")
    return "; ".join(said) or "no labels"


def _of_tree(tree: FolderTree) -> list[str]:
    said = _first([f"link followed: {name} -> {target}" for name, target in tree.links.items()])
    said += _first(
        [
            f"link not followed: {name} leads to {real or '.'}, which is read already"
            for name, real in tree.twins.items()
        ]
    )
    if tree.loops:
        said.append(f"links to a folder that they lie in are not followed: {listed(tree.loops)}")
    if tree.ignored:
        said.append(f"ignored, hidden or kept by a system: {counted(tree.ignored, 'picture')}")
    if tree.others:
        said.append(f"files that are no pictures: {_kinds(tree.others)}")
    if tree.empty:
        said.append(f"folders without pictures: {listed(tree.empty)}")
    return said


def _first(lines: list[str]) -> list[str]:
    """The first lines of many alike, and how many more there are."""
    more = len(lines) - LINKS
    return lines if more <= 0 else [*lines[:LINKS], f"and {more:,} more such links"]


def _kinds(others: dict[str, int]) -> str:
    return listed([f"{count:,} {kind or 'without an ending'}" for kind, count in others.items()])


def no_pictures(tree: FolderTree, split: str) -> str:
    """Why a folder gives no set: what was expected, and what is there instead."""
    there: Sequence[str] = _of_tree(tree)
    found = f" Found: {'; '.join(there)}." if there else ""
    return shown_name(
        f"{tree.root} holds no pictures (split {split!r}); expected files such as .png or .jpg, flat or in one "
        f"sub-folder per class, or Parquet files. Check data.source.{found}"
    )
