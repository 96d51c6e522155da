SEEDS ?= 10000
FUZZ ?= 1000
SEED ?= 1
N ?= 200

.DEFAULT_GOAL := help

.PHONY: help build image test race integration recovery lint vet bench sim fuzz alarms mutants mutate emulators walkthrough compose cases sample ci clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the command line, as ./postroom
	go build -o postroom ./cmd/postroom

.PHONY: program
program: # of the image
	CGO_ENABLED=0 GOOS=linux go build -trimpath -ldflags "-s -w" -o .bin/image/postroom ./cmd/postroom

image: program ## the container image, as postroom; needs Docker and pulls nothing
	cp LICENSE .bin/image
	docker build -q -f deploy/Dockerfile --target prebuilt -t postroom .bin/image

test: ## all tests; those that need the emulators are skipped where these are missing
	go test ./...

race: ## all tests, nearly all of them under the race detector; none may skip
	.ci/run race unraced

integration: ## the pipeline against LocalStack in a container, and all faults; needs Docker
	cd integration && POSTROOM_INTEGRATION=$${POSTROOM_INTEGRATION:-1} go test -count=1 -timeout 15m -parallel 6

recovery: ## seconds until all is well again after each fault, median of five; needs Docker
	cd integration && POSTROOM_INTEGRATION=1 go test -count=5 -v -timeout 1h -parallel 3 -run 'Server|Network|Projector(Stop|Kill|Froz)|Consumer' | \
		sed -n 's/.*RECOVERY \(.*\): \(.*\) s$$/\1 \2/p' | sort -k1,1 -k2,2n | awk '$$1 != fault { fault = $$1; n = 0 } ++n == 3'

lint: ## golangci-lint, built into .bin first if need be
	.ci/run lint

vet: ## go vet
	.ci/run vet

bench: ## all benchmarks
	go test -run - -bench . ./...

sim: ## random schedules of crashes and faults: make sim SEEDS=10000
	go test ./projector -run TestSimulation -timeout 0 -seeds $(SEEDS)

fuzz: ## decoders of whatever comes in, with inputs that are made up: make fuzz FUZZ=100000
	FUZZ=$(FUZZ) .ci/run fuzz

alarms: ## rules for Prometheus, dashboard for Grafana, and each alarm at its cause; needs promtool
	go test ./cmd/postroom -run 'Alarm|Rules|Dashboard|Runbooks|Monitoring'

mutants: ## rules of the projector taken out: the simulation notices each
	.ci/run mutants

mutate: ## small changes drawn by a seed, and which of them no test notices: make mutate SEED=1 N=200
	go run ./internal/mutants/generate -seed $(SEED) -n $(N)

emulators: ## install servers that stand in for DynamoDB, its Streams and SQS
	internal/emulator/install.sh

.PHONY: localstack-standin
localstack-standin: ## the image that stands in for LocalStack, built without a registry
	integration/standin/build.sh

walkthrough: ## run the commands of the README
	.ci/run walkthrough

compose: ## run the commands of the README on containers; needs Docker
	.ci/compose

cases: ## write docs/cases.md: which test covers which case
	.ci/cases

sample: ## cut the bundled sample anew: make sample FROM=ubuntu-dm.jsonl.gz
	cd cmd/postroom/sample && go run cut.go $(abspath $(FROM)) messages.jsonl.gz

ci: ## everything that has to hold before a change goes in
	.ci/run

clean: ## remove what was built and installed here
	rm -rf postroom .bin .emulators postroom.db postroom.db-shm postroom.db-wal
