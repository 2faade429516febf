"""What the terminal says of a bound: value, limit and word beside the number of views; pseudo-classes earn none."""

import pytest
import torch

from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.subjects.diagnose import diagnose_anything
from contrascope.terminal.diagnosis import show_diagnosis


def lines(h, labels=None):
    found = diagnose_anything(h, labels=labels, settings=DiagnosisSettings(draws=0))
    return [line for line in show_diagnosis(found, None).splitlines() if "error, " in line or "L_2" in line]


@pytest.fixture(scope="module")
def islands():
    y = torch.arange(300) % 2
    source = torch.Generator().manual_seed(0)
    return torch.eye(2, 6)[y] + 0.02 * torch.randn(3, 300, 6, generator=source), y


def test_every_value_stands_beside_its_number_of_views(islands):
    h, y = islands
    said = lines(h, {"kind": y})
    assert len(said) == 7
    assert all("at 3 views an image" in line for line in said)
    assert any("0 at 3 views an image (informative, <= 0.01977 on new images)" in line for line in said)


def test_no_bound_over_pseudo_classes_is_informative_and_the_line_says_why(islands):
    said = lines(islands[0])
    assert any("(vacuous: circular)" in line for line in said)
    assert not any("informative" in line for line in said)
