# Two commands for a newcomer: `make demo` and `make test`. Everything is set up in .venv, once.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Of pyproject.toml, comma-separated.
EXTRAS ?= test
MINUTES ?= 30
ENGINE ?= docker
COMPOSE ?= docker compose
# Where the image's torch comes from; empty: PyPI, with CUDA.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Tools that look at what is installed stand apart from it, and are pinned, so that two runs say the same.
TOOLS := .venv-tools
HOME_ASSISTANT := .venv-home-assistant
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
AUDITORS := cyclonedx-bom==7.5.0 pip-audit==2.10.1

.PHONY: dist docs demo test test-cluster home-assistant obs check setup system servers bench-dashboard bench-worker bench-cameras bench-overload bench-fleet faults fuzz soak sbom audit image compose clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    set everything up and watch two virtual cameras, one of them manipulated"
	@echo "make test    set everything up and run the tests"
	@echo "make check   lint, types, import rule, docs against configuration"
	@echo "make bench-dashboard   1,000 subscribers for five minutes"
	@echo "make bench-worker      a worker against the raw limit of its backend"
	@echo "make bench-cameras     as many cameras as this machine carries"
	@echo "make bench-overload    four times what a worker can score, for two minutes"
	@echo "make bench-fleet       5,000 cameras through Redis without a network: what the plumbing costs"
	@echo "make faults  break every part while it runs, for long; the figures are in tests-report/faults.json"
	@echo "make test-cluster   primaries under Sentinels and in a Cluster killed, again and again"
	@echo "make home-assistant   the recipe against Home Assistant itself, which is installed beside .venv"
	@echo "make obs     OBS itself pushes to a camera of ours; its packages are installed"
	@echo "make soak    four failing cameras for MINUTES (30): memory, descriptors, threads, log, accounting; soak/ has the plot"
	@echo "make sbom    what is installed, as CycloneDX, in sbom.json; make audit  known vulnerabilities of it"
	@echo "make image BASE=python:3.11-slim-bookworm@sha256:...   the container image on a base that can't change"
	@echo "make compose   the Compose stack with 3 workers and 2 streamers, each part killed; wants the image, root, and Docker or Podman"
	@echo "make docs    the site, in site/; links are checked"
	@echo "make dist    the wheel and the source archive, in dist/"
	@echo "make fuzz    1,000,000 hostile inputs, then coverage-guided where atheris can be installed"
	@echo "make clean   remove .venv and caches"

setup: $(STAMP)

# Debian splits venv from python3: say so instead of failing half-way.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "unmask needs Python 3.11 or newer: PYTHON=python3.x make"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh scripts/install-system.sh venv
	$(PYTHON) -m venv .venv

