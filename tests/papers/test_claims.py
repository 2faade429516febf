"""The rules of docs/papers/claims.md, on numbers made up so that the answer is known."""

import re
from pathlib import Path

import pytest
from paper_cases import entry, record

from contrascope.papers.claims import FAILS, FAILS_ONCE, HOLDS, HOLDS_ONCE, MISSING, UNCERTAIN, Claim, answer
from contrascope.papers.tables import all_tables
from contrascope.papers.values import SeedValues, UndecidedError, by_seed

CLAIMS = {one.key: one for table in all_tables().values() for one in table.claims}
WRITTEN = Path(__file__).parents[2] / "docs" / "papers" / "claims.md"


def seeds_of(*differences):
    table = record(
        *(
            one
            for seed, value in enumerate(differences)
            for one in (entry("a", str(seed), knn=50.0 + value), entry("b", str(seed), knn=50.0))
        )
    )
    return by_seed(table)


def better(**changes):
    made = {"key": "X", "says": "", "rule": "", "decide": lambda seed: seed("a", "knn") - seed("b", "knn")}
    return Claim(**made | changes)


@pytest.mark.parametrize(
    ("differences", "word"),
    [
        ((1.0, 1.1, 0.9), HOLDS),
        ((-1.0, -1.1, -0.9), FAILS),
        ((1.0, -1.0, 1.0), UNCERTAIN),
        ((0.1, 5.0, 9.0), UNCERTAIN),  # above 0 in every seed, and the interval over seeds reaches below it
        ((1.0,), HOLDS_ONCE),
        ((0.0,), FAILS_ONCE),
        ((), MISSING),
    ],
)
def test_a_claim_holds_in_every_seed_or_in_none_or_cannot_be_told(differences, word):
    found = answer(better(), seeds_of(*differences))
    assert found.word == word
    assert list(found.numbers.values()) == pytest.approx(list(differences))


def test_one_seed_of_many_that_differs_is_enough_to_leave_a_claim_open():
    found = answer(better(), seeds_of(*([9.0] * 9), -0.1))  # the interval over seeds lies above 0
    assert (found.word, found.why) == (UNCERTAIN, "the seeds differ")


def test_one_seed_is_no_answer_and_a_number_that_never_varies_needs_no_interval():
    assert answer(better(), seeds_of(1.0, 1.0, 1.0)).word == HOLDS
    assert answer(better(equal=True), seeds_of(0.0)).word == HOLDS_ONCE
    assert answer(better(equal=True), seeds_of(0.0, 0.0)).word == HOLDS


def test_seeds_in_which_a_number_is_missing_do_not_count():
    table = record(entry("a", "0", knn=2.0), entry("b", "0", knn=1.0), entry("a", "1", knn=0.0))
    assert list(answer(better(), by_seed(table)).numbers) == ["0"]


def undecided(seed):
    raise UndecidedError("nothing bears on it")


def test_what_nothing_bears_on_cannot_be_told():
    found = answer(better(decide=undecided), seeds_of(1.0))
    assert (found.word, found.why) == (UNCERTAIN, "nothing bears on it")


def test_every_written_claim_has_a_rule_here_and_the_other_way_round():
    written = set(re.findall(r"^\| ([HACTS]\d+) \|", WRITTEN.read_text(), flags=re.MULTILINE))
    assert set(CLAIMS) == written
    assert len(written) >= 25


def values(cells):
    return SeedValues([entry(name, "0", **numbers) for name, numbers in cells.items()])


def compositions(**rows):
    """The same five accuracies for every method on both sets, but for what `rows` says of some of them."""
    cells = {}
    for images in ("cifar10", "cifar100"):
        for method in ("simclr", "barlow-twins", "moco", "simsiam"):
            numbers = rows.get(method.replace("-", "_"), (60.0, 58.0, 54.0, 44.0, 43.8))
            for row, value in zip(("abcde", "abcd", "abc", "ab", "a"), numbers, strict=True):
                cells[f"{images}/{method}/{row}"] = {"knn": value}
    return values(cells)


def test_the_orders_of_huang_et_al_by_hand():
    told = {key: CLAIMS[key].decide for key in ("H1", "H2", "H5", "H6", "H7")}
    found = {key: decide(compositions()) for key, decide in told.items()}
    assert found == pytest.approx({"H1": 2.0, "H2": 2.0, "H5": 2.0, "H6": 10.0 / 5 - 0.2, "H7": 6.0})
    one_wrong = compositions(simclr=(57.0, 58.0, 54.0, 44.0, 43.8))
    assert told["H1"](one_wrong) == -1.0
    assert told["H2"](one_wrong) == 2.0
    assert told["H5"](one_wrong) == 2.0  # three of four methods are enough
    two_wrong = compositions(simclr=(57.0, 58.0, 54.0, 44.0, 43.8), moco=(60.0, 58.0, 43.0, 44.0, 43.8))
    assert told["H5"](two_wrong) < 0
    assert told["H1"](compositions(simclr=(60.0, 58.0, 54.0, 44.0, 54.5))) == -0.5  # a and ab in any order
    assert told["H7"](compositions(simclr=(80.0, 58.0, 54.0, 44.0, 43.8))) == 6.0


