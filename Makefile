# One environment in .venv, made on first use with uv where it is there, else with venv and pip.
# Nothing here needs root; `make test` uses apt for the few system packages that some tests need
# when it may, and names what it could not run otherwise.

PYTHON ?= python3
OUT ?= demo-out
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
SOURCES := protocol endpoint manager hwsim tests benchmarks

.PHONY: help demo test test-full check bench fuzz lock messages requirements clean

help:
	@echo "make demo    a whole village, in two minutes (OUT=demo-out)"
	@echo "make test    install what the tests need, and run all of them"
	@echo "make check   format, lint, types and layers only"
	@echo "make bench   every benchmark (NAME=agent for one)"
	@echo "make fuzz    fuzz every parser (SECONDS=60 each)"
	@echo "make lock    compile requirements.lock anew"
	@echo "make messages  collect texts and compile the catalogues"
	@echo "make requirements  write which test shows which requirement"

$(STAMP): pyproject.toml requirements.lock
	@sh tools/make-venv.sh "$(PYTHON)" "$(VENV)"
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/loa-sim village --out "$(OUT)"

check: $(STAMP)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

# Stories mostly wait, in real time: apart from what computes, so that they find the cores free.
PYTEST = $(BIN)/pytest --dist loadfile
test: $(STAMP)
	@sh tools/system-packages.sh $(BIN)
	@$(MAKE) --no-print-directory check
	@passed=true; \
	$(PYTEST) -n 2 -m "not story" $(PYTEST_ARGS) || passed=false; \
	$(PYTEST) -n 3 -m story $(PYTEST_ARGS) || passed=false; \
	$$passed

test-full: test
	$(PYTEST) -n 2 --on-request -m on_request $(PYTEST_ARGS)

bench: $(STAMP)
	@$(BIN)/python -m benchmarks $(NAME)

SECONDS ?= 60
fuzz: $(STAMP)
	@$(BIN)/python -m tests.fuzz $(SECONDS)

lock:
	@sh tools/lock.sh "$(PYTHON)" "$(VENV)"

messages: $(STAMP)
	@sh tools/messages.sh $(BIN)

requirements: $(STAMP)
	@$(BIN)/python -m tests.requirement_table

clean:
	rm -rf $(VENV) demo-out bench-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
