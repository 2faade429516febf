"""The page in headless Chromium. Needs the extra `browser` and a Chromium (Debian: apt install chromium)."""

import io
import json
import shutil
import time
from pathlib import Path

import pytest
from PIL import Image
from report_records import (
    IMAGE,
    SCRIPT,
    advice,
    answer,
    diagnosis,
    estimate,
    gallery,
    metrics,
    settings,
    verdict,
    write_run,
)

from contrascope.reports.page import write_report
from contrascope.reports.sections import SECTIONS

playwright_api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt install chromium"),
]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
TALLEST = 9250
"""Half of the 18,500 px that the page of a full run once was high."""
DRAWN = "[...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.main-svg'))"
FORMAT0 = Path(__file__).parents[1] / "runs" / "format0" / "digits-simclr"
"""A run with every record that a command writes, of real images."""


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Visit:
    """An opened page and everything that it complained about or asked the network for."""

    def __init__(self, browser, file, *, size=DESKTOP, scheme="light", **more):
        self.page = browser.new_page(viewport=size, color_scheme=scheme, **more)
        self.page.set_default_timeout(90_000)
        self.complaints, self.requests, self.dialogs = [], [], []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda d: (self.dialogs.append(d.message), d.dismiss()))
        self.page.on("request", lambda r: self.requests.append(r.url))
        start = time.perf_counter()
        self.page.goto(file.as_uri(), wait_until="load")
        self.seconds = time.perf_counter() - start

    def unfold(self):
        """Opens every fold."""
        self.page.evaluate(
            "document.querySelectorAll('details.fold').forEach((fold) => { fold.open = true; })"
        )
        self.page.wait_for_timeout(300)

    def empty_figures(self):
        """Figures without a drawing of their data, once those in folds had their turn."""
        for _ in range(600):
            if self.page.evaluate(DRAWN):
                break
            self.page.wait_for_timeout(100)
        return self.page.evaluate(
            """[...document.querySelectorAll(".plot")]
              .filter((plot) => !plot.querySelector(".main-svg .trace path"))
              .map((plot) => plot.id)"""
        )


def long_verdict():
    """Three answers as long as a diagnosis gives them."""
    sentence = (
        "Under its own views, a view finds another view of its image first among 100 in 18.0 % of cases."
    )
    told = answer(
        "barely learning",
        "odds x 2.8 [2.5, 3.3] under its own views, x 0.81 [0.59, 1.1] under standard ones",
        [sentence, sentence],
        "The gain over random weights is small, or not beyond noise under both kinds of views.",
        "More training may help; then measure again. A few labels decide whether it is useful.",
    )
    return verdict(sound=answer("sound", evidence=[sentence]), learning=told)


