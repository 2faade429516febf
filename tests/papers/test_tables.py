"""Every table: its cells can be built, its panels and claims ask for what is there, its numbers are the papers'."""

import statistics

import pytest
import torch
from paper_cases import DRY, HereEngine

from contrascope.errors import InputError
from contrascope.evaluation.published import PUBLISHED_TRANSFER, PUBLISHED_TRANSFER_SETS
from contrascope.papers.cost import MEASURES as COSTS
from contrascope.papers.cost import minutes_of
from contrascope.papers.huang2023 import COMPOSITIONS, SETS, STRENGTH_ROWS
from contrascope.papers.measures.find import ALONE, MEASURES
from contrascope.papers.page import page
from contrascope.papers.place import folder_of
from contrascope.papers.reproduce import TableRequest, reproduce
from contrascope.papers.scales import find_sources, in_order
from contrascope.papers.table import SCALES, Sources
from contrascope.papers.tables import ORDER, all_tables, find_table
from contrascope.papers.values import SeedValues
from contrascope.records.sweeps import FINISHED
from contrascope.runs.build import build
from contrascope.settings import to_json

TABLES = list(all_tables().values())
ALL = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


def test_all_tables_are_there():
    assert tuple(all_tables()) == ORDER
    with pytest.raises(InputError, match="Did you mean 'huang-pairs'"):
        find_table("huang-pair")


@ALL
@pytest.mark.parametrize("scale", SCALES)
def test_cells_have_names_of_their_own_and_ask_for_measurements_that_exist(table, scale):
    cells = table.cells(scale, Sources())
    assert len({one.name for one in cells}) == len(cells)
    assert len({one.name.replace("/", "_") for one in cells}) == len(cells)
    for one in cells:
        known = ALONE if one.settings is None else MEASURES
        assert set(one.measures) <= set(known), one.name
        if one.settings is not None:
            one.settings.method.check()
            assert one.settings.training.seed == 0
    if scale == "cpu":
        assert {name for one in cells for name in one.measures} <= set(COSTS)
    assert minutes_of(cells, scale) > 0


@ALL
def test_no_cell_on_a_cpu_sees_fewer_than_four_epochs_of_all_images(table):
    for one in table.cells("cpu", Sources()):
        if one.settings is not None:
            assert one.settings.training.epochs >= 4
            assert one.settings.data.count is None


@ALL
def test_cells_of_all_scales_have_the_same_names_so_that_deviations_can_be_said(table):
    names = [{one.name for one in table.cells(scale, Sources())} for scale in ("gpu", "paper")]
    assert names[0] == names[1]
    at_cpu = {one.name for one in table.cells("cpu", Sources())}
    assert len(at_cpu & names[1]) >= len(at_cpu) - 6  # temperatures of ArCL alone differ


class Asks(SeedValues):
    """Has every number, and keeps which cells were asked for."""

    def __init__(self, table):
        super().__init__([])
        self.cells = [one.name for one in table.cells("cpu", Sources())]
        self.asked = set()

    def __call__(self, cell, name):
        self.asked.add(cell)
        return 1.0

    def curve(self, cell, name):
        self.asked.add(cell)
        return (1.0, 2.0)

    def names(self, cell):
        return ["linear_error", "theorem_holds"]


@ALL
def test_panels_ask_for_cells_of_the_table(table):
    seed = Asks(table)
    for panel in table.panels:
        for row in panel.rows:
            for column in panel.columns:
                found = panel.at(row, column)
                if found is not None:
                    found.value(seed)
                    if found.best is not None:
                        found.best(seed)
    for claim in table.claims:
        claim.decide(seed)
    assert seed.asked <= set(seed.cells)
    assert seed.asked


def kinds(scale):
    """A cell of each kind of network, method, positives, views and measurements, over all tables."""
    found = {}
    for table in TABLES:
        for one in table.cells(scale, DRY):
            if one.settings is not None:
                method = one.settings.method
                loss = (type(method), getattr(method, "positives", ""), one.settings.training.num_views)
                found.setdefault((one.settings.encoder, *loss, one.measures), (table, one))
    return list(found.values())


