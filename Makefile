# Everything a person or a CI runs. Needs python3 (3.11 or newer, with venv) and make; the rest installs itself into .venv.

PYTHON ?= python3
PORT ?= 8401
STACK ?= heliograph
ARCHITECTURE ?= arm64
SNAPSTART ?= off
RELEASE := $(shell date -u +%Y%m%dT%H%M%SZ)
VENV := .venv
INSTALLED := $(VENV)/.installed
include layers/core/python.mk
LAMBDA_VENV := .venv-$(LAMBDA_PYTHON)
export SAM_CLI_TELEMETRY := 0

.DEFAULT_GOAL := help
.PHONY: help demo up down upstream test test-here test-elsewhere unit contract integration e2e screenshots check format bench build deploy key ledger routes open close keys stop resume lock clean

help: ## what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(INSTALLED) ## see it work: a photo in a bucket, then a call of the API (PHOTO=… for your own)
	@$(VENV)/bin/python -m local demo $(if $(PHOTO),--photo "$(PHOTO)")

up: $(INSTALLED) ## leave the whole stack running on this machine, to play with
	@$(VENV)/bin/python -m local up

down: $(INSTALLED) ## end what `make up` started
	@$(VENV)/bin/python -m local down

upstream: $(INSTALLED) ## the simulated image vendor alone, in the foreground (PORT=8401)
	@$(VENV)/bin/python -m local.upstream --port $(PORT) --admit-loopback-references

QUICK_TESTS := tests/unit tests/contract tests/integration
# Each target's output in one piece, where make can do that (4.0).
AT_ONCE := --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

test: $(INSTALLED) ## everything: check, and all tests; those that need no local stack also on another Python and day
	@$(MAKE) --no-print-directory $(AT_ONCE) check test-here test-elsewhere
	$(VENV)/bin/python -m pytest $(QUICK_TESTS:%=--ignore=%)

test-here: $(INSTALLED) ## unit, contract and integration tests
	$(VENV)/bin/python -m pytest $(QUICK_TESTS)

# Without that Python, only the day differs. The cache belongs to the other pass, which may run at the same time.
ELSEWHERE = $(if $(LAMBDA_PYTHON_HERE),$(LAMBDA_VENV),$(VENV))

.SECONDEXPANSION:
test-elsewhere: $$(ELSEWHERE)/.installed ## the same two years ahead, on the functions' own Python (3.13) where it is here
	@[ -n "$(LAMBDA_PYTHON_HERE)" ] || echo "no Python $(LAMBDA_PYTHON) is here: this pass runs on the Python at hand"
	$(ELSEWHERE)/bin/python -m pytest -p no:cacheprovider --days-ahead 731 $(QUICK_TESTS)

unit: $(INSTALLED) ## unit tests: no network, no AWS
	$(VENV)/bin/python -m pytest -q tests/unit

contract: $(INSTALLED) ## contract tests: the template, the workflows, the API's description, events, imports
	$(VENV)/bin/python -m pytest -q tests/contract

integration: $(INSTALLED) ## integration tests: functions and adapters, with AWS as moto plays it
	$(VENV)/bin/python -m pytest -q tests/integration

e2e: $(INSTALLED) ## end-to-end tests: the whole application on the local stack
	$(VENV)/bin/python -m pytest tests/e2e

screenshots: $(INSTALLED) ## take the playground's pictures anew, into docs/screenshots
	@mkdir -p docs/screenshots
	HELIOGRAPH_SCREENSHOTS=docs/screenshots HELIOGRAPH_PICTURE_PX=1536 $(VENV)/bin/python -m pytest -q tests/e2e/test_playground.py -k pictures_can_be_taken

check: $(INSTALLED) ## what needs no running: ruff, mypy, import contracts, cfn-lint, sam validate
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	PYTHONPATH=layers/core:. $(VENV)/bin/lint-imports
	$(VENV)/bin/cfn-lint template.yaml
	AWS_DEFAULT_REGION=us-east-1 $(VENV)/bin/sam validate --lint

