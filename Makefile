# Two commands to know: `make run` starts the gateway, `make test` tests everything.
# ARGS goes to what is run:  make run ARGS="--origin http://127.0.0.1:8000"

# Empty: the system's, or python3 from the PATH; see tools/make-venv.
PYTHON  ?=
VENV    ?= .venv
REACTOR ?= gateway
ARGS    ?=
# Where the external judges lie; without them `make conformance` has nothing to do.
JUDGES  ?= ../shared/conformance

BIN := $(VENV)/bin
PLUGINS := $(sort $(wildcard plugins/gateway_*/__init__.py))
PLUGIN_TESTS := $(patsubst plugins/%/tests/__init__.py,%.tests,$(sort $(wildcard plugins/gateway_*/tests/__init__.py)))
UNIT_TESTS := $(patsubst tests/%/__init__.py,tests.%,$(filter-out tests/live/%,$(sort $(wildcard tests/*/__init__.py))))
TRIAL := $(BIN)/python -m twisted.trial --reactor=$(REACTOR)

# An install holds until the metadata or the set of bundled plugins changes; it is by path, so edits need none.
SET := $(shell echo $(PLUGINS) | cksum | cut -d' ' -f1)
RUNTIME := $(VENV)/.installed-$(SET)
TOOLS := $(VENV)/.installed-test-$(SET)
KERBEROS := $(VENV)/.installed-kerberos-$(SET)

.PHONY: help run test unit coverage lint check-style check-format check-types check-imports check-news check-docs \
	check-mib check-install conformance bench docs apidocs clean

help:
	@echo 'make run          start the gateway: a forward proxy on 127.0.0.1:8080'
	@echo 'make test         every test, against real servers too (installs those where it may)'
	@echo 'make unit         the tests that need no server; the quick inner loop is: make unit PLUGIN_TESTS='
	@echo 'make coverage     the same, with branch coverage of the parsers and the pipeline'
	@echo 'make lint         style, types, imports, news fragments, generated documents'
	@echo 'make conformance  the external judges against tests/floors.json; raises the floors'
	@echo 'make bench        side by side with other proxies'
	@echo 'make docs         write the generated documents again'
	@echo 'make clean        remove what was made here'

$(RUNTIME): setup.py pyproject.toml
	PYTHON='$(PYTHON)' tools/make-venv $(VENV)
	@echo 'Installing the gateway into $(VENV)'
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(TOOLS): setup.py pyproject.toml
	PYTHON='$(PYTHON)' tools/make-venv $(VENV)
	@echo 'Installing the gateway and what its tests need into $(VENV)'
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@ $(RUNTIME)

# Built against the system's Kerberos, which unit tests do without.
$(KERBEROS): setup.py
	@echo 'Building what live tests of Kerberos need into $(VENV)'
	@if $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[kerberos]'; then touch $@; else \
		echo 'Not built, so these tests will fail: it takes gcc, libkrb5-dev and the headers of Python' >&2; \
		[ -z "$$CI" ]; \
	fi

run: $(RUNTIME)
	@$(BIN)/twistd -n --pidfile= gateway $(ARGS)

test: $(TOOLS)
	tools/debian-packages test
	@$(MAKE) --no-print-directory $(KERBEROS)
	$(TRIAL) tests $(PLUGIN_TESTS)

unit: $(TOOLS)
	$(TRIAL) $(UNIT_TESTS) $(PLUGIN_TESTS)

# The parts where a branch nobody has run is a hole: framing, values, and the path of a request.
coverage: $(TOOLS)
	$(BIN)/python -m coverage run -m twisted.trial --reactor=$(REACTOR) $(UNIT_TESTS) $(PLUGIN_TESTS)
	$(BIN)/python -m coverage report --include='gateway/wire/*,gateway/message/*,gateway/pipeline/*' --fail-under=95

lint: check-style check-format check-types check-imports check-news check-docs check-mib

check-style: $(TOOLS)
	$(BIN)/ruff check .

check-format: $(TOOLS)
	$(BIN)/ruff format --check .

check-types: $(TOOLS)
	$(BIN)/mypy

check-imports: $(TOOLS)
	$(BIN)/lint-imports --no-logo

check-news: $(TOOLS)
	$(BIN)/python tools/check_news.py

check-docs: $(TOOLS)
	$(BIN)/python tools/generate_docs.py --check

check-mib: $(TOOLS)
	tools/debian-packages lint
	$(BIN)/python tools/check_mib.py

check-install:
	PYTHON='$(PYTHON)' tools/check-install

conformance: $(TOOLS)
	tools/debian-packages conformance
	$(BIN)/python tools/conformance.py --raise $(JUDGES) $(ARGS)

bench: $(TOOLS)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(TOOLS)
	$(BIN)/python tools/generate_docs.py

apidocs: $(TOOLS)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[docs]'
	$(BIN)/pydoctor

clean:
	rm -rf $(VENV) build dist *.egg-info apidocs htmlcov .coverage* _trial_temp* .hypothesis \
		.mypy_cache .ruff_cache .import_linter_cache twistd.pid twisted/plugins/dropin.cache
	find gateway plugins tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
