import pytest
import torch

from contrascope.encoders.convnet import ConvNet, ConvUnit


def test_a_residual_unit_adds_its_input_before_the_relu():
    unit = ConvUnit(2, 2, residual=True)
    unit.conv.weight.data.zero_()
    maps = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1).expand(2, 2, 3, 3)
    assert torch.equal(unit(maps), maps.relu())


@pytest.mark.parametrize(("size", "side"), [(8, 8), (16, 16), (32, 16), (64, 16), (224, 56)])
def test_the_stem_brings_the_side_to_sixteen_with_a_stride_of_four_at_most(size, side):
    trunk = ConvNet(channels=1, size=size, width=2)
    assert trunk.units[0](torch.zeros(2, 1, size, size)).shape == (2, 2, side, side)


def test_it_learns_a_two_class_problem_in_seconds():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(64) % 2
    images = torch.rand(64, 1, 8, 8, generator=generator)
    images[y == 1] += torch.linspace(0, 1, 8)  # a horizontal ramp
    torch.manual_seed(0)
    trunk, head = ConvNet(channels=1, size=8, width=4), torch.nn.Linear(32, 2)
    optimiser = torch.optim.SGD([*trunk.parameters(), *head.parameters()], lr=0.1, momentum=0.9)
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(head(trunk(images)), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1
