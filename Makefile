# The two commands are `make run` and `make test`; `make help` lists the rest.
# One set of build flags everywhere: flags are part of Go's build cache keys.
SHELL := /bin/bash
.DELETE_ON_ERROR:

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Which of Prometheus' service discoveries are linked in; all of them would add
# four minutes to a cold build.
TAGS := remove_all_sd,enable_aws_sd,enable_azure_sd,enable_consul_sd,enable_dns_sd,enable_gce_sd,enable_kubernetes_sd,enable_openstack_sd
export CGO_ENABLED ?= 0
export GOFLAGS := -buildvcs=false -trimpath -tags=$(TAGS)
LDFLAGS := -s -w -X main.version=$(VERSION)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/watchfire
DATA ?= data
ARGS ?=

.PHONY: help run build engine setup clients test bench lint fmt check clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: build engine ## Build and serve on the embedded ClickHouse, watching this machine
	bin/watchfire serve --data $(DATA) $(ARGS)

build: ## Build bin/watchfire
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o bin/watchfire ./cmd/watchfire

engine: ## Install the embedded ClickHouse into the cache
	@bash storage/engine/npm/install.sh

setup: engine clients ## Install what the tests need: Debian packages, the engine, the real clients
	@bash test/setup.sh

clients: ## Build promtool, logcli and amtool into the cache
	@bash test/clients/build.sh

test: setup build ## Do all set-up and run the tests
	PATH="$(CACHE)/bin:$$PATH" WATCHFIRE_BIN="$(CURDIR)/bin/watchfire" WATCHFIRE_TEST_REQUIRE=1 \
		go test -vet=off -p 2 -timeout 20m ./...

bench: setup build ## Measure, side by side with what one would use instead
	PATH="$(CACHE)/bin:$$PATH" WATCHFIRE_BIN="$(CURDIR)/bin/watchfire" bash test/bench/run.sh $(ARGS)

lint: ## Run the linters
	go vet ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "golangci-lint is not installed: only go vet has run"; fi

fmt: ## Format the code
	gofmt -w $$(git ls-files '*.go')

check: lint ## Linters, format and the race detector
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run make fmt"; exit 1; }
	CGO_ENABLED=1 go test -race -p 1 -timeout 40m ./...

clean: ## Remove what was built here (the cache stays)
	rm -rf bin