def test_networks_for_a_gpu_can_be_built_and_give_what_the_papers_width_is():
    seen = {}
    for _, cell in kinds("gpu"):
        seen.setdefault(type(cell.settings.method), cell)
    assert len(seen) >= 7
    for cell in seen.values():
        encoder = build(cell.settings, (3, 32, 32)).encoder.eval()
        with torch.no_grad():
            assert encoder(torch.rand(2, 3, 32, 32)).shape == (2, 512), cell.name


EACH = [(scale, table, cell) for scale in ("cpu", "gpu") for table, cell in kinds(scale)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "table", "cell"),
    EACH,
    ids=[f"{scale}, {table.name}, {cell.name}" for scale, table, cell in EACH],
)
def test_one_cell_of_each_kind_is_trained_for_a_step_and_measured(scale, table, cell, tmp_path):
    """`reproduce --dry-run` of all that differs, in this process: what a GPU would run, in calls that end."""
    asked = TableRequest(table=table, scale=scale, seeds=1, sources=DRY, only=(cell.name,))
    out = tmp_path / folder_of(table.name, scale, dry=True)
    made = reproduce(asked, out, engine=HereEngine(), device="cpu", minutes=30.0)
    done = next(one for one in made.cells if one.cell == cell.name)
    assert done.state == FINISHED, done.why
    assert set(done.measures) == set(cell.measures)
    assert page(table, made)


def test_published_values_are_those_of_the_papers():
    assert COMPOSITIONS["cifar10"]["abcde"] == (89.76, 86.91, 90.12, 90.59)
    assert COMPOSITIONS["cifar100"]["a"] == (27.95, 34.05, 39.63, 25.90)
    assert STRENGTH_ROWS["cifar100"]["1/8"] == (34.75, 44.72, 49.43, 36.26)
    for rows in COMPOSITIONS.values():  # the paper's own order, in every column
        for column in range(4):
            chain = [rows[row][column] for row in SETS]
            assert chain == sorted(chain, reverse=True)
    for rows in STRENGTH_ROWS.values():
        for column in range(4):
            chain = [values[column] for values in rows.values()]
            assert chain == sorted(chain, reverse=True)


def test_the_means_of_the_published_transfer_are_the_column_of_means():
    for mode, methods in PUBLISHED_TRANSFER_SETS.items():
        for method, values in methods.items():
            assert statistics.mean(values.values()) == pytest.approx(
                PUBLISHED_TRANSFER[mode][method], abs=0.4
            )


def test_operations_come_in_the_order_of_the_authors_code():
    cell = find_table("huang-compositions").cells("paper", Sources())[1]
    assert cell.settings.policy.name == in_order("abcd") == "adcb"


def test_runs_that_two_tables_share_have_the_same_settings():
    def settings(name):
        cells = find_table(name).cells("cpu", Sources())
        return {one.name: to_json(one.settings) for one in cells if one.settings is not None}

    pairs, matrix, all_sets = (
        settings(name) for name in ("huang-pairs", "simclr-matrix", "huang-compositions")
    )
    assert pairs == {name: found for name, found in matrix.items() if name in pairs}
    assert settings("huang-panels")["cifar10/simclr/abcde"] == all_sets["cifar10/simclr/abcde"]
    assert settings("huang-panels")["cifar10/simclr/d"] == matrix["cifar10/simclr/d"]
    assert pairs["cifar10/simclr/ab"] == all_sets["cifar10/simclr/ab"]


def test_sources_are_found_by_the_beginning_of_a_folders_name(tmp_path):
    for name in ("cifar10-exact-5k", "cifar10-jpeg", "cifar100-jpeg", "caltech101-32", "notes"):
        (tmp_path / name).mkdir()
    found = find_sources(tmp_path)
    assert found.cifar10.endswith("/cifar10-jpeg")
    assert found.cifar100.endswith("/cifar100-jpeg")
    assert [one.rpartition("/")[2] for one in found.transfer] == [
        "caltech101-32@label@mean",
        "cifar100-jpeg@fine_label",
    ]
    (tmp_path / "cifar100-jpeg").rmdir()
    with pytest.raises(InputError, match="no folder cifar100"):
        find_sources(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        find_sources(tmp_path / "nowhere")
