"""Sentences under the operation table, from rows made by hand."""

from contrascope.diagnosis.geometry import Quantiles
from contrascope.diagnosis.operation_rows import OperationRow
from contrascope.geometry.tangent import OperationCell
from contrascope.terminal.geometry import reading


def row(name, *, h, z=None, chance=0.5):
    cells = {"h": h} if z is None else {"h": h, "z": z}
    return OperationRow(
        name=name,
        unit="turn",
        strength=Quantiles(mean=0.0, low=0.0, median=0.0, high=0.0),
        layers={
            layer: OperationCell(variance_share=0.5, most_share=0.5, moved=moved, directions=1, carried=1.0)
            for layer, moved in cells.items()
        },
        removed=None if z is None else chance,
        removed_chance=None if z is None else chance,
        angles=(),
        generator=None,
        derivative=None,
    )


def test_the_sentences_name_the_farthest_and_the_most_damped():
    encoder, projector = reading([row("crop", h=0.4, z=0.1), row("hue", h=0.1, z=0.2)], most=1)
    assert encoder == "The encoder is moved most by crop (0.4); least by hue (0.1)."
    assert projector.endswith("least for crop (0.25); most for hue (2).")


def test_without_a_projector_there_is_one_sentence():
    assert len(reading([row("crop", h=0.4)])) == 1


def test_an_operation_that_moves_nothing_has_no_ratio():
    _, projector = reading([row("crop", h=0.4, z=0.1), row("hue", h=0.0, z=0.0)])
    assert "hue" not in projector


def test_a_projector_as_wide_as_the_encoder_is_said_to_have_no_kernel():
    *_, last = reading([row("crop", h=0.4, z=0.1, chance=0.0)])
    assert "no kernel" in last
