"""What the folders of a tree mean: splits, classes, or nothing; two possible meanings are refused, both named."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from contrascope.data.folders.names import counted, listed, shown_name
from contrascope.data.folders.tree import FolderTree
from contrascope.data.settings import DataSettings
from contrascope.data.splits import pick_splits, split_word
from contrascope.errors import InputError, MissingSplitError


@dataclass(frozen=True, kw_only=True)
class FolderLayout:
    """The pictures of the chosen splits, and the class folder of each."""

    pictures: tuple[str, ...]
    """Names below the root, in order."""
    folders: tuple[str | None, ...]
    """The folder below the root, or below its split folder, of each; None: directly in it."""
    vocabulary: tuple[str, ...] = ()
    """Every such folder of every split, sorted."""
    splits: dict[str, str] = field(default_factory=dict)
    """Name of every split folder, and where its pictures lie; empty where no folder is a split."""
    chosen: tuple[str, ...] = ()
    """The splits that are opened."""
    left_out: int = 0
    """Pictures outside of the split folders."""


def read_layout(tree: FolderTree, settings: DataSettings, *, by_table: bool = False) -> FolderLayout:
    """Which pictures the settings ask for, and in which class folder each lies.

    `by_table`: a table beside the pictures names their splits, so that where no folder is one, all are opened here.

    Raises `InputError` where the tree can be read in two ways, `MissingSplitError` for a split that it has not.
    """
    splits = split_folders(tree, settings)
    roots = tuple(splits.values()) or ("",)
    if settings.layout is None:
        _refuse_inner_splits(tree, set(roots))
    chosen = () if by_table and not splits else _chosen(tree, splits, settings)
    where = [splits[name] for name in chosen] if splits else [""]
    pictures = [name for root in dict.fromkeys(where) for name in tree.pictures if _below(name, root)]
    known = {name: _class_folder(name, roots) for name in tree.pictures}
    vocabulary = {folder for name, folder in known.items() if folder is not None and _in_any(name, roots)}
    return FolderLayout(
        pictures=tuple(pictures),
        folders=tuple(known[name] for name in pictures),
        vocabulary=tuple(sorted(vocabulary)),
        splits=splits,
        chosen=chosen,
        left_out=sum(not _in_any(name, roots) for name in tree.pictures),
    )


def split_folders(tree: FolderTree, settings: DataSettings) -> dict[str, str]:
    """Folders that are splits, by name, with where their pictures lie; none if folders are classes."""
    tops = Counter(name.split("/", 1)[0] for name in tree.pictures if "/" in name)
    found = {name: name for name in tops if split_word(name) is not None}
    aliases = {name: real for name, real in tree.twins.items() if "/" not in name and real in found}
    found |= {name: real for name, real in aliases.items() if split_word(name) is not None}
    if settings.layout == "classes":
        return {}
    if settings.layout == "splits" and not found:
        raise InputError(
            f"data.layout is 'splits', and no folder in {tree.shown} is named train, validation or test; its "
            f"folders are {listed(tops) or '(none)'}. Leave data.layout out."
        )
    twice = [word for word, count in Counter(name.casefold() for name in found).items() if count > 1]
    if twice:
        same = [name for name in found if name.casefold() == twice[0]]
        raise InputError(
            f"{tree.shown} has the folders {listed(same)}, which are one split in other capitals. Join them, "
            "or read them as classes with data.layout='classes'."
        )
    strays = [name for name in tops if name not in found]
    loose = sum("/" not in name for name in tree.pictures)
    if not found or settings.layout == "splits" or not (strays or loose):
        return dict(sorted(found.items()))
    if len(found) == 1 and len(strays) > 1 and not loose and not _has_folders(tree, next(iter(found))):
        return {}  # a class that happens to be called train
    _refuse_strays(tree, found, strays, loose)
    return {}


def _refuse_strays(tree: FolderTree, found: Mapping[str, str], strays: list[str], loose: int) -> None:
    inside = sum(_in_any(name, tuple(found.values())) for name in tree.pictures)
    beside = [counted(loose, "picture")] if loose else []
    beside += [f"the folder{'s' * (len(strays) != 1)} {listed(strays)}"] if strays else []
    raise InputError(
        f"{tree.shown} can be read in two ways: {listed(found)} as splits, {counted(inside, 'picture')} without "
        f"{' and '.join(beside)} beside them; or every folder as a class, {counted(len(tree.pictures), 'picture')}. "
        "Choose with data.layout='splits' or data.layout='classes'."
    )


def _refuse_inner_splits(tree: FolderTree, roots: set[str]) -> None:
    """Splits deeper than where splits are looked for: classes that are split, or a folder too many above them."""
    for folder, inner in _children(tree).items():
        words = {split_word(name) for name in inner}
        if folder and folder not in roots and len(words) > 1 and None not in words:
            raise InputError(
                f"{tree.shown} can be read in two ways: {shown_name(folder)} holds the splits {listed(sorted(inner))}, "
                "or all that is below it belongs together. Give the folder that holds the splits as data.source, or "
                "read everything below with data.layout='classes'."
            )


def refuse_wrapper(tree: FolderTree, layout: FolderLayout) -> None:
    """One folder that holds nothing but folders: one class, or a folder too many above the classes."""
    only = layout.vocabulary[0] if len(layout.vocabulary) == 1 and not layout.splits else None
    inner = [] if only is None else sorted(_children(tree).get(only, ()))
    if only is None or len(inner) < 2 or any(name.count("/") == 1 for name in layout.pictures):
        return
    where = shown_name(str(tree.root / only))
    raise InputError(
        f"{tree.shown} can be read in two ways: one class, {shown_name(only)}, of all pictures; or the "
        f"classes {listed(inner)} in {where}. Set data.source to {where}, or take the former with "
        "data.layout='classes'; without labels: data.labels='none'."
    )


def refuse_loose(tree: FolderTree, layout: FolderLayout) -> None:
    """Pictures beside class folders, where nobody said what is meant."""
    loose = [name for name, folder in zip(layout.pictures, layout.folders, strict=True) if folder is None]
    inside = len(layout.pictures) - len(loose)
    raise InputError(
        f"{tree.shown} has class sub-folders and also pictures beside them ({listed(loose, 3)}): read as one set "
        f"without labels, {counted(len(layout.pictures), 'picture')} (data.labels='none'), or as "
        f"{counted(len(layout.vocabulary), 'class', 'es')}, {counted(inside, 'picture')} without those beside "
        "(data.labels='label'). Choose one, or move the pictures into a class folder."
    )


def _chosen(tree: FolderTree, splits: Mapping[str, str], settings: DataSettings) -> tuple[str, ...]:
    if splits:
        name = tree.shown
        if settings.split == "all":
            return tuple(folder for folder, real in splits.items() if folder == real)
        return tuple(pick_splits(settings.split, splits, name=name, by_meaning=True))
    if settings.split not in ("train", "all"):
        raise MissingSplitError(
            f"{tree.shown} has no split {settings.split!r}: its sub-folders are not named train, test or "
            "validation; expected split 'train' or 'all', which open every picture. Sort the pictures into split "
            "folders, or set data.split."
        )
    return ()


def _children(tree: FolderTree) -> dict[str, set[str]]:
    """Folders with pictures directly in every folder."""
    found: dict[str, set[str]] = {}
    for folder in {name.rpartition("/")[0] for name in tree.pictures}:
        while folder:
            above, _, own = folder.rpartition("/")
            found.setdefault(above, set()).add(own)
            folder = above
    return dict(sorted(found.items()))


def _has_folders(tree: FolderTree, folder: str) -> bool:
    return any(_below(name, folder) and name.count("/") > 1 for name in tree.pictures)


def _below(name: str, root: str) -> bool:
    return not root or name.startswith(f"{root}/")


def _in_any(name: str, roots: tuple[str, ...]) -> bool:
    return any(_below(name, root) for root in roots)


def _class_folder(name: str, roots: tuple[str, ...]) -> str | None:
    root = next((root for root in roots if _below(name, root)), "")
    inner = name.removeprefix(f"{root}/") if root else name
    return inner.split("/", 1)[0] if "/" in inner else None
