# Each step of the checks is a target; .ci/run calls them. CI=true turns what is skipped elsewhere into failures.
GO       ?= go
FUZZTIME ?= $(if $(filter true,$(CI)),20s)
TOOL      = $(GO) tool -modfile=tools/go.mod
SYSTEMS   = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
STATIC    = CGO_ENABLED=0 $(GO) build -trimpath
VERSION  ?= $(patsubst v%,%,$(or $(shell git describe --tags --match 'v*' 2>/dev/null),0.0.0-dev))
PACKAGED ?= amd64 arm64

.PHONY: build test prepare check race fuzz lint vuln lab bench cross man packages packages-test clean

build:
	$(STATIC) -o . ./cmd/postern

# Everything. Fuzzing only with CI=true or a FUZZTIME.
test: prepare check race $(if $(FUZZTIME),fuzz) lab packages-test

# The modules, and the C compiler that the race detector needs.
prepare:
	$(GO) mod download
	@command -v "$$($(GO) env CC)" >/dev/null || { \
		echo "no C compiler: installing one"; \
		if [ "$$(id -u)" = 0 ]; then as_root=; else as_root="sudo -n"; fi; \
		$$as_root apt-get update -q && $$as_root apt-get install -y -q gcc libc6-dev; } || \
		{ echo "The race detector needs a C compiler: install gcc or clang." >&2; exit 1; }

check:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "run gofmt -w on:" $$unformatted >&2; exit 1; }
	$(GO) vet ./...

# The lab has a target of its own.
race:
	LAB=0 $(GO) test -race -shuffle=on -timeout 20m ./...

# Each fuzz target for a while.
fuzz:
	FUZZTIME=$(FUZZTIME) test/fuzz

lint: check
	GOOS=windows $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

# Known vulnerabilities in what the program really calls. Without the network there is no answer, which is
# said and is a failure with CI_STRICT only.
vuln:
	@$(TOOL) govulncheck ./... || { code=$$?; \
		if [ $$code = 3 ]; then echo "vuln: FAILED: see above" >&2; exit 1; fi; \
		echo "vuln: NOT CHECKED: govulncheck had no answer; without a network it has no database (see above)" >&2; \
		[ -z "$(CI_STRICT)" ]; }

# Real servers and real clients; test/lab/README.md.
lab:
	test/lab/run

# Ratios within one run, not tests; docs/performance.md. BENCH="-quick" takes a minute.
bench:
	$(GO) run ./test/bench $(BENCH)

cross:
	@for system in $(SYSTEMS); do \
		os=$${system%/*} arch=$${system#*/}; ending=; [ $$os != windows ] || ending=.exe; \
		echo "dist/postern-$$os-$$arch$$ending"; \
		GOOS=$$os GOARCH=$$arch $(STATIC) -o dist/postern-$$os-$$arch$$ending ./cmd/postern || exit 1; \
	done

# The manual and the completions as packages carry them. A build from the same commit gives the same bytes.
man packages: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)
man:
	@mkdir -p dist/man dist/completion
	$(GO) build -o dist/man/ ./cmd/postern
	dist/man/postern man >dist/man/postern.1
	dist/man/postern man config.example.toml >dist/man/postern.toml.5
	cp packaging/postern-system.8 dist/man/
	gzip -9nf dist/man/*.[1-9]
	dist/man/postern completion bash >dist/completion/postern
	dist/man/postern completion zsh >dist/completion/_postern
	dist/man/postern completion fish >dist/completion/postern.fish
	rm dist/man/postern

# deb and rpm; packaging/README.md.
packages: man
	rm -f dist/*.deb dist/*.rpm
	@for arch in $(PACKAGED); do \
		GOOS=linux GOARCH=$$arch $(STATIC) -ldflags '-s -w -X main.release=$(VERSION)' -o dist/linux-$$arch/ ./cmd/postern || exit 1; \
		for kind in deb rpm; do \
			ARCH=$$arch VERSION=$(VERSION) $(TOOL) nfpm package -f packaging/nfpm.yaml -p $$kind -t dist/ || exit 1; \
		done; \
	done

# Installs, runs and removes what was built, under a systemd of its own; needs root.
packages-test:
	packaging/test

clean:
	rm -rf dist postern postern.exe
