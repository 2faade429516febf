"""Ways in which a file may be other than its writer left it: seeded, so that every one can be made again.

A mutation is named by file and number. Files of JSON are changed as trees (a value of another type anywhere, a key that
is missing, lists of other lengths), as text (words of JSON that no tree has) and as files (a folder or a pipe in their
place); files of tensors as bytes, in their header and as files.
"""

import contextlib
import copy
import json
import os
import random
import shutil
import socket
import struct

SPARSE = 600 << 20
"""Bytes of a file that has no content."""
RAW = {
    "§nan": "NaN",
    "§inf": "Infinity",
    "§minus": "-Infinity",
    "§over": "1e999",
    "§long": "9" * 5000,
    "§deep": "[" * 5000 + "]" * 5000,
    "§deeper": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "§100": "[" * 100 + "]" * 100,
    "§surrogate": '"\\ud800 x"',
    "§zero": '"a\\u0000b"',
    "§escape": '"\\u001b[2J\\u202e<b>"',
}
"""Words of JSON that Python's writer does not make."""
VALUES = (
    *(None, True, False, 0, 1, -1, -7, 0.5, -0.0, 10**9, 2**31, 2**63, 10**30, 10**400, 1e308),
    *("", "3", "nan", "x", "x" * 200_000, "../../etc/passwd", "os:system"),
    *([], {}, [[]], [None], {"a": {"b": [1]}}, ["3"], [0] * 1000, {"kind": "x"}, {"value": None}),
    *RAW,
)
HEADS = (("format", 2), ("format", 10**30), ("format", "1"), ("format", -1), ("format", 0), ("format", None))


def places(tree, path=()):
    """Every path of a tree, its root excepted."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def written(tree):
    """JSON with the raw words put in."""
    text = json.dumps(tree, ensure_ascii=False)
    for word, raw in RAW.items():
        text = text.replace(f'"{word}"', raw)
    return text


def of_tree(tree, draw):
    """The text of a changed tree, and how it was changed."""
    tree = copy.deepcopy(tree)
    known = list(places(tree))
    if isinstance(tree, dict) and draw.random() < 0.1:
        key, value = draw.choice(HEADS)
        return written({**tree, key: value}), f"{key} = {value!r:.40}"
    if not known or draw.random() < 0.08:
        value = draw.choice(VALUES)
        return written(value), f"whole = {value!r:.40}"
    depth = draw.randint(1, max(map(len, known)))  # as often near the root as at the leaves
    path = draw.choice([one for one in known if len(one) == depth])
    holder, key = at(tree, path[:-1]), path[-1]
    how = draw.choice(("value", "value", "value", "delete", "length", "twice", "number", "key"))
    said = f"{how} {'.'.join(map(str, path))}"
    if how == "delete":
        del holder[key]
    elif how == "length" and isinstance(holder[key], list) and holder[key]:
        now = draw.choice(([], holder[key][:-1], holder[key] * 2, holder[key][:1], [*holder[key], None]))
        said += f" {len(holder[key])} -> {len(now)}"
        holder[key] = now
    elif how == "twice" and isinstance(holder, dict):
        value = draw.choice(VALUES)
        text = written(tree)
        pair = f"{json.dumps(key, ensure_ascii=False)}: {written(holder[key])}"
        return text.replace(
            pair, f"{pair}, {json.dumps(key)}: {written(value)}", 1
        ), f"{said} = {value!r:.40}"
    elif how == "number" and isinstance(holder[key], (int, float)):
        holder[key] = draw.choice(
            (str(holder[key]), -holder[key] - 1, holder[key] * 1000 + 0.5, [holder[key]])
        )
        said += f" = {holder[key]!r}"
    elif how == "key" and isinstance(holder, dict):
        holder[draw.choice(("", "unknown", "\u202e", "a.b", "x" * 300, "__class__"))] = holder.pop(key)
    else:
        holder[key] = draw.choice(VALUES)
        said += f" = {holder[key]!r:.40}"
    return written(tree), said


def of_bytes(content, draw):
    """Changed bytes, and how they were changed."""
    how = draw.choice(("flip", "flip", "cut", "empty", "longer", "zeros", "mark", "wide", "foreign", "noise"))
    place = draw.randrange(max(1, len(content)))
    if how == "flip" and content:
        bit = draw.randrange(8)
        return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[
            place + 1 :
        ], f"flip {place}.{bit}"
    if how == "wide":
        return content.decode("utf-8", "replace").encode("utf-16"), how
    now = {
        "cut": content[:place],
        "longer": content + content[: place + 1],
        "zeros": content[:place] + bytes(9) + content[place + 9 :],
        "mark": b"\xef\xbb\xbf" + content,
        "foreign": content[:place] + b"\xe9\xff" + content[place:],
        "noise": draw.randbytes(200),
    }
    return now.get(how, b""), f"{how} {place}"


def of_header(content, draw):
    """A file of safetensors whose header says something else."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    how = draw.choice(("tree", "tree", "length", "swap", "type", "shape"))
    names = [name for name in header if name != "__metadata__"]
    if how == "length":
        told = draw.choice((0, 1, length - 1, length + 8, 2**32, 2**63, 2**64 - 1))
        return struct.pack("<Q", told) + content[8:], f"header length {told}"
    if how == "swap" and len(names) > 1:
        one, other = draw.sample(names, 2)
        header[one], header[other] = header[other], header[one]
    elif how == "type":
        header[draw.choice(names)]["dtype"] = draw.choice(("I32", "F64", "BF16", "BOOL", "X"))
    elif how == "shape":
        one = header[draw.choice(names)]
        one["shape"] = draw.choice((one["shape"][::-1], [2**40, 2**40], [], [0], [-1]))
    text = of_tree(header, draw)[0] if how == "tree" else json.dumps(header)
    inner = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(inner)) + inner + content[8 + length :], f"header {how}"


def of_file(path, draw):
    """Something else in the place of a file."""
    how = draw.choice(("folder", "pipe", "device", "circle", "socket", "sparse"))
    content = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
        (path / "x").write_text("x")
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "device":
        path.symlink_to("/dev/zero")
    elif how == "circle":
        path.symlink_to(path)
    elif how == "socket":
        here, name = os.getcwd(), path.name  # a socket's path is short
        os.chdir(path.parent)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as one:
            one.bind(name)
        os.chdir(here)
    else:
        path.write_bytes(content)
        os.truncate(path, SPARSE)
    return how


def damage(path, number):
    """Changes a file by the mutation of this number; returns what was done."""
    draw = random.Random(f"{path.name} {number}")
    chance, content = draw.random(), path.read_bytes()
    if chance < 0.12:
        return of_file(path, draw)
    if path.suffix == ".safetensors" and chance < 0.45:
        now, said = of_header(content, draw)
    elif path.suffix == ".json" and chance < 0.8:
        now, said = of_tree(json.loads(content), draw)
    elif path.suffix == ".jsonl" and chance < 0.8:
        lines = content.decode().splitlines()
        place = draw.randrange(len(lines))
        lines[place], said = of_tree(json.loads(lines[place]), draw)
        now, said = "\n".join(lines), f"line {place + 1}: {said}"
    else:
        now, said = of_bytes(content, draw)
    path.write_bytes(now if isinstance(now, bytes) else now.encode("utf-8", "surrogatepass"))
    return said


def copied(folder, place):
    """A fresh copy of the folder of specimens."""
    shutil.rmtree(place, ignore_errors=True)
    return shutil.copytree(folder, place, symlinks=True)
