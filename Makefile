# The two commands of the README, and what else a developer runs. Each sets up what it needs first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# `make demo DEMO="--once"`: arguments of `lensmeter demo`.
DEMO ?=

.PHONY: help setup demo test lint bench openapi clean

help: ## This list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## Debian packages, libtorch, and Stripe's own packages for the tests
	@scripts/setup

demo: setup ## The whole product on this machine, with nothing configured
	cargo build --locked
	@"$$(scripts/binary)" demo $(DEMO)

test: setup ## Every test
	@scripts/test

lint: setup ## Formatting, clippy, licences and advisories of dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check; else echo "cargo-deny is not installed: cargo install --locked cargo-deny"; exit 1; fi

bench: setup ## Our claims about speed, with peers side by side (scripts/peers/README.md says what they need)
	cargo build --locked --release
	"$$(scripts/binary release)" bench vision
	"$$(scripts/binary release)" bench metering

openapi: setup ## Write docs/openapi.json anew
	cargo build --locked
	"$$(scripts/binary)" openapi > docs/openapi.json

clean: ## Forget the demo's data
	rm -rf .lensmeter