def test_the_bound_of_theorem_1_is_judged_where_its_condition_holds():
    held = {"theorem_holds": 1.0, "theorem_value": 60.0, "theorem_error": 40.0, "linear_error": 1.0}
    vacuous = {"theorem_holds": 0.0, "theorem_value": 10.0, "theorem_error": 90.0, "linear_error": 1.0}
    assert CLAIMS["H18"].decide(values({"x": held, "y": vacuous})) == 20.0
    with pytest.raises(UndecidedError):
        CLAIMS["H18"].decide(values({"y": vacuous}))
    assert answer(CLAIMS["H18"], by_seed(record())).word == MISSING


def test_crop_and_colour_lead_or_do_not():
    cells = {f"cifar10/simclr/{one}": {"knn": 40.0} for one in "abcde"}
    cells |= {
        f"cifar10/simclr/{one}": {"knn": 45.0}
        for one in ("ab", "ac", "ae", "bc", "bd", "be", "cd", "ce", "de")
    }
    assert CLAIMS["S1"].decide(values(cells | {"cifar10/simclr/ad": {"knn": 50.0}})) == 5.0
    assert CLAIMS["S1"].decide(values(cells | {"cifar10/simclr/ad": {"knn": 44.0}})) == -1.0


def test_arcl_is_judged_copy_by_copy_and_beside_its_control():
    copies = ("original", "grayscale", "crop", "flip", "jitter", "jitter_grayscale")
    simclr = {f"cifar10 {one}": 60.0 for one in copies}
    worst = {f"cifar10 {one}": 61.0 for one in copies} | {"cifar10 crop": 59.5}
    average = {f"cifar10 {one}": 61.5 for one in copies}
    seed = values({"simclr, 256": simclr, "arcl 4, 256": worst, "average 4, its denominators, 256": average})
    assert CLAIMS["A1"].decide(seed) == 1.0
    assert CLAIMS["A2"].decide(seed) == -0.5
    assert CLAIMS["A5"].decide(seed) == -0.5


def test_lambda_is_chosen_by_held_out_images_and_not_by_test_images():
    cells = {"SimCLR, temperature 1": 50.0, "SimCLR, temperature 0.5": 55.0}
    found = {f"{name}/fourth": {"knn": value} for name, value in cells.items()}
    tests, held_out = {0.2: 70.0, 0.4: 60.0, 0.8: 54.0}, {0.2: 40.0, 0.4: 50.0, 0.8: 45.0}
    for one, knn in tests.items():
        found[f"modified, lambda {one:g}/fourth"] = {"knn": knn, "held_out": held_out[one]}
    seed = values(found)
    assert CLAIMS["H16"].decide(seed) == 5.0


def test_widths_are_compared_by_their_gain():
    gains = {2: 8.0, 8: 5.0, 32: 1.0, 128: -0.5}
    cells = {f"SimCLR/{width}": {"knn": 50.0} for width in gains}
    cells |= {f"t-SimCLR/{width}": {"knn": 50.0 + gain} for width, gain in gains.items()}
    assert CLAIMS["T1"].decide(values(cells)) == 5.5
    assert CLAIMS["T2"].decide(values(cells)) == 0.5


def test_the_course_of_a_geometry_is_judged_from_its_ends():
    def course(end_rank, sharing, distance):
        curves = {
            "geometry rank": (128.0, 100.0, end_rank),
            "geometry sharing_fine_label": (0.05, 0.1, sharing),
            "geometry distance_spread": (0.9, 0.8, distance),
            "geometry unexplained": (0.5, 0.2, 0.2),
            "geometry h_rank": (250.0, 240.0, 245.0),
            "geometry loss": (3.0, 2.0, 1.0),
            "geometry bound": (4.0, 3.1, 2.0),
        }
        return {"curves": curves, "h_width": 256.0}

    found = {
        "large": course(60.0, 0.3, 0.5),
        "moderate": course(80.0, 0.2, 0.6),
        "small": course(90.0, 0.15, 0.7),
    }
    seed = values(found)
    got = {key: CLAIMS[key].decide(seed) for key in ("C1", "C3", "C4", "C5", "C6", "C7")}
    assert got["C1"] == 10.0
    assert got["C3"] > 0
    assert got["C4"] == pytest.approx(240 / 256 - 0.9)
    assert got["C5"] == pytest.approx(0.2)
    assert got["C6"] == pytest.approx(0.1)
    assert got["C7"] == pytest.approx(0.05)
