# Everything a person or a workflow does here is a target here. Needs Python 3.10 or newer and make, and a C compiler for
# what compiles; pip fetches the rest. A target that needs other programs says so.

PYTHON ?= $(shell for python in python3 python3.15 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo $$python; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check
# worksteal: neighbours, which share servers, stay in one process as far as they can.
PYTEST_ARGS ?= -n auto --dist worksteal
ADDRESS ?= 127.0.0.1:8000
EXAMPLE ?= examples/demo
CERTIFICATE := $(abspath $(VENV))/tls/cert.pem
TLS_OPTIONS = $(if $(TLS),--config $(abspath examples/tls.conf.py) --certfile $(CERTIFICATE) --keyfile $(dir $(CERTIFICATE))key.pem)

# One environment, one package directory: two recipes at once would get in each other's way.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1##/p' $(firstword $(MAKEFILE_LIST)) | awk -F '##' '{ printf "make %-18s %s\n", $$1, $$2 }'

# ---- environment: each stamp is a file in $(VENV), so a second call does nothing ----

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "No Python 3.10 or newer found: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) scripts/preflight.py venv
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install -q --upgrade 'pip>=25.1'
	@touch $@

# The dependencies of gasgi itself and, for each group, its tools.
$(VENV)/.group-%: pyproject.toml | $(VENV)/.made
	$(PIP) install -q --group $*
	@touch $@

# A link to src/ and the dependencies; compiling is left to the targets below.
$(VENV)/.installed: pyproject.toml setup.py $(VENV)/.group-build
	rm -rf build
	GASGI_EXTENSIONS=off $(PIP) install -q --no-build-isolation --editable .
	@touch $@

# Without a stamp: Cython and setuptools look at the sources themselves and are done in a second when nothing changed.
.PHONY: compile compile-if-possible
compile: $(VENV)/.installed ## compile in place; no compiler is an error
	@$(PY) scripts/preflight.py compiler
	GASGI_EXTENSIONS=require $(PY) setup.py -q build_ext --inplace

compile-if-possible: $(VENV)/.installed
	GASGI_EXTENSIONS=auto $(PY) setup.py -q build_ext --inplace

# ---- run and test ----

.PHONY: run
run: compile-if-possible $(VENV)/.example $(if $(TLS),$(CERTIFICATE)) ## serve the example at 127.0.0.1:8000; with TLS and HTTP/2: make run TLS=1
	@$(BIN)/gasgi --report
	$(BIN)/gasgi main:app --chdir $(EXAMPLE) --bind $(ADDRESS) $(TLS_OPTIONS)

$(VENV)/.example: $(EXAMPLE)/requirements.txt $(VENV)/.installed
	$(PIP) install -q -r $<
	@touch $@

# h2: gunicorn does not start with HTTP/2 without it.
$(CERTIFICATE): scripts/make_certificate.py $(VENV)/.installed
	$(PIP) install -q trustme h2
	$(PY) $< $(@D)

.PHONY: test test-compiled test-pure
test: test-compiled test-pure ## the suite, compiled and pure

test-compiled: compile $(VENV)/.group-test $(VENV)/.example ## compiled only; part of it: make test-compiled PYTEST_ARGS=tests/unit
	GASGI_EXTENSIONS=require $(PY) -m pytest $(PYTEST_ARGS)

# Without the tests of packages: they build both versions whatever the suite runs with. COVERAGE=1 measures what
# make coverage does, on the way.
test-pure: $(VENV)/.installed $(VENV)/.group-test $(VENV)/.example ## pure only
	GASGI_EXTENSIONS=off $(PY) -m pytest $(PYTEST_ARGS) --ignore tests/packaging \
		$(if $(COVERAGE),-p tests.support.moves --cov --cov-report=)
	$(if $(COVERAGE),$(PY) -m coverage report --skip-covered)

.PHONY: test-programs find-programs find-nginx
test-programs: find-programs compile $(VENV)/.group-test $(VENV)/.example ## the rest of it: what runs nginx, haproxy, apache2, wrk, curl, nghttp2, Prometheus and a browser, or needs IPv6
	GASGI_EXTENSIONS=require $(PY) -m pytest -m "needs_program or needs_ipv6" $(PYTEST_ARGS)
	GASGI_EXTENSIONS=off $(PY) -m pytest -m "needs_program or needs_ipv6" $(PYTEST_ARGS)

find-programs:
	@$(PYTHON) -m tests.support.programs

find-nginx:
	@$(PYTHON) -m tests.support.programs nginx

.PHONY: test-frameworks
test-frameworks: find-nginx compile $(VENV)/.group-test $(VENV)/.frameworks ## ten frameworks and their real clients, compiled and pure (needs nginx)
	GASGI_EXTENSIONS=require $(PY) -m pytest tests/frameworks -m "" -n auto --dist loadfile
	GASGI_EXTENSIONS=off $(PY) -m pytest tests/frameworks -m "" -n auto --dist loadfile

$(VENV)/.frameworks: tests/frameworks/requirements.txt $(VENV)/.installed
	$(PIP) install -q -r $<
	@touch $@

.PHONY: test-all
test-all: ## make test on every Python found
	@set -e; for python in $$($(PYTHON) scripts/find_pythons.py); do \
		$(MAKE) --no-print-directory test PYTHON=$$python VENV=.venv-$$(basename $$python); done

.PHONY: test-fresh
test-fresh: ## make test in a bare Debian (needs root and debootstrap); all of it: make test-fresh COMMAND=.ci/run AS=root
	scripts/test_fresh "$(or $(AS),tester)" $(or $(COMMAND),make test)

.PHONY: test-oldest
test-oldest: find-programs ## the integration tests with the oldest gunicorn supported (needs their programs too)
	$(MAKE) --no-print-directory VENV=.venv-oldest compile .venv-oldest/.group-test .venv-oldest/.example
	.venv-oldest/bin/python -m pip install -q 'gunicorn==24.1.1'
	GASGI_EXTENSIONS=require .venv-oldest/bin/python -m pytest tests/integration -m "" $(PYTEST_ARGS)

# What subprocesses run is not measured: worker/, the command and the rest of the boot, which the integration tests hold.
.PHONY: coverage
coverage: ## branches of the pure version that tests take, and the moves between states
	@$(MAKE) --no-print-directory test-pure COVERAGE=1 \
		PYTEST_ARGS="$(PYTEST_ARGS) tests/unit tests/contract tests/connection tests/asgi tests/http2"

.PHONY: sanitize
sanitize: $(VENV)/.installed $(VENV)/.group-test $(VENV)/.example ## compiled with AddressSanitizer and UBSan (gcc), what needs no process of its own
	$(PY) scripts/sanitize.py $(PYTEST_ARGS) tests/contract tests/unit tests/connection tests/asgi tests/fuzz

FUZZ := -dict=tests/fuzz/http.dict -len_control=0 -max_len=1000
.PHONY: fuzz fuzz-long autobahn
fuzz: compile $(VENV)/.group-test $(VENV)/.group-fuzz ## a minute of coverage-guided fuzzing: heads, whole connections of HTTP/1.1 and HTTP/2
	$(PY) -m tests.fuzz.fuzz_head $(FUZZ) -max_total_time=20
	$(PY) -m tests.fuzz.fuzz_connection --seconds 20 $(FUZZ)
	$(PY) -m tests.fuzz.fuzz_http2 --seconds 20

fuzz-long: compile $(VENV)/.group-test $(VENV)/.group-fuzz ## half an hour of it
	$(PY) -m tests.fuzz.fuzz_head $(FUZZ) -max_total_time=600
	$(PY) -m tests.fuzz.fuzz_connection --seconds 600 $(FUZZ)
	$(PY) -m tests.fuzz.fuzz_http2 --seconds 600

autobahn: compile $(VENV)/.group-test $(VENV)/.group-autobahn ## the Autobahn WebSocket cases, compiled and pure
	$(PY) tests/autobahn/run.py

.PHONY: autobahn-part
autobahn-part: compile $(VENV)/.group-test $(VENV)/.group-autobahn ## 1 to 10 of them, and a sample of 12 and 13
	$(PY) tests/autobahn/run.py --cases '?.*,10.*,12.?.1,12.?.6,13.?.1,13.?.6'

# Its source and its binary are not part of the project: Go builds it, or H2SPEC names one that is there.
H2SPEC ?= build/h2spec
H2SPEC_SOURCE := github.com/summerwind/h2spec/cmd/h2spec@v2.6.0
.PHONY: h2spec
h2spec: compile $(VENV)/.group-test $(H2SPEC) ## the HTTP/2 cases of h2spec, with and without TLS, compiled and pure (needs Go)
	$(PY) -m tests.h2spec.run $(abspath $(H2SPEC))

build/h2spec:
	GOBIN=$(abspath build) go install $(H2SPEC_SOURCE)

.PHONY: soak
soak: compile $(VENV)/.group-test ## ten minutes of WebSockets of all kinds, ten of workers that are killed and reloaded: make soak SECONDS=600
	GASGI_EXTENSIONS=require $(PY) -m tests.soak.run --seconds $(or $(SECONDS),600)
	GASGI_EXTENSIONS=require $(PY) -m tests.soak.fleet --seconds $(or $(SECONDS),600)

# ---- lint ----

.PHONY: lint lint-style lint-types lint-cython
lint: lint-style lint-types lint-cython ## ruff, mypy --strict, cython-lint, cython -Werror

lint-style: $(VENV)/.group-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-types: $(VENV)/.installed $(VENV)/.group-lint
	$(BIN)/mypy

lint-cython: $(VENV)/.group-build $(VENV)/.group-lint
	PATH="$(abspath $(BIN)):$$PATH" cython-lint src
	$(PY) scripts/cython_werror.py

.PHONY: format
format: $(VENV)/.group-lint ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: lint-workflows
lint-workflows: $(VENV)/.group-workflows ## actionlint and zizmor
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet .github/workflows

# ---- packages ----

.PHONY: dist check-dist check-install wheels wheel-identifiers
dist: $(VENV)/.group-build $(VENV)/.group-dist ## sdist, wheel of this platform, pure wheel
	rm -rf dist
	GASGI_EXTENSIONS=require $(PY) -m build --no-isolation --outdir dist .
	GASGI_EXTENSIONS=off $(PIP) wheel -q --no-build-isolation --no-deps --wheel-dir dist dist/gasgi-*.tar.gz

check-dist: dist ## metadata, contents and platform tags of what make dist built
	$(PY) -m twine check --strict dist/*
	$(BIN)/check-wheel-contents dist
	@if [ "$$(uname)" = Linux ]; then $(BIN)/auditwheel show dist/gasgi-*-linux_*.whl; fi

check-install: dist ## install them in clean environments and serve a request from each
	scripts/check_install $(PY) dist

wheels: $(VENV)/.group-wheels ## this platform's wheels with cibuildwheel (needs docker on Linux)
	$(BIN)/cibuildwheel --output-dir wheelhouse

wheel-identifiers: $(VENV)/.group-wheels ## which wheels a release has
	@$(BIN)/cibuildwheel --platform linux --archs x86_64,aarch64 --print-build-identifiers
	@$(BIN)/cibuildwheel --platform macos --archs x86_64,arm64 --print-build-identifiers

# ---- documentation and benchmarks ----

.PHONY: docs docs-serve
docs: $(VENV)/.installed $(VENV)/.group-docs ## build the site, warnings are errors
	$(PY) -m mkdocs build --strict

docs-serve: $(VENV)/.installed $(VENV)/.group-docs ## build it again at every change, at 127.0.0.1:8000
	$(PY) -m mkdocs serve

# In an environment of their own, since benchmarks/requirements.txt names every version.
BENCH := VENV=.venv-bench
.PHONY: bench bench-quick bench-regress tuning bench-environment
bench bench-quick bench-regress tuning:
	@$(MAKE) --no-print-directory $(BENCH) $@-here

bench-environment: compile $(VENV)/.benchmarks

$(VENV)/.benchmarks: benchmarks/requirements.txt | $(VENV)/.made
	$(PIP) install -q -r $<
	@touch $@

bench: ## every workload against every peer, 1 to 10,000 connections, latency, memory, boot
bench-here: bench-environment
	$(PY) benchmarks/run.py --extra

bench-quick: ## three minutes of it
bench-quick-here: bench-environment
	$(PY) benchmarks/run.py --quick

bench-regress: ## compare with a commit: make bench-regress BASE=origin/main
bench-regress-here: bench-environment
	$(PY) benchmarks/regress.py --base $(or $(BASE),origin/main)

.PHONY: core-distance
core-distance: ## ns that a cache line takes from core to core and back, ten times: make core-distance CORES="0 1"
	@mkdir -p benchmarks/build
	cc -O2 -pthread -o benchmarks/build/core_distance benchmarks/core_distance.c
	@for i in 1 2 3 4 5 6 7 8 9 10; do benchmarks/build/core_distance $(or $(CORES),0 1) 32; sleep 1; done

.PHONY: bench-history
bench-history: ## keep comparisons on the branch benchmark-history: make bench-history FILE=... REMOTE=...
	@scripts/keep_history $(or $(FILE),benchmarks/results/history.jsonl) $(or $(REMOTE),$(shell git remote get-url origin))

tuning: ## the experiments of docs/tuning.md, five minutes (needs wrk, openssl and nginx); one: make tuning ONLY=blocking
tuning-here: bench-environment
	$(PY) benchmarks/tuning/run.py $(if $(ONLY),--only $(ONLY))

.PHONY: clean
clean: ## remove everything that was built here
	rm -rf build benchmarks/build dist wheelhouse site .venv* src/gasgi/*.so src/gasgi/*/*.so src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
