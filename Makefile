SEEDS ?= 10000

.DEFAULT_GOAL := help

.PHONY: help build test race lint vet bench sim mutants emulators walkthrough cases sample ci clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the command line, as ./postroom
	go build -o postroom ./cmd/postroom

test: ## all tests; those that need the emulators are skipped where these are missing
	go test ./...

race: ## all tests under the race detector; none may skip
	.ci/run race

lint: ## golangci-lint, built into .bin first if need be
	.ci/run tools lint

vet: ## go vet
	.ci/run vet

bench: ## all benchmarks
	go test -run - -bench . ./...

sim: ## random schedules of crashes and faults: make sim SEEDS=10000
	go test ./projector -run TestSimulation -timeout 1h -seeds $(SEEDS)

mutants: ## rules of the projector taken out: the simulation notices each
	.ci/run mutants

emulators: ## install servers that stand in for DynamoDB, its Streams and SQS
	internal/emulator/install.sh

walkthrough: ## run the commands of the README
	.ci/run walkthrough

cases: ## write docs/cases.md: which test covers which case
	.ci/cases

sample: ## cut the bundled sample anew: make sample FROM=ubuntu-dm.jsonl.gz
	cd cmd/postroom/sample && go run cut.go $(abspath $(FROM)) messages.jsonl.gz

ci: ## everything that has to hold before a change goes in
	.ci/run

clean: ## remove what was built and installed here
	rm -rf postroom .bin .emulators postroom.db postroom.db-shm postroom.db-wal
