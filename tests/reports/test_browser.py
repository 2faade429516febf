"""The page in headless Chromium. Needs the extra `browser` and a Chromium (Debian: apt install chromium)."""

import shutil
import time

import pytest
from report_records import IMAGE, SCRIPT, answer, diagnosis, gallery, settings, write_run

from contrascope.reports.page import write_report
from contrascope.reports.sections import SECTIONS

playwright_api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt install chromium"),
]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Visit:
    """An opened page and everything that it complained about or asked the network for."""

    def __init__(self, browser, file, *, size=DESKTOP, scheme="light"):
        self.page = browser.new_page(viewport=size, color_scheme=scheme)
        self.complaints, self.requests, self.dialogs = [], [], []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda d: (self.dialogs.append(d.message), d.dismiss()))
        self.page.on("request", lambda r: self.requests.append(r.url))
        start = time.perf_counter()
        self.page.goto(file.as_uri(), wait_until="load")
        self.seconds = time.perf_counter() - start

    def show_all(self):
        """Scrolls through the page, so that every figure is drawn."""
        for plot in self.page.locator(".plot").all():
            plot.scroll_into_view_if_needed()
            plot.locator(".main-svg").first.wait_for(state="attached", timeout=20_000)


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
    return {
        "one": write_report(runs[:1], root / "one.html"),
        "hostile": write_report([make("hostile", gallery=hostile, diagnosis=told)], root / "hostile.html"),
        "six": write_report(runs, root / "six.html"),
    }


def test_the_page_opens_fast_without_network_and_draws_every_figure(browser, files):
    visits = [Visit(browser, files["one"]) for _ in range(3)]
    assert min(visit.seconds for visit in visits) < 3
    visit = visits[-1]
    visit.show_all()
    for section in SECTIONS:
        assert visit.page.locator(f"#{section.key}-title").is_visible()
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_hostile_names_are_inert_and_show_as_text(browser, files):
    visit = Visit(browser, files["hostile"])
    visit.show_all()
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
    plot.locator(".main-svg").first.wait_for(state="attached")
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
    visit.show_all()
    for key in ("pseudo", "split", "alignment"):
        visit.page.locator("[data-role=colour]").select_option(key)
        visit.page.wait_for_timeout(200)
    assert visit.page.locator(".map .colorbar").count() > 0
    assert visit.complaints == []


def test_a_press_on_a_heading_sorts_and_says_so(browser, files):
    visit = Visit(browser, files["six"])
    table = visit.page.locator("#runs table")
    head = table.locator("thead th", has_text="seed")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert table.locator("tbody th").all_text_contents() == [f"run{i}" for i in (5, 4, 3, 2, 1, 0)]
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert table.locator("tbody th").first.text_content() == "run0"
    visit.show_all()
    assert visit.complaints == []


def test_the_button_copies_the_command(browser, files):
    visit = Visit(browser, files["one"])
    button = visit.page.locator("[data-copy]").first
    button.click()
    said = button.locator("xpath=..").locator("[role=status]")
    visit.page.wait_for_timeout(300)
    assert said.text_content() in ("Copied.", "Selected: copy it with Ctrl+C.")


@pytest.mark.parametrize("name", ["one", "hostile", "six"])
@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_there_is_no_serious_accessibility_fault_and_nothing_is_wider_than_the_window(
    browser, files, name, size, scheme
):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the extra `browser` has axe")
    visit = Visit(browser, files[name], size=size, scheme=scheme)
    visit.show_all()
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    visit.page.context.set_default_timeout(60_000)
    found = axe.Axe().run(visit.page).response["violations"]
    grave = {
        v["id"]: [n["target"] for n in v["nodes"]] for v in found if v["impact"] in ("serious", "critical")
    }
    assert grave == {}


def test_everything_is_drawn_for_print(browser, files, tmp_path):
    visit = Visit(browser, files["one"])
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    visit.page.wait_for_timeout(500)
    plots = visit.page.locator(".plot")
    assert all(plots.nth(i).locator(".main-svg").count() for i in range(plots.count()))
    assert len(visit.page.pdf()) > 10_000