format: $(INSTALLED) ## let ruff write
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

bench: $(INSTALLED) ## measure, and write docs/performance.md (TOPIC=… for one; see benchmarks/__main__.py)
	PYTHONPATH=layers/core:. $(VENV)/bin/python -m benchmarks $(TOPIC)

build: $(INSTALLED) ## build for AWS (ARCHITECTURE=arm64 or x86_64)
	PIP="$(abspath $(VENV))/bin/python -m pip" LAMBDA_ARCHITECTURE=$(ARCHITECTURE) \
		$(VENV)/bin/sam build --parameter-overrides Architecture=$(ARCHITECTURE)
	@test -d .aws-sam/build/CoreLayer/python/heliograph/__pycache__ || echo "The layer has no bytecode, because no Python" \
		"of the functions' version is here: they will start three times as slowly. See layers/core/Makefile."

deploy: build ## deploy to your AWS account, then ask for the vendor's key (STACK=heliograph; ARCHITECTURE, SNAPSTART)
	$(VENV)/bin/sam deploy --guided --stack-name $(STACK) \
		--parameter-overrides Architecture=$(ARCHITECTURE) SnapStart=$(SNAPSTART) Release=$(RELEASE)
	$(MAKE) key

key: $(INSTALLED) ## put the vendor's key into a deployed stack's secret (STACK=heliograph)
	@$(VENV)/bin/python -m operations.upstream_key --stack $(STACK)

OPERATE = @PYTHONPATH=layers/core $(VENV)/bin/python -m operations --stack $(STACK)

ledger: $(INSTALLED) ## does the ledger agree with the jobs, to the micro-dollar? (STACK=heliograph)
	$(OPERATE) ledger

routes: $(INSTALLED) ## how every route is doing (STACK=heliograph)
	$(OPERATE) routes

open: $(INSTALLED) ## take a route out of service, for a drill or a repair (ROUTE=… REASON=…)
	$(OPERATE) open "$(ROUTE)" --reason "$(REASON)"

close: $(INSTALLED) ## put a route back into service (ROUTE=…)
	$(OPERATE) close "$(ROUTE)"

keys: $(INSTALLED) ## the API keys there are (new ones: python -m operations new-key --help)
	$(OPERATE) keys

stop: $(INSTALLED) ## the kill switch: no create call leaves until make resume (REASON=…)
	$(OPERATE) stop --reason "$(REASON)"

resume: $(INSTALLED) ## let create calls leave again
	$(OPERATE) resume

LOCK := .local/lock
READ := import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]

lock: ## take the newest versions that pyproject.toml allows: for the layer, and (with sam and the emulator) for this machine
	rm -rf $(LOCK) && $(PYTHON) -m venv $(LOCK)
	$(PYTHON) -c '$(READ); print(*p["dependencies"], sep="\n")' > $(LOCK)/layer.txt
	$(PYTHON) -c '$(READ); print(*sum(p["optional-dependencies"].values(), []), sep="\n")' > $(LOCK)/rest.txt
	$(LOCK)/bin/python -m pip install --quiet --requirement $(LOCK)/layer.txt
	echo "# The layer, pinned whole: what pyproject.toml asks for and all that it brings. Made by make lock." \
		> layers/core/requirements.txt
	$(LOCK)/bin/python -m pip freeze >> layers/core/requirements.txt
	$(LOCK)/bin/python -m pip install --quiet --requirement $(LOCK)/layer.txt --requirement $(LOCK)/rest.txt
	$(LOCK)/bin/python -m pip freeze > requirements.lock

clean: down ## remove what was built and installed
	rm -rf $(VENV) $(LAMBDA_VENV) .local .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-output

$(LAMBDA_VENV)/.installed: override PYTHON = $(LAMBDA_PYTHON_HERE)
$(INSTALLED) $(LAMBDA_VENV)/.installed: requirements.lock
	@echo "installing into $(@D) (a minute or two, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@touch $@
