"""Which packages the four calls need and this Python lacks, as one JSON line: what to carry as wheels.

    python benchmarks/gpu/packages.py

It imports nothing but Python's own library, so that it runs before anything is installed.
"""

import json
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

TESTS = ("pytest", "hypothesis", "beartype")
"""What the tests with the mark `gpu` need besides."""
OPTIONAL = ("kornia", "lightly", "torchvision", "numba")
"""What `step` compares with; a missing one is a null in its line."""


def required() -> list[str]:
    """The packages of `[project] dependencies`."""
    import tomllib

    told = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    return [re.split(r"[<>=!~ \[]", one, maxsplit=1)[0] for one in told["project"]["dependencies"]]


def main() -> None:
    found: dict[str, str | None] = {}
    for name in (*required(), *TESTS, *OPTIONAL):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    missing = [name for name, held in found.items() if held is None]
    line = {
        "call": "packages",
        "python": platform.python_version(),
        "tag": f"cp{sys.version_info.major}{sys.version_info.minor}",
        "present": {name: held for name, held in found.items() if held},
        "missing": [name for name in missing if name not in OPTIONAL],
        "missing_optional": [name for name in missing if name in OPTIONAL],
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
