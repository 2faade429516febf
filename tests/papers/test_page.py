from dataclasses import replace

import pytest
from paper_cases import TABLE, entry, record, tiny

from contrascope.errors import InputError
from contrascope.papers.deviations import deviations
from contrascope.papers.page import page
from contrascope.settings import to_json


def lines(text):
    return [line for line in text.splitlines() if line.startswith("| ")]


def finished_table(*seeds):
    return record(
        *(
            one
            for seed, cold in enumerate(seeds)
            for one in (
                entry("cold", str(seed), knn=cold, knn_best=cold + 1),
                entry("warm", str(seed), knn=50.0, knn_best=50.0),
            )
        )
    )


def test_a_table_that_was_not_begun_is_a_page_that_says_so_with_its_command():
    text = page(TABLE, None, "gpu")
    assert "**Not run yet.**" in text
    assert "contrascope reproduce tiny --scale gpu --seeds 3 --data DIR --out DIR" in text


def test_own_numbers_stand_beside_the_best_epoch_and_the_published_ones():
    text = page(TABLE, finished_table(60.0))
    assert "| cold | 60.0 | 61.0 | 80 |" in lines(text)
    assert "| warm | 50.0 | 50.0 | 70 |" in lines(text)
    assert "| X1 | cold is better | holds in the only seed | cold less warm: 10 | 1 |" in lines(text)
    assert "- A note." in text


def test_means_are_over_seeds_that_every_cell_has():
    table = finished_table(60.0, 61.0, 62.0)
    text = page(TABLE, table)
    assert "| cold | 61.0 (58.5 to 63.5) | 62.0 (59.5 to 64.5) | 80 |" in lines(text)
    torn = replace(table, cells=table.cells[:-1])
    text = page(TABLE, torn)
    assert "Means are over seeds 0, 1." in text
    assert "seed 2: 1 of 2" in text
    begun = page(TABLE, record(entry("cold", "0", knn=60.0), entry("warm", "0", state="waiting")))
    assert "| cold | 60.0 | - | 80 |" in lines(begun)
    assert "| warm | - | - | 70 |" in lines(begun)
    assert "not measured yet" in begun


def test_what_broke_is_named():
    text = page(TABLE, record(entry("cold", "0", knn=60.0), entry("warm", "0", state="diverged")))
    assert "warm, seed 0: diverged." in text


def test_a_dry_run_says_that_its_numbers_mean_nothing():
    assert "the numbers mean nothing" in page(TABLE, replace(finished_table(60.0), dry=True))


def test_a_record_of_an_unknown_scale_is_refused():
    with pytest.raises(InputError, match="scale 'huge'"):
        page(TABLE, replace(finished_table(60.0), scale="huge"))


def test_deviations_come_from_the_settings_and_leave_out_what_decides_nothing():
    base = tiny(0.1)
    paper = {"cold": to_json(base), "warm": to_json(tiny(0.5))}
    ours = {
        "cold": to_json(replace(base, training=replace(base.training, epochs=3, seed=4, log_every=7))),
        "warm": to_json(
            replace(tiny(0.2), training=replace(base.training, epochs=3), monitor=base.monitor.__class__())
        ),
    }
    assert deviations(paper, ours) == [
        "`training.epochs`: 1 -> 3",
        "`method.temperature`: 0.5 -> 0.2 (warm)",
    ]
    assert deviations(paper, paper) == []
