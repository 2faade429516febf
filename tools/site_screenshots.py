"""Pictures of the site at the width of a desk and of a phone: `make screenshots`, or this file after `make docs`.

A page of each kind, its first 1,800 pixels, as docs/screenshots/site-*.png. Needs a Chromium and the extra `browser`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SITE, KEPT = ROOT / "build" / "docs" / "site", ROOT / "docs" / "screenshots"
PAGES = {
    "home": "index.html",
    "start": "start.html",
    "symptoms": "symptoms.html",
    "method": "methods/dino.html",
    "reference": "api/losses.html",
}
TOP = "1800"
MOST_BYTES = 300_000


def main() -> int:
    """Takes them all; a picture that is too large for the repository ends it."""
    missing = [page for page in PAGES.values() if not (SITE / page).is_file()]
    if missing:
        print(f"site_screenshots: {SITE} has no {', '.join(missing)}. Build it first: make docs.")
        return 1
    camera = [sys.executable, str(ROOT / "benchmarks" / "screenshots.py"), "--top", TOP, "--out"]
    with tempfile.TemporaryDirectory() as folder:
        pages = [str(SITE / page) for page in PAGES.values()]
        subprocess.run([*camera, folder, *pages], check=True, stdout=subprocess.DEVNULL)
        for name, page in PAGES.items():
            for width in ("desktop", "phone"):
                taken = Path(folder) / f"{Path(page).stem}-{width}.png"
                kept = KEPT / f"site-{name}-{width}.png"
                kept.write_bytes(taken.read_bytes())
                print(kept.relative_to(ROOT), kept.stat().st_size)
    large = [one.name for one in KEPT.glob("site-*.png") if one.stat().st_size > MOST_BYTES]
    if large:
        print(f"site_screenshots: above {MOST_BYTES} bytes: {', '.join(large)}. Lower TOP.")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main())
