import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for advise_cases

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def real():
    def path(name):
        folder = REAL / name
        if not folder.is_dir():
            pytest.skip(f"the real image set {name} is not at {folder}")
        return str(folder)

    return path
