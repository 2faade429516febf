import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for report_records

from report_records import (
    advice,
    diagnosis,
    environment,
    evaluation,
    gallery,
    metrics,
    robustness,
    settings,
    transfer,
)


@pytest.fixture
def make_run(tmp_path):
    """A folder with the records of a run; a record given as None is left out, one given as text is written so."""

    def make(name="run", **changed):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        held = {
            "settings": settings(),
            "environment": environment(),
            "evaluation": evaluation(),
            "diagnosis": diagnosis(),
            "gallery": gallery(),
            "evaluation-augmented": robustness(),
            "evaluation-transfer": transfer(),
            "advice": advice(),
        }
        rows = changed.pop("metrics", metrics())
        for key, value in {**held, **changed}.items():
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value)
                (folder / f"{key}.json").write_text(text)
        if rows is not None:
            text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
            (folder / "metrics.jsonl").write_text(text)
        return folder

    return make
