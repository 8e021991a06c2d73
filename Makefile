# Everything a person or a CI runs. Needs python3 (3.11 or newer, with venv) and make; the rest installs itself into .venv.

PYTHON ?= python3
PORT ?= 8401
# Which deployment: STACK=heliograph and your AWS profile's Region, unless they are named, or ENV=… of samconfig.toml.
STACK ?=
REGION ?=
VENV := .venv
INSTALLED := $(VENV)/.installed
# The newest cfn-lint: the SAM CLI holds the one in the environment back.
CFN_LINT := .local/cfn-lint
CFN_LINT_INSTALLED := $(CFN_LINT)/.installed
include layers/core/python.mk
LAMBDA_VENV := .venv-$(LAMBDA_PYTHON)
# Nothing is installed but what the pins name, byte for byte, and they name everything (`pip check`). Nothing is built,
# which would run what no pin names.
HASHED := --require-hashes --no-deps --only-binary :all:
export SAM_CLI_TELEMETRY := 0

.DEFAULT_GOAL := help
.PHONY: help demo up down provider test test-here test-elsewhere test-tools unit contract integration tools browser e2e \
	coverage screenshots check format openapi bench build preflight deploy key routes disable-route enable-route \
	pause-spending resume-spending ledger keys new-key revoke-key lock clean

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

demo: $(INSTALLED) ## run the demo: edit a photo in a bucket, then call the API (PHOTO=… for your own)
	@$(VENV)/bin/python -m local demo $(if $(PHOTO),--photo "$(PHOTO)")

up: $(INSTALLED) ## start the whole stack on this machine and leave it running
	@$(VENV)/bin/python -m local up

down: $(INSTALLED) ## stop what `make up` started
	@$(VENV)/bin/python -m local down

provider: $(INSTALLED) ## start the provider simulator alone, in the foreground (PORT=8401)
	@$(VENV)/bin/python -m local.provider --port $(PORT) --admit-loopback-references

QUICK_TESTS := tests/unit tests/contract tests/integration tests/layer
# Each target's output in one piece, where make can do that (4.0).
AT_ONCE := --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

test: $(INSTALLED) ## run all checks and tests, and those without the local stack also on another Python and day
	@$(MAKE) --no-print-directory $(AT_ONCE) check test-here test-elsewhere
	@$(MAKE) --no-print-directory e2e
	@$(MAKE) --no-print-directory test-tools

test-here: $(INSTALLED) ## run unit, contract and integration tests
	$(VENV)/bin/python -m pytest $(QUICK_TESTS)

# Without that Python, only the day differs. The cache belongs to the other pass, which may run at the same time.
ELSEWHERE = $(if $(LAMBDA_PYTHON_HERE),$(LAMBDA_VENV),$(VENV))

.SECONDEXPANSION:
test-elsewhere: $$(ELSEWHERE)/.installed ## run the same tests two years ahead, on the functions' Python (3.13) if it is installed
	@[ -n "$(LAMBDA_PYTHON_HERE)" ] || echo "no Python $(LAMBDA_PYTHON) is here: this pass runs on the Python at hand"
	$(ELSEWHERE)/bin/python -m pytest -p no:cacheprovider --days-ahead 731 $(QUICK_TESTS)

# After the end-to-end tests, not beside them: a browser's tests wait five seconds for a page, on a machine with two cores.
test-tools: $(INSTALLED) ## run the tests of the tools and of the playground's page
	$(VENV)/bin/python -m pytest -p no:cacheprovider local/tests benchmarks/tests tests/browser

unit: $(INSTALLED) ## run the unit tests, but the slow ones: no network, no AWS, under a minute
	$(VENV)/bin/python -m pytest -q -m "not slow" tests/unit

contract: $(INSTALLED) ## run the contract tests: template, workflows, the API's description, events, imports
	$(VENV)/bin/python -m pytest -q tests/contract

