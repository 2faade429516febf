import pytest
import torch

from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings
from contrascope.errors import InputError, MissingSplitError


@pytest.fixture
def table(write_folder, pictures):
    def write(text, name="labels.csv", count=4):
        root = write_folder({f"{place}.png": image for place, image in enumerate(pictures(count))})
        (root / name).write_text(text, encoding="utf-8")
        return str(root / name)

    return write


TEXT = "file_name,kind,split\n2.png,cat,train\n0.png,dog,train\n1.png,cat,test\n"


def test_pictures_come_in_the_order_of_the_table_with_its_labels(table, pictures):
    images = open_images(DataSettings(source=table(TEXT), split="all"))
    expected = torch.as_tensor(pictures(4)).permute(0, 3, 1, 2)[[2, 0, 1]]
    assert torch.equal(images.gather(torch.arange(3)), expected)
    assert images.class_names == {"kind": ("cat", "dog")}
    assert images.y.tolist() == [0, 1, 0]


def test_a_column_split_chooses_rows_and_a_table_without_one_is_all_train(table):
    path = table(TEXT)
    assert len(open_images(DataSettings(source=path))) == 2
    assert len(open_images(DataSettings(source=path, split="test"))) == 1
    with pytest.raises(MissingSplitError, match="no rows of split 'validation'; it has test, train"):
        open_images(DataSettings(source=path, split="validation"))
    plain = table("file_name\n0.png\n3.png\n", name="plain.csv")
    assert len(open_images(DataSettings(source=plain))) == 2
    with pytest.raises(MissingSplitError, match="no column 'split'"):
        open_images(DataSettings(source=plain, split="test"))


def test_another_name_for_the_column_of_files(table):
    path = table("picture,kind\n0.png,a\n1.png,b\n")
    with pytest.raises(InputError, match=r"no column 'file_name' .* --data.image-column"):
        open_images(DataSettings(source=path))
    assert len(open_images(DataSettings(source=path, image_column="picture"))) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file_name,kind\n../0.png,a\n", "row 1 names '../0.png', which is not below"),
        ("file_name,kind\n/etc/hostname,a\n", "row 1 names '/etc/hostname', which is not below"),
        ("file_name,kind\n0.png,a\n9.png,b\n", "row 2 names '9.png', and there is no such file"),
        ("file_name,kind\n0.png\n", "row 1: it has not the 2 cells"),
        ("file_name,kind\n", "lists no pictures"),
        ("", "has no column 'file_name'"),
    ],
)
def test_rows_that_name_no_picture_below_the_table_are_refused_by_their_number(table, text, said):
    with pytest.raises(InputError, match=said):
        open_images(DataSettings(source=table(text)))


def test_a_link_out_of_the_folder_is_not_followed(table, tmp_path):
    path = table("file_name\nlink.png\n")
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"x")
    (tmp_path / "pictures" / "link.png").symlink_to(secret)
    with pytest.raises(InputError, match="which is not below"):
        open_images(DataSettings(source=path))
