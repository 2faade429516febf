import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent))  # for method_cases, which worker processes run as a script


@pytest.fixture(scope="session")
def verdict_signals():
    """Signals of a projector of four numbers."""
    # imported here: what a conftest imports is loaded before shapes are checked
    from contrascope.diagnosis.signals import Faults, Signals, layer_signals

    layer = layer_signals(torch.randn(2, 64, 4, generator=torch.Generator().manual_seed(0)), draws=0)
    return Signals(
        h=layer,
        z=layer,
        reference_h=None,
        reference_z=None,
        reference="",
        equal_views=0.0,
        faults=Faults(),
    )
