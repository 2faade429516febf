import pytest
import torch

from contrascope.errors import InputError
from contrascope.features.features import Features


def features(**changes):
    h = torch.arange(12.0).view(2, 3, 2)
    given = {"h": h, "z": h[:, :, :1], "y": {"a": torch.tensor([0, 1, 0]), "b": torch.tensor([2, 2, 2])}}
    return Features(**{**given, "ids": torch.tensor([5, 6, 7]), **changes})


def test_features_know_their_sizes_and_primary_labels():
    value = features()
    assert (len(value), value.num_views, value.primary) == (3, 2, "a")
    assert value.labels("b").tolist() == [2, 2, 2]
    assert value.labels().tolist() == [0, 1, 0]
    assert torch.equal(value.output("z"), value.h[:, :, :1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": {"a": torch.tensor([0, 1])}}, r"y\['a'\] has shape \(2,\), but h has 3 images"),
        ({"ids": torch.arange(4)}, r"ids has shape \(4,\), but h has 3 images"),
        ({"y": {"a": torch.tensor([0.0, 1.0, 0.0])}}, "labels and ids are integers"),
        ({"h": torch.ones(3)}, r"h has shape \(3,\); expected three axes"),
        ({"h": torch.ones(3, 2)}, r"write h\[None\]"),
        ({"h": torch.ones(2, 0, 2)}, "h is empty"),
        ({"h": torch.ones(2, 3, 2, dtype=torch.int64)}, "call .float"),
        ({"z": torch.ones(1, 3, 2)}, r"z has \(views, n\) = \(1, 3\) and h has \(2, 3\)"),
    ],
)
def test_features_refuse(changes, message):
    with pytest.raises(InputError, match=message):
        features(**changes)


def test_a_non_finite_value_is_found_by_view_and_row():
    h = torch.ones(2, 3, 2)
    h[1, 2, 0] = float("nan")
    with pytest.raises(InputError, match=r"h\[1\]: row 2 holds a non-finite value \(1 of 3 rows do\)"):
        features(h=h)


def test_missing_labels_and_outputs_are_named():
    with pytest.raises(InputError, match="no label column 'c'"):
        features().labels("c")
    with pytest.raises(InputError, match="carry no labels"):
        features(y={}).labels()
    with pytest.raises(InputError, match="these features have no z"):
        features(z=None).output("z")
