# pyright: reportMissingImports=false
"""Pictures of pages in headless Chromium, at the width of a desk and of a phone, light and dark.

    python benchmarks/screenshots.py PAGE.html... --out docs/screenshots --top 2400

`--top` keeps that many pixels from the top, which of a page show the verdict and no picture of the data set. Files have
256 colours. Needs `pip install 'contrascope[browser]'` and a Chromium.
"""

import argparse
import shutil
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Page, sync_playwright

SIZES: dict[str, tuple[int, int, Literal["light", "dark"]]] = {
    "desktop": (1280, 900, "light"),
    "phone": (390, 844, "dark"),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--top", type=int, help="pixels from the top; unset: the whole page")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for file in chosen.pages:
            for name, (width, height, scheme) in SIZES.items():
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto(file.resolve().as_uri())
                draw_all(page)
                picture = chosen.out / f"{file.stem}-{name}.png"
                page.screenshot(path=picture, full_page=True)
                reduce(picture, chosen.top)
                print(picture)
                page.close()
        browser.close()


def reduce(picture: Path, top: int | None):
    with Image.open(picture) as whole:
        part = whole.crop((0, 0, whole.width, min(top or whole.height, whole.height)))
    part.convert("RGB").quantize(256).save(picture, optimize=True)


def draw_all(page: Page):
    """Scrolls through the page so that every figure is drawn, and back."""
    for plot in page.locator(".plot").all():
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for(state="attached")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(800)


if __name__ == "__main__":
    main()