def learning():
    """Gains over random weights under every kind of views."""
    kinds = ("crop", "colour", "crop and colour", "affine", "all")
    gain = {"odds": estimate(1.5), "trained": estimate(0.8), "random": estimate(0.4)}
    every = {"own": gain, **dict.fromkeys(kinds, gain)}
    return {"own": gain, "standard": dict.fromkeys(kinds, gain), "residual": every, "bait": estimate(0.1)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pages: one run, one run with hostile names, six runs."""
    root = tmp_path_factory.mktemp("pages")

    def make(name, **changed):
        return write_run(root / name, **changed)

    hostile = gallery(classes=(SCRIPT, IMAGE))
    hostile["views"][0]["name"] = IMAGE
    told = diagnosis(sound=answer("unsound", IMAGE, [SCRIPT, IMAGE], SCRIPT, IMAGE))
    runs = [make(f"run{i}", settings=settings(seed=5 - i)) for i in range(6)]
    full = root / "full"
    shutil.copytree(FORMAT0, full)
    found = json.loads((full / "diagnosis.json").read_text())
    found |= {"verdict": long_verdict(), "signals": {**found["signals"], "learning": learning()}}
    (full / "diagnosis.json").write_text(json.dumps(found))
    rows = metrics(steps=50, probes=20)
    (full / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (full / "advice.json").write_text(json.dumps(advice()))
    return {
        "full": write_report([full], root / "full.html"),
        "one": write_report(runs[:1], root / "one.html"),
        "hostile": write_report([make("hostile", gallery=hostile, diagnosis=told)], root / "hostile.html"),
        "six": write_report(runs, root / "six.html"),
    }


def test_the_page_opens_fast_without_network_and_draws_every_figure(browser, files):
    visits = [Visit(browser, files["one"]) for _ in range(3)]
    assert min(visit.seconds for visit in visits) < 3
    visit = visits[-1]
    assert visit.empty_figures() == []
    for section in SECTIONS:
        assert visit.page.locator(f"#{section.key}-title").is_visible()
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_hostile_names_are_inert_and_show_as_text(browser, files):
    visit = Visit(browser, files["hostile"])
    assert visit.dialogs == []
    assert visit.complaints == []
    assert visit.page.locator(".card img, .card script").count() == 0
    assert SCRIPT in visit.page.locator("#verdict").inner_text()
    assert IMAGE in visit.page.locator("#verdict").inner_text()
    legend = visit.page.locator(".map .legendtext").all_text_contents()
    assert [text.replace("\u00a0", " ") for text in legend] == [SCRIPT, IMAGE]
    visit.page.locator("[data-role=pick]").fill("1")
    visit.page.locator("[data-role=pick]").press("Enter")
    assert IMAGE in visit.page.locator("[data-role=picked]").inner_text()


@pytest.mark.parametrize(("size", "columns"), [(DESKTOP, 3), (PHONE, 1)], ids=["desktop", "phone"])
def test_the_three_answers_stand_side_by_side_and_on_a_phone_one_below_the_other(
    browser, files, size, columns
):
    visit = Visit(browser, files["one"], size=size)
    boxes = [card.bounding_box() for card in visit.page.locator("#verdict .answer").all()]
    assert len(boxes) == 3
    assert len({round(box["x"]) for box in boxes}) == columns
    assert len({round(box["y"]) for box in boxes}) == 4 - columns
    if size is DESKTOP:
        assert max(box["y"] + box["height"] for box in boxes) < size["height"]


def test_pointing_at_a_point_of_the_map_shows_its_image(browser, files):
    visit = Visit(browser, files["one"])
    plot = visit.page.locator(".map .plot")
    plot.scroll_into_view_if_needed()
    visit.page.wait_for_timeout(500)
    spot = plot.evaluate(
        """(plot) => {
          const box = plot.getBoundingClientRect(), trace = plot.data[0];
          const x = plot._fullLayout.xaxis, y = plot._fullLayout.yaxis;
          return [box.left + x._offset + x.l2p(trace.x[3]), box.top + y._offset + y.l2p(trace.y[3])];
        }"""
    )
    visit.page.mouse.move(spot[0] - 30, spot[1] - 30)
    visit.page.mouse.move(*spot, steps=5)
    card = visit.page.locator("[data-role=hover]")
    card.wait_for(state="visible", timeout=5000)
    assert "image 6" in card.inner_text()
    assert card.locator(".tile").count() == 1


def test_colours_and_places_of_the_map_can_be_chosen(browser, files):
    visit = Visit(browser, files["one"])
    for key in ("pseudo", "split", "alignment"):
        visit.page.locator("[data-role=colour]").select_option(key)
        visit.page.wait_for_timeout(200)
    assert visit.page.locator(".map .colorbar").count() > 0
    assert visit.complaints == []


def test_a_press_on_a_heading_sorts_and_says_so(browser, files):
    visit = Visit(browser, files["six"])
    table = visit.page.locator("#runs table.sortable")
    head = table.locator("thead th", has_text="seed")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert table.locator("tbody th").all_text_contents() == [f"run{i}" for i in (5, 4, 3, 2, 1, 0)]
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert table.locator("tbody th").first.text_content() == "run0"
    assert visit.empty_figures() == []
    assert visit.complaints == []


def test_the_button_copies_the_command(browser, files):
    visit = Visit(browser, files["one"])
    visit.unfold()
    button = visit.page.locator("[data-copy]").first
    button.click()
    said = button.locator("xpath=..").locator("[role=status]")
    visit.page.wait_for_timeout(300)
    assert said.text_content() in ("Copied.", "Selected: copy it with Ctrl+C.")


@pytest.mark.parametrize("name", ["one", "full", "hostile", "six"])
@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_there_is_no_serious_accessibility_fault_and_nothing_is_wider_than_the_window(
    browser, files, name, size, scheme
):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the extra `browser` has axe")
    visit = Visit(browser, files[name], size=size, scheme=scheme)
    visit.unfold()
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    visit.page.context.set_default_timeout(60_000)
    found = axe.Axe().run(visit.page).response["violations"]
    grave = {
        v["id"]: [n["target"] for n in v["nodes"]] for v in found if v["impact"] in ("serious", "critical")
    }
    assert grave == {}


def test_everything_is_drawn_for_print_with_folds_open_and_closed_again(browser, files):
    visit = Visit(browser, files["full"])
    folds = visit.page.locator("details.fold")
    assert folds.count() == 5
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert visit.page.evaluate("[...document.querySelectorAll('details.fold')].every((fold) => fold.open)")
    assert visit.empty_figures() == []
    widths = [svg.bounding_box()["width"] for svg in visit.page.locator(".plot .main-svg:first-child").all()]
    assert max(widths) <= 660  # as wide as the paper
    visit.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not visit.page.evaluate("[...document.querySelectorAll('details.fold')].some((fold) => fold.open)")
    assert len(visit.page.pdf()) > 10_000


def test_the_page_of_a_full_run_is_at_most_half_as_high_as_it_was(browser, files):
    visit = Visit(browser, files["full"])
    assert [a.get_attribute("id") for a in visit.page.locator("section").all()] == [s.key for s in SECTIONS]
    assert visit.page.locator(".notice:visible").count() == 0
    assert visit.page.evaluate("document.documentElement.scrollHeight") <= TALLEST


def test_one_screen_has_the_answers_four_numbers_a_row_of_pictures_and_what_to_do_next(browser, files):
    visit = Visit(browser, files["full"])
    parts = {".answer": 3, ".card.number": 4, ".pairs .tile": 8, ".next li": 1}
    for part, least in parts.items():
        found = visit.page.locator(f"#verdict {part}:visible").all()
        assert len(found) >= least, part
        assert max(box["y"] + box["height"] for one in found if (box := one.bounding_box())) <= 900, part


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_picture_of_the_page_shows_every_figure_without_scrolling(browser, files, size):
    visit = Visit(browser, files["full"], size=size)
    assert visit.empty_figures() == []  # in folds too
    visit.unfold()
    assert visit.page.evaluate("scrollY") == 0
    whole = Image.open(io.BytesIO(visit.page.screenshot(full_page=True))).convert("RGB")
    plots = visit.page.locator(".plot").all()
    assert len(plots) >= 15
    for plot in plots:
        box = plot.bounding_box()
        corner = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        part = whole.crop(tuple(map(round, corner)))
        colours = sorted(part.getcolors(1 << 24), reverse=True)
        assert colours[0][0] < 0.99 * part.width * part.height, plot.get_attribute("id")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_legends_stand_below_their_plots_and_plots_are_tall_enough(browser, files, size):
    visit = Visit(browser, files["full"], size=size)
    visit.unfold()
    boxes = visit.page.evaluate(
        """[...document.querySelectorAll(".plot")].map((plot) => {
          const inner = plot.querySelector(".bglayer .bg, .plot-container .nsewdrag").getBoundingClientRect();
          const legend = plot.querySelector(".legend"), title = plot.querySelector(".xtitle");
          return [plot.id, inner.height, legend && legend.getBoundingClientRect().top,
            title.getBoundingClientRect().bottom];
        })"""
    )
    assert {name: height for name, height, *_ in boxes if height < 150} == {}
    overlaid = {name for name, _, legend, title in boxes if legend is not None and legend < title - 1}
    assert overlaid == set()
    assert sum(legend is not None for _, _, legend, _ in boxes) >= 8


def test_pictures_can_be_filtered_by_class_and_by_cluster(browser, files):
    visit = Visit(browser, files["full"])
    shown = visit.page.locator("#images .strip:visible")
    before = shown.count()
    for key in ("label", "cluster"):
        chooser = visit.page.locator(f"[data-filter] select[data-key={key}]")
        value = chooser.locator("option").nth(1).get_attribute("value")
        chooser.select_option(value)
        assert {one.get_attribute(f"data-{key}") for one in shown.all()} <= {value}
        chosen = visit.page.locator("[data-role=chosen]")
        assert value in chosen.locator("h3").inner_text()
        assert chosen.locator(".tile").count() == chosen.locator(".name").count() > 0
        assert f"rows are of {value}" in visit.page.locator("[data-filter] [role=status]").inner_text()
        chooser.select_option("")
        assert shown.count() == before
        assert not chosen.is_visible()


def test_a_long_table_says_how_many_rows_it_has_and_a_wide_one_that_it_goes_on(browser, files):
    visit = Visit(browser, files["full"], size=PHONE)
    visit.unfold()
    table = visit.page.locator("table[data-cut]").first
    rows = table.locator("tbody tr:visible")
    assert rows.count() == 8
    button = visit.page.locator(".scroll + .more").first
    assert button.inner_text() == f"Show all {table.get_attribute('data-cut')} rows"
    button.click()
    assert rows.count() == int(table.get_attribute("data-cut")) > 8
    bounds = visit.page.locator("#theory table").filter(has_text="on new images")
    assert bounds.locator("tbody tr:visible").count() == bounds.locator("tbody tr").count() > 20
    silent = visit.page.evaluate(
        """[...document.querySelectorAll(".scroll")]
          .filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1)
          .filter((box) => ![...box.parentElement.querySelectorAll(".cue")].some((cue) => !cue.hidden))
          .map((box) => box.getAttribute("aria-label"))"""
    )
    assert silent == []
    high = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollHeight > box.clientHeight + 20).length"
    assert visit.page.evaluate(high) == 0  # no table is cut from below


def test_a_link_into_a_fold_opens_it(browser, files):
    visit = Visit(browser, files["full"])
    fold = visit.page.locator("#theory details.fold")
    assert fold.get_attribute("open") is None
    visit.page.locator("nav a", has_text="Theory").click()
    visit.page.wait_for_timeout(300)
    assert fold.get_attribute("open") is not None


def test_without_scripts_every_row_and_picture_is_there_and_a_line_says_why_figures_are_not(browser, files):
    visit = Visit(browser, files["full"], java_script_enabled=False)
    assert "Every figure has its numbers in a table" in visit.page.locator("noscript").inner_text()
    rows = visit.page.locator("#images .strip")
    assert all(rows.nth(i).is_visible() for i in range(rows.count()))
    table = visit.page.locator("#measured table[data-cut]").first
    assert table.locator("tbody tr:visible").count() == int(table.get_attribute("data-cut"))
