# Everything a new machine with Python, git and make needs: `make demo` and `make test` set themselves up.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
READY := $(VENV)/.ready
TEST_FLAGS ?= -n 2

.PHONY: demo test test-slow test-browser chromium check format lint types contracts install bench docs screenshots clean

install: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --upgrade pip
	$(RUN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(RUN)/python -m pip install --quiet -c constraints.txt --no-deps torchvision timm lightly lightly_utils
	touch $@

demo: $(READY)
	run=runs/demo-$$(date +%Y%m%d-%H%M%S) && \
	$(RUN)/contrascope train digits-simclr --out $$run && \
	$(RUN)/contrascope report $$run

test: $(READY)
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -m "not slow and not gpu" $(TEST_FLAGS)

# Simulations of coverage need one thread each; all else may use both cores, or start processes of its own.
test-slow: $(READY)
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -m "slow and not gpu" -k cover -rs $(TEST_FLAGS)
	OMP_NUM_THREADS=2 $(RUN)/python -m pytest -m "slow and not gpu" -k "not cover" -rs

# A Chromium of the system, installed where that can be done without a question.
chromium: $(READY)
	$(RUN)/python -m pip install --quiet -c constraints.txt playwright axe-playwright-python
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	    timeout 300 sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium' >/dev/null; } || \
	  echo "no Chromium: install it (Debian: apt install chromium)"

# The report page in headless Chromium; skips with a reason where there is none and none can be installed.
test-browser: chromium
	$(RUN)/python -m pytest -rs tests/reports/test_browser.py

check: format lint types contracts test

format: $(READY)
	$(RUN)/ruff format --check src tests benchmarks tools

lint: $(READY)
	$(RUN)/ruff check src tests benchmarks tools

types: $(READY)
	$(RUN)/pyright

contracts: $(READY)
	$(RUN)/lint-imports

bench: $(READY)
	$(RUN)/python -m pip install --quiet -c constraints.txt --no-deps torchvision lightly lightly_utils kornia kornia_rs
	$(RUN)/python -m pip install --quiet -c constraints.txt matplotlib lightning_utilities

# The site, into build/docs/site; to look at it: python3 -m http.server -d build/docs/site
docs: $(READY)
	$(RUN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(RUN)/python tools/build_docs.py
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest tests/docs/test_built.py

# Pictures of the site, into docs/screenshots; needs a Chromium, as test-browser does.
screenshots: docs chromium
	$(RUN)/python tools/site_screenshots.py

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
