"""SupCon: labels in the step, the marks of a supervised method, and several processes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from method_cases import PROJECTOR, SmallEncoder, clustered_views

import contrascope
from contrascope import distributed
from contrascope.commands.train import recipe_lines
from contrascope.errors import InputError
from contrascope.losses.sup_con import sup_con
from contrascope.methods.build import build_method
from contrascope.methods.joint.sup_con_settings import SupervisedContrastSettings
from contrascope.methods.settings import discover
from contrascope.methods.views import ViewBatch
from contrascope.reports.card import SUPERVISED
from contrascope.runs.recipes import RECIPES

LABELS = torch.arange(16) % 4


def method_of(**changes):
    torch.manual_seed(0)
    return build_method(replace(SupervisedContrastSettings(projector=PROJECTOR), **changes), SmallEncoder())


def batch(views, labels=LABELS):
    return ViewBatch(groups=(views,), ids=torch.arange(views.shape[1]), labels=labels)


def test_its_step_is_the_loss_of_projector_outputs_and_labels():
    method, views = method_of(temperature=0.4).eval(), clustered_views(views=3)
    z = torch.stack([method.projector(method.encoder(view)) for view in views])
    expected = sup_con(z, LABELS, temperature=0.4)
    found = method(batch(views)).terms
    torch.testing.assert_close(found.align, expected.align)
    torch.testing.assert_close(found.spread, expected.spread)
    assert method(batch(views, LABELS.flip(0) // 2)).terms.total.item() != pytest.approx(
        expected.total.item()
    )


def test_it_asks_for_labels_and_says_what_to_name_where_there_are_none():
    method = method_of()
    assert method.plan(2).labels
    assert method.plan(3).groups[0].count == 3
    with pytest.raises(InputError, match=r"learns from labels and the images have none; .* data.labels"):
        method(clustered_views())


def test_accumulation_is_refused_for_images_meet():
    assert "compares the images" in method_of().eval().accumulation_problem()


def test_it_alone_is_marked_as_supervised_in_the_list_of_recipes():
    assert [name for name, info in discover().items() if info.supervised] == ["sup_con"]
    marked = {name for name, recipe in RECIPES.items() if "supervised" in recipe.summary}
    assert marked == {name for name in RECIPES if "-sup-con" in name}
    assert " sup-con (supervised)" in " ".join(" ".join(recipe_lines()).split())
    for info in discover().values():  # what runs, comparisons and cards show of a run
        assert info.settings.kind_name().startswith(SUPERVISED) == info.supervised
    assert RECIPES["cifar10-sup-con-cpu"].make().data.labels == "label"


def gradients():
    method, views = method_of().double(), clustered_views(dtype=torch.float64)
    rank, world = distributed.rank(), distributed.world_size()
    labels = torch.tensor([0, 0, 1, 2, 1, 1, 0, 2, 2, 1, 0, 0, 1, 2, 2, 0])  # not the same on both
    method(batch(views.chunk(world, dim=1)[rank], labels.chunk(world)[rank])).terms.total.backward()
    distributed.average_gradients(method.parameters())
    return {name: p.grad.numpy() for name, p in method.named_parameters()}


def process(rank, folder):
    torch.set_num_threads(1)
    store = (Path(folder) / "store").as_uri()
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    np.savez(Path(folder) / f"rank{rank}.npz", **gradients())
    dist.destroy_process_group()


def test_two_processes_give_the_gradient_of_one(tmp_path):
    path = os.pathsep.join([str(Path(contrascope.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, __file__, str(tmp_path)], env=env, timeout=240, check=True)
    expected = gradients()
    for rank in range(2):
        found = dict(np.load(tmp_path / f"rank{rank}.npz"))
        for name, value in expected.items():
            assert np.abs(found[name] - value).max() < 1e-10 * max(1, np.abs(value).max()), name


if __name__ == "__main__":
    mp.spawn(process, args=(sys.argv[1],), nprocs=2)
