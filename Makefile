PYTHON ?= python3
BIN := .venv/bin
SOURCES := tailrace collectors firehose queries alerts dashboard gateway sandbox infra benchmarks tests
WORKERS ?= auto
DOCS := README.md $(wildcard docs/*.md)

.PHONY: help setup demo test check soak bench bundle docs lock

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: .venv/test ## make .venv with all that tests and checks need

.venv/demo: requirements.txt pyproject.toml scripts/venv.sh
	@test -e .venv/test -a .venv/test -nt requirements-test.txt || sh scripts/venv.sh requirements.txt $(PYTHON)
	@touch $@

.venv/test: requirements-test.txt pyproject.toml scripts/venv.sh
	@sh scripts/venv.sh requirements-test.txt $(PYTHON)
	@touch $@

demo: .venv/demo ## the whole stack on this machine, no AWS account
	@$(BIN)/tailrace demo

test: .venv/test ## run the tests
	$(BIN)/pytest -q -n $(WORKERS) --maxprocesses 4 --dist loadgroup --no-loadscope-reorder $(PYTEST)

check: .venv/test ## format, lint, types, import rules, generated docs
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/mypy --no-error-summary $(SOURCES)
	$(BIN)/lint-imports
	COLUMNS=80 $(BIN)/cog --check $(DOCS)

soak: .venv/test ## the long runs: load with faults and kills for SECONDS (1800), fuzzing, differential tests
	SECONDS=$(or $(SECONDS),1800) HYPOTHESIS_PROFILE=soak $(BIN)/pytest -q -s -m soak --timeout=7200

bench: .venv/test ## measure, and write docs/performance.md
	$(BIN)/python -m benchmarks $(PART)

bundle: .venv/demo ## the collector's Lambda function, in build/
	$(BIN)/python -m infra.packages build/collector --zip build/collector.zip

docs: .venv/test ## make the generated parts of the docs again
	COLUMNS=80 $(BIN)/cog -r $(DOCS)

lock: ## make the lock files again (needs uv)
	uv pip compile -q --universal --no-strip-extras --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra sandbox --extra build pyproject.toml -o requirements.txt
	uv pip compile -q --universal --no-strip-extras --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --all-extras -c requirements.txt pyproject.toml -o requirements-test.txt
