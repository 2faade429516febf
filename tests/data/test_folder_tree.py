"""A folder is walked once: every picture once, no endless walk, and what is passed over is counted."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrascope.data.folders import tree as tree_module
from contrascope.data.folders.names import shown_name, text_name
from contrascope.data.folders.tree import is_ignored, read_tree
from contrascope.errors import InputError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    "name",
    ["a.png", "a.PNG", "IMG_1.JpEg", "scan.TIF", "x.webp", "two.dots.bmp", "été.jpg", "空.png", " .png"],
)
def test_a_picture_is_known_by_its_ending_in_any_capitals(tmp_path, name):
    assert read_tree(touch(tmp_path, name)).pictures == (name,)


@pytest.mark.parametrize(
    "name", ["a.txt", "a", "png", "a.png.part", "movie.mpg", "page.pdf", "a.heic", "x.eps"]
)
def test_other_files_are_counted_by_their_ending(tmp_path, name):
    found = read_tree(touch(tmp_path, name, "b.png"))
    assert found.pictures == ("b.png",)
    assert found.others == {os.path.splitext(name)[1]: 1}


@pytest.mark.parametrize(
    "place",
    [
        ".thumbs/a.png",
        "__MACOSX/cat/._a.png",
        "cat/@eaDir/a.jpg",
        "$RECYCLE.BIN/a.png",
        "cat/.a.png",
        "#recycle/x/a.gif",
    ],
)
def test_what_systems_keep_is_ignored_and_counted_if_it_is_a_picture(tmp_path, place):
    found = read_tree(touch(tmp_path, place, "cat/1.png", "cat/Thumbs.db", ".DS_Store", "desktop.ini"))
    assert (found.pictures, found.ignored, found.others) == (("cat/1.png",), 1, {})


@pytest.mark.parametrize("name", ["cat", "_cat", "MACOSX", "thumbs", "eaDir", "lost"])
def test_ordinary_names_are_not_ignored(name):
    assert not is_ignored(name)


def test_files_come_in_the_order_of_their_parts(tmp_path):
    touch(tmp_path, "a/b.png", "a.png", "a-b/c.png", "B.png", "a/b/c.png")
    assert read_tree(tmp_path).pictures == ("B.png", "a/b/c.png", "a/b.png", "a-b/c.png", "a.png")


def test_links_to_folders_are_followed_and_listed(tmp_path):
    root = touch(tmp_path / "root", "cat/1.png")
    outside = touch(tmp_path / "outside", "2.png", "deep/3.png")
    (root / "dog").symlink_to(outside)
    found = read_tree(root)
    assert found.pictures == ("cat/1.png", "dog/2.png", "dog/deep/3.png")
    assert found.links == {"dog": str(outside.resolve())}


def test_the_folder_itself_may_be_hidden_or_a_link(tmp_path):
    touch(tmp_path / ".photos", "cat/1.png", "2.png")
    (tmp_path / "link").symlink_to(".photos")
    for root in (tmp_path / ".photos", tmp_path / "link"):
        assert read_tree(root).pictures == ("2.png", "cat/1.png")


@pytest.mark.parametrize("target", [".", "..", "../..", "cat", "cat/deep"])
def test_links_to_what_is_read_already_or_lies_above_end(tmp_path, target):
    root = touch(tmp_path / "up" / "root", "cat/1.png", "cat/deep/2.png")
    (root / "cat" / "deep" / "again").symlink_to(os.path.abspath(root / target))
    found = read_tree(root)
    assert found.pictures == ("cat/1.png", "cat/deep/2.png")
    assert found.loops == ("cat/deep/again",)


def test_a_linked_folder_that_leads_back_above_itself_ends(tmp_path):
    root = touch(tmp_path / "root", "1.png")
    far = touch(tmp_path / "elsewhere" / "far", "2.png")
    touch(tmp_path / "elsewhere", "private.png")
    (root / "far").symlink_to(far)
    (far / "up").symlink_to(tmp_path / "elsewhere")
    found = read_tree(root)
    assert found.pictures == ("1.png", "far/2.png")
    assert found.loops == ("far/up",)


def test_links_that_double_in_every_folder_are_walked_in_linear_time(tmp_path):
    for place in range(40):  # 2 ** 40 paths
        touch(tmp_path / f"d{place}", "1.png")
        for name in ("l", "r"):
            (tmp_path / f"d{place}" / name).symlink_to(tmp_path / f"d{place + 1}")
    touch(tmp_path / "d40", "1.png")
    found = read_tree(tmp_path / "d0")
    assert len(found.pictures) == 41
    assert len(found.links) == 40
    assert len(found.twins) == 40


def test_a_broken_link_is_a_picture_that_cannot_be_read_and_a_pipe_is_none(tmp_path):
    touch(tmp_path, "1.png")
    (tmp_path / "2.png").symlink_to("nowhere.png")
    (tmp_path / "3.png").symlink_to("3.png")
    os.mkfifo(tmp_path / "4.png")
    assert read_tree(tmp_path).pictures == ("1.png", "2.png", "3.png")


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "cat/1.png", "secret/2.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(tree_module.os, "scandir", refuse)
    with pytest.raises(InputError, match=r"secret cannot be opened \(Permission denied\)"):
        read_tree(tmp_path)


NAME = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: not is_ignored(name) and len(name.encode()) < 200)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(links=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=12))
def test_any_links_among_folders_give_every_reachable_picture_once(tmp_path_factory, links):
    """Folders 0 to 5 lie in the root, each in the one before; 6 to 8 are elsewhere, beside each other."""
    base = tmp_path_factory.mktemp("links").resolve()
    folders = [base / "root" / "/".join(f"f{i}" for i in range(k + 1)) for k in range(6)]
    folders += [base / f"out{k}" for k in (6, 7, 8)]
    for place, folder in enumerate(folders):
        touch(folder, f"{place}.png")
    for number, (home, target) in enumerate(links):
        (folders[home] / f"link{number}").symlink_to(folders[target])
    found = read_tree(base / "root")
    reached = {6, 7, 8} & {target for _, target in links}
    assert sorted(name.rpartition("/")[2] for name in found.pictures) == sorted(
        f"{place}.png" for place in [0, 1, 2, 3, 4, 5, *reached]
    )
    assert len(found.links) + len(found.twins) + len(found.loops) == len(links)


@settings(max_examples=100, deadline=None)
@given(name=NAME, data=st.binary(min_size=1, max_size=12))
def test_names_of_any_bytes_become_text_and_messages_stay_on_one_line(name, data):
    raw = os.fsdecode(data)
    text_name(raw).encode("utf-8")
    assert text_name(name) == name
    assert shown_name(raw).isprintable() or shown_name(raw) == ""
    assert len(shown_name(raw).splitlines()) <= 1
