import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for report_records

from report_records import write_run


@pytest.fixture
def make_run(tmp_path):
    """A folder with the records of a run; a record given as None is left out, one given as text is written so."""

    def make(name="run", **changed):
        return write_run(tmp_path / name, **changed)

    return make
