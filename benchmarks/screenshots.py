# pyright: reportMissingImports=false
"""Pictures of pages in headless Chromium, at the width of a desk and of a phone, light and dark.

    python benchmarks/screenshots.py RUN/report.html comparison.html --names demo comparison --out docs/screenshots

Of each page and width two pictures: its first screens, and the whole. Says how high the page is, and ends with an error
where a figure was not drawn: nothing is scrolled. The first screen of a run shows images of its data: name no page of
data that must not be passed on. Files have 256 colours. Needs `pip install 'contrascope[browser]'` and a Chromium.
"""

import argparse
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright


@dataclass(frozen=True, kw_only=True)
class Window:
    """A width at which pages are pictured."""

    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]
    top: int
    """Pixels of the picture of the first screens."""


WINDOWS = (
    Window(name="desktop", width=1280, height=900, scheme="light", top=900),
    Window(name="phone", width=390, height=844, scheme="dark", top=1688),
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EMPTY = """[...document.querySelectorAll(".plot")].filter((plot) => !plot.querySelector(".main-svg .trace path"))
  .map((plot) => plot.id)"""
"""Figures without a drawing."""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--top", type=int, help="pixels of the picture of the first screens; unset: one screen"
    )
    parser.add_argument("--names", nargs="+", help="what the pictures are called; unset: as the pages' files")
    chosen = parser.parse_args()
    names = chosen.names or [file.stem for file in chosen.pages]
    if len(names) != len(chosen.pages):
        parser.error(f"{len(names)} names for {len(chosen.pages)} pages; expected one a page.")
    windows = [one if chosen.top is None else replace(one, top=chosen.top) for one in WINDOWS]
    chosen.out.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        parser.error("there is no Chromium here; install one (Debian: apt install chromium).")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for file, name in zip(chosen.pages, names, strict=True):
            for window in windows:
                picture(browser, file, window, chosen.out / f"{name}-{window.name}.png")
        browser.close()


def picture(browser: Browser, file: Path, window: Window, out: Path):
    """Two pictures of a page, `out` and beside it the whole page."""
    page = browser.new_page(
        viewport={"width": window.width, "height": window.height}, color_scheme=window.scheme
    )
    page.set_default_timeout(300_000)
    page.goto(file.resolve().as_uri())
    empty = page.evaluate(EMPTY)
    for _ in range(300):
        if not empty:
            break
        page.wait_for_timeout(100)
        empty = page.evaluate(EMPTY)
    if empty:
        raise SystemExit(f"{file}: these figures were not drawn: {', '.join(empty)}")
    whole = out.with_name(f"{out.stem}-whole.png")
    page.screenshot(path=whole, full_page=True)
    with Image.open(whole) as found:
        pixels = found.convert("RGB")
    pixels.crop((0, 0, pixels.width, min(window.top, pixels.height))).quantize(256).save(out, optimize=True)
    pixels.quantize(256).save(whole, optimize=True)
    print(f"{out}, {whole}: the page is {page.evaluate('document.documentElement.scrollHeight')} px high")
    page.close()


if __name__ == "__main__":
    main()