integration: $(INSTALLED) ## run the integration tests: functions and adapters, with AWS simulated by moto
	$(VENV)/bin/python -m pytest -q tests/integration tests/layer

tools: $(INSTALLED) ## run the tests of the emulator, the provider simulator and the benchmarks
	$(VENV)/bin/python -m pytest -q local/tests benchmarks/tests

browser: $(INSTALLED) ## run the browser tests: the playground's page in Chromium, with a scripted API
	$(VENV)/bin/python -m pytest -q tests/browser

e2e: $(INSTALLED) ## run the end-to-end tests: the whole application on the local stack
	$(VENV)/bin/python -m pytest tests/e2e

coverage: $(INSTALLED) ## measure what unit, contract and integration tests run of the functions and their layer, by line and branch
	$(VENV)/bin/coverage run -m pytest -q $(QUICK_TESTS)
	@$(VENV)/bin/coverage html --quiet --directory .local/coverage-report
	$(VENV)/bin/coverage report

screenshots: $(INSTALLED) ## take the playground's screenshots again, into docs/screenshots
	@mkdir -p docs/screenshots
	HELIOGRAPH_SCREENSHOTS=docs/screenshots HELIOGRAPH_PICTURE_PX=1536 $(VENV)/bin/python -m pytest -q tests/e2e/test_playground.py -k pictures_can_be_taken

check: $(INSTALLED) $(CFN_LINT_INSTALLED) ## run the static checks: ruff, mypy, import contracts, cfn-lint, rights, workflows, sam validate
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	PYTHONPATH=layers/core:. $(VENV)/bin/lint-imports
	PYTHONPATH=layers/core:. $(VENV)/bin/python -m tests.contract.linted $(CFN_LINT)/bin/cfn-lint
	$(VENV)/bin/python -m pytest -q tests/contract/test_rights.py tests/contract/test_asl.py
	AWS_DEFAULT_REGION=us-east-1 $(VENV)/bin/sam validate --lint

$(CFN_LINT_INSTALLED): tests/tools/cfn-lint.txt
	@$(PYTHON) -m venv --clear $(CFN_LINT)
	@$(CFN_LINT)/bin/python -m pip install --quiet --disable-pip-version-check $(HASHED) --requirement tests/tools/cfn-lint.txt
	@$(CFN_LINT)/bin/python -m pip check --quiet --disable-pip-version-check
	@touch $@

format: $(INSTALLED) ## fix and format the code with ruff
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

openapi: $(INSTALLED) ## write the OpenAPI document, into functions/serve_pages/openapi.json
	PYTHONPATH=layers/core $(VENV)/bin/python -m heliograph.api.openapi events/published >functions/serve_pages/openapi.json

bench: $(INSTALLED) ## run the benchmarks and write docs/performance.md (TOPIC=… for one; see benchmarks/__main__.py)
	PYTHONPATH=layers/core:. $(VENV)/bin/python -m benchmarks $(TOPIC)

# The arguments of a command count only if they are typed after `make`: NAME, KEY or ENV may be set in the environment for
# another purpose. They are passed on through the environment, so that quotes and spaces stay as they are.
is_typed = $(filter command,$(origin $(1)))
option = $(if $(call is_typed,$(1)),$(2) "$$$(1)")
needs = $(foreach name,$(1),$(if $(call is_typed,$(name)),,$(error make $@ needs $(name)=…)))
TARGET = $(if $(STACK),--stack "$(STACK)") $(if $(REGION),--region "$(REGION)") $(call option,ENV,--env)
OPERATE = @$(VENV)/bin/python -m operations $(TARGET)

build: $(INSTALLED) ## build for AWS (ARCHITECTURE=arm64 or x86_64)
	@$(VENV)/bin/python -m operations.sam $(call option,ARCHITECTURE,--architecture)

