import pytest
import torch
from PIL import Image

import contrascope
from contrascope.errors import InputError
from contrascope.features.features import Features
from contrascope.features.files import save_features


def test_a_file_finds_its_own_picture_and_a_name_finds_the_others(encoder, folder):
    found = contrascope.neighbours(encoder, folder / "03.png", str(folder), k=3)
    assert not found.inside
    assert found.rows.names[found.index[0]] == "03.png"
    assert found.cosine[0] == pytest.approx(1, abs=1e-6)
    named = contrascope.neighbours(encoder, "03.png", str(folder), k=3)
    assert named.inside
    assert "03.png" not in [named.rows.names[row] for row in named.index.tolist()]
    assert named.index[:2].tolist() == found.index[1:].tolist()


def test_a_picture_of_another_size_and_in_memory(encoder, folder, pictures, tmp_path):
    large = torch.nn.functional.interpolate(pictures(12)[5:6].float(), size=96, mode="bilinear").byte()
    Image.fromarray(large[0].permute(1, 2, 0).numpy()).save(tmp_path / "query.jpg", quality=95)
    found = contrascope.neighbours(encoder, tmp_path / "query.jpg", str(folder), k=1)
    assert found.rows.names[found.index[0]] == "05.png"
    found = contrascope.neighbours(encoder, pictures(12)[7], str(folder), k=1)
    assert found.rows.names[found.index[0]] == "07.png"


def test_rows_of_a_file_are_asked_by_name(tmp_path):
    rows = torch.eye(4)
    rows[3, 1] = 2.0
    made = Features(h=rows[None], ids=torch.arange(4), names=("a.png", "b.png", "c.png", "d.png"))
    file = save_features(made, tmp_path / "rows.npz")
    found = contrascope.neighbours(str(file), "b.png", k=1)
    assert [found.rows.names[row] for row in found.index.tolist()] == ["d.png"]
    with pytest.raises(InputError, match=r"is no row.*Did you mean 'b.png'"):
        contrascope.neighbours(str(file), "b.pgn")


def test_equal_pictures_leave_the_query_out():
    found = contrascope.neighbours(torch.ones(6, 2), "5", k=3)
    assert found.index.tolist() == [0, 1, 2]


def test_what_is_no_picture_is_refused(encoder, folder):
    (folder.parent / "broken.jpg").write_bytes((folder / "03.png").read_bytes()[:200])
    with pytest.raises(InputError, match=r"broken\.jpg is broken or truncated"):
        contrascope.neighbours(encoder, folder.parent / "broken.jpg", str(folder))
    with pytest.raises(InputError, match="is no picture file"):
        contrascope.neighbours(encoder, folder.parent / "absent.jpg", str(folder))
    with pytest.raises(InputError, match="is a folder"):
        contrascope.neighbours(encoder, folder, str(folder))
    with pytest.raises(InputError, match="k is 0"):
        contrascope.neighbours(encoder, "03.png", str(folder), k=0)
    with pytest.raises(InputError, match="no other image"):
        contrascope.neighbours(torch.ones(1, 2), "0")
