import pytest

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("./nowhere", r"'./nowhere' does not exist; expected a file or a folder"),
        ("nowhere.npz", r"does not exist"),
        ("digit", r"no built-in set, file or folder. Did you mean 'digits'"),
    ],
)
def test_a_source_that_is_not_there_is_named(source, message):
    with pytest.raises(InputError, match=message):
        open_images(DataSettings(source=source))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"x.png is a file of kind .png; expected a folder"):
        open_images(DataSettings(source=str(tmp_path / "x.png")))


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", 0), ("workers", 0), ("background", 1.5), ("count", 0)],
)
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(InputError, match=rf"data.{field} is .*; expected"):
        DataSettings(**{field: value})


def test_labels_of_a_built_in_set_can_be_left_out_but_not_invented():
    assert open_images(DataSettings(source="digits", labels="none")).y is None
    with pytest.raises(InputError, match=r"data.labels names the column 'label'.*expected one of digit"):
        open_images(DataSettings(source="digits", labels="label"))
