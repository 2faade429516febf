import hashlib
from dataclasses import fields, replace

import pytest

from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol

OTHER = {
    "train_split": "fit",
    "test_split": "valid",
    "features": "z",
    "probes": ("knn",),
    "k": 20,
    "temperature": 0.07,
    "normalisation": "none",
    "probe_grid": (1.0,),
    "probe_held_out": 0.1,
    "shots": (2,),
    "draws": 10,
    "bootstrap": 10,
    "level": 0.9,
    "seed": 1,
}


def test_every_setting_changes_the_hash():
    assert set(OTHER) == {field.name for field in fields(Protocol)}
    hashes = {replace(Protocol(), **{name: value}).hash for name, value in OTHER.items()}
    assert len(hashes | {Protocol().hash}) == len(OTHER) + 1


def test_the_hash_is_the_sha256_of_canonical_json():
    small = Protocol(**OTHER)
    text = (
        '{"bootstrap":10,"draws":10,"features":"z","k":20,"level":0.9,"normalisation":"none","probe_grid":[1.0],'
        '"probe_held_out":0.1,"probes":["knn"],"seed":1,"shots":[2],"temperature":0.07,"test_split":"valid",'
        '"train_split":"fit"}'
    )
    assert small.hash == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_unknown_probes_and_empty_protocols_are_refused():
    with pytest.raises(InputError, match=r"no probe 'liner'. Did you mean 'linear'"):
        Protocol(probes=("liner",))