preflight: $(INSTALLED) ## check an AWS account, or a deployment; changes nothing (STACK, REGION)
	@$(VENV)/bin/python -m operations.preflight $(TARGET) $(call option,PARAMETERS,--parameters)

deploy: $(INSTALLED) ## deploy to AWS, or update a deployment (STACK, REGION, PARAMETERS='Name=value …'; ENV=… of samconfig.toml)
	@$(VENV)/bin/python -m operations.deploy $(TARGET) $(call option,PARAMETERS,--parameters) \
		$(call option,ARCHITECTURE,--architecture) $(call option,SNAPSTART,--snapstart)

key: $(INSTALLED) ## store the provider's key (from apimodels.app) in the deployment's secret
	@$(VENV)/bin/python -m operations.provider_key $(TARGET)

routes: $(INSTALLED) ## show the state of every route
	$(OPERATE) routes

disable-route: $(INSTALLED) ## take a route out of service (ROUTE=… REASON=…)
	$(call needs,ROUTE REASON)$(OPERATE) disable-route "$$ROUTE" --reason "$$REASON"

enable-route: $(INSTALLED) ## put a route back into service (ROUTE=…)
	$(call needs,ROUTE)$(OPERATE) enable-route "$$ROUTE"

pause-spending: $(INSTALLED) ## stop all create calls until make resume-spending (REASON=…)
	$(call needs,REASON)$(OPERATE) pause-spending --reason "$$REASON"

resume-spending: $(INSTALLED) ## allow create calls again
	$(OPERATE) resume-spending

ledger: $(INSTALLED) ## compare the ledger with every job, to the micro-dollar (ALL=1 also shows sums that agree)
	$(OPERATE) ledger $(if $(call is_typed,ALL),--all)

keys: $(INSTALLED) ## list the API keys
	$(OPERATE) keys

new-key: $(INSTALLED) ## create an API key (NAME=…; TENANT=… SCOPES="jobs:read …" DAILY_USD=25 PER_MINUTE=600 EXPIRES=2127-01-31)
	$(call needs,NAME)$(OPERATE) new-key "$$NAME" $(call option,TENANT,--tenant) $(if $(call is_typed,SCOPES),--scopes $$SCOPES) \
		$(call option,DAILY_USD,--daily-budget-usd) $(call option,PER_MINUTE,--requests-per-minute) \
		$(call option,EXPIRES,--expires)

revoke-key: $(INSTALLED) ## revoke an API key (KEY=key_…, its id as make keys lists it; MADE=1: also every key that it made)
	$(call needs,KEY)$(OPERATE) revoke-key "$$KEY" $(if $(call is_typed,MADE),--with-made)

LOCK := .local/lock
# The pins of every file are for each Python and machine that we run on, with the hashes of all that was published of a
# version. No registry is named in them.
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(LOCK)/bin/uv pip compile --quiet --upgrade --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate

lock: ## pin the newest versions that pyproject.toml allows, with hashes, for the tests and the layer
	rm -rf $(LOCK) && $(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/python -m pip install --quiet $(HASHED) --requirement tests/tools/uv.txt
	$(COMPILE) pyproject.toml --group local --group test --group bench --output-file requirements.lock
	$(COMPILE) --constraints requirements.lock pyproject.toml --output-file layers/core/requirements.txt
	echo cfn-lint | $(COMPILE) - --output-file tests/tools/cfn-lint.txt
	echo uv | $(COMPILE) - --output-file tests/tools/uv.txt

clean: down ## remove what was built and installed
	rm -rf $(VENV) $(LAMBDA_VENV) .local .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-output

$(LAMBDA_VENV)/.installed: override PYTHON = $(LAMBDA_PYTHON_HERE)
$(INSTALLED) $(LAMBDA_VENV)/.installed: requirements.lock
	@echo "installing into $(@D) (a minute or two, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(HASHED) --requirement requirements.lock
	@$(@D)/bin/python -m pip check --quiet --disable-pip-version-check
	@touch $@
