# pyright: reportMissingImports=false
"""Pictures of pages in headless Chromium, at the width of a desk and of a phone, light and dark.

    python benchmarks/screenshots.py PAGE.html... --out docs/screenshots --top 2400

Says of each picture how high the whole page is, and ends with an error where a figure was not drawn: nothing is scrolled.
`--top` keeps that many pixels from the top. Files have 256 colours. Needs `pip install 'contrascope[browser]'` and a Chromium.
"""

import argparse
import shutil
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import sync_playwright

SIZES: dict[str, tuple[int, int, Literal["light", "dark"]]] = {
    "desktop": (1280, 900, "light"),
    "phone": (390, 844, "dark"),
}

EMPTY = """[...document.querySelectorAll(".plot")].filter((plot) => !plot.querySelector(".main-svg .trace path"))
  .map((plot) => plot.id)"""
"""Figures without a drawing."""


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
                page.set_default_timeout(120_000)
                page.goto(file.resolve().as_uri())
                page.wait_for_timeout(2000)
                empty = page.evaluate(EMPTY)
                if empty:
                    raise SystemExit(f"{file}: these figures were not drawn: {', '.join(empty)}")
                picture = chosen.out / f"{file.stem}-{name}.png"
                page.screenshot(path=picture, full_page=True)
                reduce(picture, chosen.top)
                print(
                    f"{picture}: the page is {page.evaluate('document.documentElement.scrollHeight')} px high"
                )
                page.close()
        browser.close()


def reduce(picture: Path, top: int | None):
    with Image.open(picture) as whole:
        part = whole.crop((0, 0, whole.width, min(top or whole.height, whole.height)))
    part.convert("RGB").quantize(256).save(picture, optimize=True)


if __name__ == "__main__":
    main()
