# make demo   sets up .venv, installs the base package, inspects a real photo and a forgery of it
# make web    installs what the page needs, and opens it on the demo's pictures (after make demo)
# make test   installs what tests need and runs them, but for those marked slow
# make check  lint, format, types of everything written in Python, and import contracts
PYTHON ?= python3
BIN := .venv/bin
# pip separates places by spaces, uv by commas
empty :=
comma := ,
export UV_FIND_LINKS := $(or $(UV_FIND_LINKS),$(subst $(empty) $(empty),$(comma),$(strip $(PIP_FIND_LINKS))))
# uv where it can be had, plain pip otherwise
INSTALL = $(BIN)/python -m $(if $(shell $(BIN)/python -m uv --version 2>/dev/null),uv pip install --python $(BIN)/python,pip install) -c constraints.txt

.PHONY: demo web test check clean

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than Python 3.11; set PYTHON=<a newer one>"; exit 1; }
	$(PYTHON) -m venv .venv
	-$(BIN)/python -m pip install --quiet uv
	@touch $@

.venv/base: pyproject.toml constraints.txt | .venv/created
	@echo "installing tamperlens (base)"
	$(INSTALL) -e . || { echo "error: the base package could not be installed; the lines above say what failed"; exit 1; }
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/created
	@echo "installing tamperlens with everything tests need"
	$(INSTALL) -e '.[dev]' || { echo "error: the test requirements could not be installed; the lines above say what failed"; exit 1; }
	@touch $@ .venv/base .venv/web

demo: .venv/base
	$(BIN)/python examples/demo.py

.venv/web: pyproject.toml constraints.txt | .venv/created
	@echo "installing tamperlens with its web page"
	$(INSTALL) -e '.[web]' || { echo "error: what the page needs could not be installed; the lines above say what failed"; exit 1; }
	@touch $@ .venv/base

web: .venv/web
	$(BIN)/tamperlens serve --open $(wildcard demo/photograph.jpg demo/forgery.png)

test: .venv/dev
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv demo
