"""Every Python block of docs/your-trainer.md runs, in its order, in one namespace."""

import re
from pathlib import Path

import pytest
import torch

import contrascope

pytestmark = pytest.mark.filterwarnings("ignore")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "your-trainer.md"


def test_every_block_of_the_page_runs(tmp_path, monkeypatch, torchvision_operators, capsys):
    for name in ("lightning.pytorch", "transformers"):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    first, *blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 4
    names = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    exec(compile(first, str(PAGE), "exec"), {**names, "views": names["augment"](names["images"]), "step": 16})
    said = capsys.readouterr()
    assert "this measurement failed" not in said.err
    steps = [row["contrascope/step"] for row in names["history"]]
    assert steps == 2 * [4, 8, 12, 16, 20, 24, 28, 32]
    assert names["history"][7]["contrascope/learning"] == "learning"
    assert names["monitor"].best in steps[2:]
    assert list(Path("lightning").glob("*.ckpt"))
    assert names["trainer"].state.best_metric > -14
    assert re.search(r"^learning 16$", said.out, flags=re.MULTILINE)
    assert "</html>" in contrascope.report("runs/theirs").read_text()
