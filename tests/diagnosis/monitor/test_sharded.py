"""FSDP: two processes that hold half of a model each give the row of one that holds it all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sharded_worker
from monitor_cases import plain

import contrascope


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "parts", "older"])
def test_two_processes_with_sharded_parameters_give_the_row_of_one(kind, tmp_path):
    path = os.pathsep.join([str(Path(contrascope.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, sharded_worker.__file__, kind, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        timeout=240,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "are sharded over processes, and one alone cannot gather them" in done.stderr
    both = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    assert both[0] == both[1]
    alone = sharded_worker.measured("plain")
    assert plain(both[0]["row"]) == plain(alone["row"])
    assert both[0]["row"]["contrascope/learning"] == "learning"
    for word in ("kept", "sharded", "whole"):
        assert both[0][word], word
    assert both[0]["alone"] == 0
    assert both[0]["best"] == alone["best"] == 1
    if kind != "older":
        assert both[0]["stop"] is alone["stop"] is True
