from dataclasses import FrozenInstanceError

import pytest

from contrascope.evaluation.scores import Score, table


def test_a_table_is_flat_and_in_order():
    first = Score(name="knn", value=0.5, low=0.4, high=0.6, n=9, output="h", protocol="abc")
    second = Score(
        name="few_labels_1", value=0.2, low=0.1, high=0.3, n=9, output="z", protocol="abc", std=0.05
    )
    rows = table({"encoder": [first, second], "pixels": [first]})
    assert [(row["of"], row["name"]) for row in rows] == [
        ("encoder", "knn"),
        ("encoder", "few_labels_1"),
        ("pixels", "knn"),
    ]
    assert rows[1] == {
        "of": "encoder", "name": "few_labels_1", "value": 0.2, "low": 0.1, "high": 0.3, "n": 9,
        "output": "z", "protocol": "abc", "std": 0.05, "chosen": None, "not_defined": "", "note": "",
    }  # fmt: skip
    with pytest.raises(FrozenInstanceError):
        first.value = 1.0
