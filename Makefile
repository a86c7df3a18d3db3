# gregor: build, test, measure. `make help` lists the targets.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 30s

export CGO_ENABLED = 0

.PHONY: help build run test check interop bench fuzz soak clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

build: ## bin/gregor, one static binary
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/gregor ./cmd/gregor

run: build ## a development node on localhost:9092, data in ./gregor-data
	./bin/gregor

test: ## everything that needs nothing but Go
	$(GO) vet ./...
	$(GO) test ./...

check: ## formatting, vet, and the other systems gregor compiles for
	@test -z "$$(gofmt -l cmd protocol storage controller groupcoord sharegroup broker tests 2>/dev/null | tee /dev/stderr)" || { echo 'run gofmt -w on the files above'; exit 1; }
	$(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) build ./...
	GOOS=windows GOARCH=amd64 $(GO) build ./...
	GOOS=linux GOARCH=arm64 $(GO) build ./...

interop: build ## real clients and Apache Kafka, through the package registries
	$(GO) run ./tests/interop

bench: build ## Apache Kafka and gregor in turn; writes docs/BENCHMARKS.md
	$(GO) run ./tests/bench

fuzz: ## every fuzz target for FUZZTIME (30s) each
	@$(GO) list ./... | while read -r p; do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; done

soak: ## the simulation over new seeds, for DURATION (10m) or SEEDS, with a line in docs/reliability/LEDGER.md; then 40,000 recoveries of a log
	$(GO) run ./tests/soak $(if $(SEEDS),-seeds $(SEEDS)) $(if $(DURATION),-duration $(DURATION),$(if $(SEEDS),,-duration 10m))
	$(GO) test ./storage/partlog -run TestCrash -seeds 10000 -timeout 60m

clean: ## what builds and test runs left in this folder
	rm -rf bin .cache
