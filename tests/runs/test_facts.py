import numpy as np
import pytest
import torch
from PIL import Image

from contrascope.data.settings import DataSettings
from contrascope.errors import InputError
from contrascope.machine.arithmetic import multiplies_bf16
from contrascope.runs import here
from contrascope.runs.facts import look, typical_side
from contrascope.runs.here import recipe_here


def draw(folder, name, size):
    folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(len(name)).integers(256, size=(size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(values).save(folder / name)


def test_the_facts_of_a_folder_are_count_channels_and_median_shorter_side(tmp_path):
    for i, size in enumerate([(20, 30), (24, 12), (16, 16)]):
        draw(tmp_path / "a", f"{i}.png", size)
    facts = look(DataSettings(source=str(tmp_path)))
    assert (facts.count, facts.channels, facts.side) == (3, 3, 16)


def test_the_facts_of_drawn_digits():
    facts = look(DataSettings(source="digits"))
    assert (facts.count, facts.channels, facts.side) == (1297, 1, 8)


def test_broken_pictures_are_passed_over_unless_all_are_broken(tmp_path):
    draw(tmp_path, "good.png", (10, 14))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert typical_side(tmp_path) == 10
    (tmp_path / "good.png").unlink()
    with pytest.raises(InputError, match=r"none of the pictures looked at in .* can be read"):
        typical_side(tmp_path)


def test_what_is_no_folder_of_pictures_has_no_typical_side(tmp_path):
    assert typical_side(tmp_path) is None
    assert typical_side(tmp_path / "absent") is None


PROCESSORS = {
    "AMX": ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
    "AMD's vectors": ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}, True),
    "Intel's vectors": ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
    "AVX2": ({"cpu_name": "AMD EPYC", "avx512_bf16": False, "amx_bf16": False}, False),
    "another": ({}, False),
}


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_a_recipe_takes_bf16_only_where_the_device_multiplies_it(monkeypatch, processor, device):
    multiplies_bf16.cache_clear()
    capabilities, here_fast = PROCESSORS[processor]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    fast = device == "cuda" or (device == "cpu" and here_fast)
    try:
        found = recipe_here("cifar10-simclr-cpu", torch.device(device)).training.precision
        looked = look(DataSettings(source="digits"), torch.device(device))
    finally:
        multiplies_bf16.cache_clear()
    assert found == ("bf16" if fast else "float32")
    assert (looked.device, looked.bf16) == (device, fast)


def test_what_was_chosen_in_float32_stays(monkeypatch):
    monkeypatch.setattr(here, "multiplies_bf16", lambda device: True)
    assert recipe_here("digits-simclr").training.precision == "float32"