$(STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile -e '.[$(EXTRAS)]'
	@# On all cores, for which pip takes one; a package's own tests, what nothing of ours loads, and files that are no Python of today, are passed over.
	@$(BIN)/python -m compileall -qq -j 0 -x '/(tests?|sympy|networkx|mpmath|mypyc|_inductor|_dynamo)/' .venv/lib || true
	@touch $@

demo: setup
	$(BIN)/unmask demo

# Beside pip, with -j2, but not beside the apt that may bring venv.
system: | $(BIN)/python
	@sh scripts/install-system.sh test

servers: setup system
	@$(BIN)/python scripts/install_helm.py || test "$$CI" != true
	@sh scripts/install_compose.sh $(BIN)/docker-compose || true

# What measures, or breaks what runs and judges how soon it is back, goes by itself; all else three files at a time, since
# much of it waits.
ALONE := tests/dashboard/test_hub.py tests/dashboard/test_interop.py tests/dashboard/test_page.py tests/dashboard/test_sender.py tests/dashboard/test_session.py \
	tests/dashboard/test_subscription.py tests/e2e tests/faults tests/unmask/bench tests/unmask/live tests/unmask/test_run.py tests/unmask/test_supervisor.py \
	tests/worker/test_drain.py tests/worker/test_kill.py
test: setup servers
	$(BIN)/python -m pytest --durations=20 -n 3 --dist loadfile --no-loadscope-reorder $(addprefix --ignore=,$(ALONE))
	$(BIN)/python -m pytest --durations=20 $(ALONE)

bench-dashboard: setup
	$(BIN)/unmask bench dashboard --seconds 300

bench-worker: setup
	$(BIN)/unmask bench worker

bench-cameras: setup servers
	$(BIN)/unmask bench cameras

# The short form of these is part of `make test`.
test-cluster: setup
	UNMASK_FAULTS=long $(BIN)/python -m pytest tests/faults/test_sentinel.py tests/faults/test_cluster.py

# The newest that its Python can have; 2024.3, the last for 3.11, wants an older josepy than it says.
home-assistant: setup servers
	test -x $(HOME_ASSISTANT)/bin/python || $(PYTHON) -m venv $(HOME_ASSISTANT)
	$(HOME_ASSISTANT)/bin/python -m pip install --disable-pip-version-check -q homeassistant 'josepy<2'
	UNMASK_HOME_ASSISTANT=$(CURDIR)/$(HOME_ASSISTANT)/bin/python $(BIN)/python -m pytest tests/dashboard/notify/test_home_assistant.py

# OBS Studio under a display of its own: 57 of Debian's packages, so not part of `make servers`.
obs: setup servers
	command -v obs >/dev/null || apt-get install -y -qq --no-install-recommends obs-studio
	UNMASK_OBS=obs $(BIN)/python -m pytest tests/streamer/test_obs.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_rules.py

bench-overload: setup
	$(BIN)/unmask bench overload

bench-fleet: setup
	$(BIN)/unmask bench fleet

faults: setup servers
	UNMASK_FAULTS=long $(BIN)/python -m pytest tests/faults tests/unmask/test_run.py

soak: setup servers
	$(BIN)/unmask bench soak --minutes $(MINUTES) --out soak

$(TOOLS)/.installed: Makefile
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --disable-pip-version-check -q $(AUDITORS)
	@touch $@

sbom: setup $(TOOLS)/.installed
	$(TOOLS)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --mc-type application \
		--output-reproducible --of JSON -o sbom.json
	@$(TOOLS)/bin/python -c "import json; d = json.load(open('sbom.json')); print(len(d['components']), 'components in sbom.json, CycloneDX', d['specVersion'])"

audit: setup $(TOOLS)/.installed
	@$(TOOLS)/bin/python scripts/audit.py $(TOOLS)/bin/pip-audit "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

image:
	@case "$(BASE)" in *@sha256:*) ;; *) echo "image: give the base with its digest, BASE=python:3.11-slim-bookworm@sha256:... (docker buildx imagetools inspect python:3.11-slim-bookworm shows it)"; exit 1;; esac
	$(ENGINE) build --build-arg BASE=$(BASE) --build-arg TORCH_INDEX=$(TORCH_INDEX) -t unmask:$(VERSION) .

# Another command: make compose COMPOSE=podman-compose ENGINE=podman
compose: setup
	PYTHONPATH=. $(BIN)/python -m tests.compose.check --compose "$(COMPOSE)" --engine $(ENGINE)

# A broken link, or a page that the navigation does not name, ends it.
docs: setup
	@$(BIN)/python -c "import mkdocs, material" 2>/dev/null || $(BIN)/python -m pip install --disable-pip-version-check -q -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

dist: setup
	$(BIN)/python -m build --no-isolation --outdir dist .

FUZZED := wire subscriber server cursor redact configuration source evidence checkpoint publisher probe device plugin receiver web
fuzz: setup
	PYTHONPATH=. $(BIN)/python -m tests.fuzz.drive --inputs 1000000 --out docs/fuzz.json
	@if $(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --disable-pip-version-check atheris; \
	then for name in $(FUZZED); do PYTHONPATH=. $(BIN)/python -m tests.fuzz.guided $$name --runs 20000 || exit 1; done; \
	else echo "no atheris for this Python: not guided by coverage"; fi

clean:
	rm -rf .venv $(TOOLS) $(HOME_ASSISTANT) sbom.json .pytest_cache .mypy_cache .ruff_cache *.egg-info build dist site
