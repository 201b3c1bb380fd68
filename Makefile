# Needs make and a Python of at least 3.11, nothing else: the rest comes into .venv, as locked.
# Only the clients of other languages need more: Node.js of at least 20 with npm, and cargo.
# PYTHON=... names another interpreter.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
# Every sidecar that a test starts would compile all of its source, for most of a second.
unexport PYTHONDONTWRITEBYTECODE
BIN = .venv/bin
VENV = .venv/.installed
BUNDLE_BIN = build/bundle-venv/bin
BUNDLE_VENV = build/bundle-venv/.installed
# What measures the coverage of model, wire and core, and what does not, to run side by side.
CORE_TESTS = tests/unit/model tests/unit/wire tests/unit/core tests/properties
OTHER_TESTS = $(filter-out $(CORE_TESTS) tests/unit/__pycache__,$(wildcard tests/unit/*)) \
	tests/simulation
TYPESCRIPT = clients/typescript
NODE_MODULES = $(TYPESCRIPT)/node_modules/.installed
CARGO = cd clients/rust && cargo
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links

.PHONY: help venv check format lint types layers proto-lint proto-fresh errors-fresh file-length \
	quick-coverage quick-others test test-long test-quick sabotage fmt errors proto lock demo clean \
	bench bench-peers bench-chart wheel bundle test-bundle image test-image \
	conformance clients check-clients

help:
	@echo "make demo        a game goes from two sidecars to a third, on this machine"
	@echo "make test        the whole suite"
	@echo "make test-quick  the suite without what is slow or needs real data"
	@echo "make test-long   the tests of chance with many more tries: kills, fuzzing, swapped links"
	@echo "make sabotage    take one guard after the other out of a copy, and see tests turn red"
	@echo "make check       what every change must pass, in under a minute"
	@echo "make bench       measure all rows of docs/performance.md (bench-peers: install the others)"
	@echo "make bench-chart draw the tables and the chart of the docs from the kept results"
	@echo "make fmt         format the code; make proto: regenerate proto/python; make errors: docs/errors.md"
	@echo "make wheel       the wheel and the source archive, into dist/"
	@echo "make bundle      programs that need no Python, as a folder and as one file (test-bundle)"
	@echo "make image       the container image, by docker or buildah, and look that it serves"
	@echo "make clients     build those in TypeScript and Rust (check-clients: format, lint, tests)"
	@echo "make conformance what every client must be able to do, in three languages"
	@echo "make lock        lock the dependencies again (UPGRADE=--upgrade: newest ones)"
	@echo "make venv        only install; make clean: remove what all of this made"

venv: $(VENV)

$(VENV): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python of at least 3.11 found; set PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation -e .
	@touch $@

# Two at a time: the tests of the core take about as long as all the rest together.
check: $(VENV)
	@$(MAKE) --no-print-directory -j2 quick-coverage quick-others types format lint layers \
		proto-lint proto-fresh errors-fresh file-length

format: $(VENV)
	$(BIN)/ruff format --check .

lint: $(VENV)
	$(BIN)/ruff check .

types: $(VENV)
	$(BIN)/mypy

layers: $(VENV)
	$(BIN)/lint-imports

proto-lint: $(VENV)
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code

proto-fresh: $(VENV)
	$(BIN)/python scripts/generate_proto.py --check

errors-fresh: $(VENV)
	$(BIN)/python scripts/errors_page.py --check

file-length: $(VENV)
	$(BIN)/python scripts/check_file_length.py

quick-coverage: $(VENV)
	$(BIN)/pytest $(CORE_TESTS) -m "not slow" --cov --cov-report=term-missing:skip-covered \
		--cov-fail-under=95

quick-others: $(VENV)
	$(BIN)/pytest $(OTHER_TESTS) -m "not slow"

# Two at a time, as most of its tests wait for processes; those of one file never meet. What is to
# be built first has a target of its own.
test: $(VENV)
	$(BIN)/pytest -n 2 --dist loadfile -m "not bundle and not image"

# `make test` skips a client that is not built; here all are.
conformance: $(VENV) clients
	CONFORMANCE_REQUIRED=python,typescript,rust $(BIN)/pytest clients/conformance

clients: $(NODE_MODULES)
	npm --prefix $(TYPESCRIPT) run --silent build
	$(CARGO) build --locked --quiet --examples

check-clients: clients
	npm --prefix $(TYPESCRIPT) run --silent check
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --quiet --all-targets -- --deny warnings
	$(CARGO) test --locked --quiet

$(NODE_MODULES): $(TYPESCRIPT)/package-lock.json
	npm --prefix $(TYPESCRIPT) ci --silent
	@touch $@

# A long form may take many minutes, so only what hangs is cut off.
test-long: $(VENV)
	LANSPREAD_LONG=1 $(BIN)/pytest -m scales --timeout=3600

sabotage: $(VENV)
	$(BIN)/python scripts/sabotage.py

test-quick: $(VENV)
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow and not real_data"

fmt: $(VENV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write

errors: $(VENV)
	$(BIN)/python scripts/errors_page.py

proto: $(VENV)
	$(BIN)/python scripts/generate_proto.py

# What runs and what builds are held to the versions that the tests run with.
lock: $(VENV)
	$(LOCK) $(UPGRADE) pyproject.toml --group dev -o requirements/dev.txt
	$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(LOCK) --group build -c requirements/dev.txt -o requirements/build.txt
	$(LOCK) $(UPGRADE) pyproject.toml --group bundle -c requirements/dev.txt -o requirements/bundle.txt

wheel: $(VENV)
	rm -f dist/*.whl dist/*.tar.gz
	$(BIN)/uv build --quiet --no-build-isolation --out-dir dist

$(BUNDLE_VENV): requirements/bundle.txt
	$(PYTHON) -m venv --clear $(@D)
	$(BUNDLE_BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/bundle.txt
	@touch $@

# Made of the wheel, so that what is frozen is what is shipped, and nothing of the checkout.
bundle: wheel $(BUNDLE_VENV)
	$(BUNDLE_BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
		--force-reinstall dist/*.whl
	$(BUNDLE_BIN)/pyinstaller --noconfirm --log-level WARN --distpath dist \
		--workpath build/pyinstaller bundle/lanspread-peer.spec

test-bundle: bundle
	$(BIN)/pytest -m bundle

image:
	scripts/build_image.sh
	scripts/check_image.sh

test-image: $(VENV)
	$(BIN)/pytest -m image

demo: $(VENV)
	$(BIN)/python demo/demo.py

bench: $(VENV)
	$(BIN)/python -m bench all --keep
	$(BIN)/python -m bench.document

bench-peers: $(VENV)
	$(BIN)/python -m bench.peers.install

bench-chart: $(VENV)
	$(BIN)/python -m bench.document

clean:
	rm -rf .venv build dist .coverage .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis bench/.cache clients/rust/target \
		$(addprefix $(TYPESCRIPT)/,node_modules dist src/generated)
	find sidecar clients proto tests bench scripts demo -name __pycache__ -prune \
		-exec rm -rf {} + 2>/dev/null || true
