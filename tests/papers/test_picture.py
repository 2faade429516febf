import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch
from paper_cases import TABLE, entry, record

from contrascope.papers.measures.clusters import places
from contrascope.papers.page import page, picture
from contrascope.papers.picture import COLOURS, SIDE, Cloud
from contrascope.records.sweeps import MeasureEntry

CURVES = {"x_end": (0.0, 0.5, 1.0), "y_end": (0.0, 1.0, 0.5), "class": (0.0, 1.0, 10.0)}
CLOUDS = (
    Cloud(title="cold & dry", cell="cold", at="end", number="silhouette_end", number_is="silhouette"),
    Cloud(title="warm", cell="warm", at="end", number="silhouette_end", number_is="silhouette"),
)
DRAWN = replace(TABLE, clouds=CLOUDS)


def measured(cell, value):
    found = MeasureEntry(protocol="p", values={"silhouette_end": value}, curves=CURVES)
    return replace(entry(cell, "0"), measures={"clusters": found})


def test_a_picture_has_a_point_an_image_at_its_place_in_the_colour_of_its_class():
    svg = picture(DRAWN, record(measured("cold", 0.25), measured("warm", -0.5)))
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    dots = [
        (float(one.get("cx")), float(one.get("cy")), one.get("fill")) for one in root.iter(f"{space}circle")
    ]
    assert dots[:3] == [
        (0, 0, COLOURS[0]),
        (SIDE / 2, SIDE, COLOURS[1]),
        (SIDE, SIDE / 2, COLOURS[0]),  # of eleven classes the last takes the first colour
    ]
    assert len(dots) == 6
    assert min(x for x, *_ in dots[3:]) > SIDE
    words = [one.text for one in root.iter(f"{space}text")]
    assert words == ["cold & dry", "silhouette 0.250", "warm", "silhouette -0.500"]


def test_the_page_shows_it_only_once_all_of_it_is_measured():
    whole = record(measured("cold", 0.25), measured("warm", -0.5))
    assert re.search(r"!\[.*cold & dry; warm.*seed 0\]\(tiny\.svg\)", page(DRAWN, whole))
    torn = record(measured("cold", 0.25), entry("warm", "0", state="waiting"))
    for table, kept in ((DRAWN, torn), (DRAWN, None), (TABLE, whole)):
        assert picture(table, kept) is None
        assert ".svg" not in page(table, kept)


@pytest.mark.parametrize("count", [4, 60])
def test_places_are_in_the_square_and_the_same_again(count):
    rows = torch.randn(count, 8, generator=torch.Generator().manual_seed(0))
    x, y = places(rows)
    assert len(x) == len(y) == count
    assert max(*x, *y) == 1
    assert min(x) == min(y) == 0
    assert places(rows) == (x, y)
