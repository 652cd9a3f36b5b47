# Everything that is done with this project. `make help` lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
WORKER := PYTHONPATH=operator:e2e:. $(BIN)/python

# Built the first time before the tests that need them, since pytest hides how that goes.
CONTROL_PLANE := etcd kube-apiserver kube-controller-manager kube-scheduler kubectl
build-tools = @for tool in $(1); do $(WORKER) -m clusters tool $$tool > /dev/null || exit 1; done

##@ For everybody

demo: $(STAMP) ## From nothing to a finished build on a real cluster
	@$(WORKER) -m demo

demo-down: $(STAMP) ## Stop the cluster of the demo
	@$(WORKER) -m clusters down --name demo

test: check unit simulation contract e2e ## Everything: lint, types, generated files, unit, contract, end-to-end

##@ For developers

check: $(STAMP) lint types imports generated ## What needs no cluster and no tests

lint: $(STAMP) ## Style, by ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## Types, by mypy strict
	$(BIN)/mypy operator bench e2e tests

imports: $(STAMP) ## The import contracts of ARCHITECTURE.md
	PYTHONPATH=operator $(BIN)/lint-imports --no-logo

generate: $(STAMP) ## Write the CRD anew from the models
	PYTHONPATH=operator $(BIN)/python -m buildstate.api.crd > crds/buildstates.buildstate.dev.yaml.new
	mv crds/buildstates.buildstate.dev.yaml.new crds/buildstates.buildstate.dev.yaml
	cp crds/buildstates.buildstate.dev.yaml charts/buildstate/files/crd.yaml

generated: $(STAMP) ## Hold the generated files against the models
	PYTHONPATH=operator $(BIN)/python -m buildstate.api.crd | diff -u crds/buildstates.buildstate.dev.yaml -
	diff -u crds/buildstates.buildstate.dev.yaml charts/buildstate/files/crd.yaml

unit: $(STAMP) ## Unit tests, with the coverage of the pure core
	$(call build-tools,kind)
	$(BIN)/pytest tests e2e/clusters/tests --ignore tests/contract --ignore tests/charts \
		--cov=buildstate.domain --cov-branch --cov-report=term:skip-covered --cov-fail-under=95

simulation: $(STAMP) ## Every crash point, and 2,000 storms: the operator in a pretended world
	$(BIN)/pytest tests/simulation -m simulation --durations=5

soak: $(STAMP) ## Pairs of crash points and storms, for MINUTES=10; goes on where the last one ended
	@$(WORKER) -m tests.simulation.soak --minutes $(or $(MINUTES),10)

simulate: $(STAMP) ## One run of the simulation again, as a failure says: ARGS='--seed 12'
	$(WORKER) -m tests.simulation $(ARGS)

contract: $(STAMP) ## Contract tests against a real API server
	$(call build-tools,$(CONTROL_PLANE) helm kubeconform versitygw)
	$(BIN)/pytest tests/contract tests/charts --durations=5

e2e: $(STAMP) ## End-to-end tests on a real node
	@$(WORKER) -m clusters up --name e2e
	@$(WORKER) -m clusters build localhost/buildstate-operator:dev . --name e2e
	$(BIN)/pytest e2e --ignore e2e/clusters --durations=10

bench: $(STAMP) ## The operator beside the floor, on a real API server with simulated nodes
	@$(WORKER) -m bench

chaos: $(STAMP) ## Kill 300 operators in bad weather on a real API server, and look what is left
	$(call build-tools,$(CONTROL_PLANE))
	@$(WORKER) -m tests.chaos

lock: $(STAMP) ## Lock the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements/runtime.txt
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header pyproject.toml --group dev \
		-c requirements/runtime.txt -o requirements/dev.txt

clean: ## Stop the clusters of this project and remove what was made here
	-@test -x $(BIN)/python && for name in demo e2e contract bench chaos; do \
		$(WORKER) -m clusters down --name $$name 2> /dev/null; done
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage

$(STAMP): requirements/dev.txt
	@command -v python3 > /dev/null || { echo "python3 (3.11 or newer) is missing: install it first"; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "python3 is $$(python3 --version), but 3.11 or newer is needed"; exit 1; }
	@python3 -c 'import ensurepip' 2> /dev/null \
		|| { echo "python3 cannot make virtual environments: install the package python3-venv"; exit 1; }
	@echo "Setting up $(VENV) (about 30 s)"
	@python3 -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

help: ## This list
	@awk 'BEGIN {FS = ":.*##"} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*##/ {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: bench chaos check clean contract demo demo-down e2e generate generated help imports lint lock \
	simulate simulation soak test types unit
