import copy

import pytest
import torch
from method_cases import clustered_views, small_method

from contrascope.distributed import assert_equal
from contrascope.machine.constants import constant
from contrascope.methods.host_value import HostValue, rounded


def test_what_somebody_else_wrote_is_read_again():
    buffer, value = torch.zeros((), dtype=torch.int64), HostValue()
    value.set(buffer, 4)
    buffer += 1
    assert value.get(buffer) == 5
    assert value.get(torch.tensor(9)) == 9
    assert value.get(buffer) == 5


def test_a_number_is_as_the_buffer_rounds_it():
    buffer, value = torch.zeros((), dtype=torch.float32), HostValue()
    value.set(buffer, 0.7)
    assert value.get(buffer) == buffer.item() != 0.7
    assert rounded(0.1, torch.bfloat16) == torch.tensor(0.1, dtype=torch.bfloat16).item()
    assert rounded(0.1, torch.float64) == 0.1


@pytest.mark.parametrize("name", ["moco", "w_mse"])
def test_a_method_that_is_loaded_or_copied_goes_on_from_its_own_steps(name):
    method, other = small_method(name), small_method(name)
    for _ in range(3):
        method(clustered_views(batch=32))
        method.after_step(0.5)
    other.load_state_dict(method.state_dict())
    copied = copy.deepcopy(method)
    method.after_step(0.6)
    for one in (other, copied):
        assert one.steps.item() == 3
        one.after_step(0.6)
        assert one.steps.item() == 4 == method.steps.item()


def test_processes_with_other_numbers_of_images_are_stopped_where_the_numbers_are():
    assert_equal(torch.tensor([8, 8]), 8)
    with pytest.raises(RuntimeError, match="different numbers of images, 8 here"):
        assert_equal(torch.tensor([8, 9]), 8)


def test_a_constant_is_sent_once_and_made_anew_on_the_cpu():
    meta, cpu = torch.device("meta"), torch.device("cpu")
    assert constant([[1, 2], [3, 4]], device=meta) is constant(((1, 2), (3, 4)), device=meta)
    first = constant([1.0], device=cpu)
    first += 1
    assert constant([1.0], device=cpu).item() == 1.0
