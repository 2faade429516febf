"""Every Python block of docs/your-trainer.md runs, in its order, in one namespace."""

import re
from pathlib import Path

import pytest
import torch

import contrascope

pytestmark = pytest.mark.filterwarnings("ignore")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "your-trainer.md"


@pytest.mark.slow
def test_every_block_of_the_page_runs(tmp_path, monkeypatch, torchvision_operators, capsys):
    for name in ("lightning.pytorch", "transformers", "sentence_transformers", "lightly", "timm"):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    first, *blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 7
    names, after = {"__name__": "page"}, []
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
        after.append(dict(names))
    loop, _, _, of_transformers, sentences, of_lightly, of_timm = after
    exec(compile(first, str(PAGE), "exec"), {**loop, "views": names["augment"](names["images"]), "step": 16})
    said = capsys.readouterr()
    assert "this measurement failed" not in said.err
    steps = [row["contrascope/step"] for row in names["history"]]
    assert steps == 2 * [4, 8, 12, 16, 20, 24, 28, 32]
    assert names["history"][7]["contrascope/learning"] == "learning"
    assert loop["monitor"].best in steps[2:]
    assert of_transformers["trainer"].state.best_metric > -14
    assert sentences["trainer"].state.best_global_step == sentences["evaluator"].monitor.best
    assert [row["contrascope/step"] for row in of_lightly["monitor"].history] == [3, 6]
    assert {"contrascope/h/rank", "contrascope/z/rank"} <= of_lightly["monitor"].history[0].keys()
    assert (len(of_timm["monitor"].history), Path("last.pth.tar").exists()) == (1, True)
    assert list(Path("lightning").glob("*.ckpt"))
    assert re.search(r"^learning 16$", said.out, flags=re.MULTILINE)
    assert "</html>" in contrascope.report("runs/theirs").read_text()
