# `make compare` runs the experiment, `make test` every test. Both install what is missing first, and
# ask for a password by sudo where they need root.

SHELL := /bin/bash

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# rustup puts cargo where the PATH of a shell that is already open does not look.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Arguments for `nearcast compare`, such as make compare ARGS=--quick
ARGS ?=

# apt and cargo lock each other out.
.NOTPARALLEL:
.PHONY: compare build test check deps rust clean

compare: build
	$(SUDO) target/release/nearcast compare $(ARGS)

# All programs, as they look for each other in their own folder.
build: deps rust
	cargo build --release --workspace --bins

# The tests that make networks run as root, everything is compiled as the user.
test: deps rust check
	cargo build --workspace --bins
	$(if $(SUDO),RUNNER="$(SUDO) -E") scripts/test

# What needs no network and no root: formatting, lints, who depends on whom.
check:
	cargo fmt --all --check
	scripts/arrows
	cargo clippy --workspace --all-targets -- -D warnings

# Packages of Debian or Ubuntu; does nothing if they are there.
deps:
	scripts/deps

# A Rust toolchain that is new enough; does nothing if there is one.
rust:
	scripts/rust

# Removes what was built, and what killed runs left on this machine.
clean:
	if [ -x target/release/nearcast ]; then $(SUDO) target/release/nearcast clean; fi
	if command -v cargo > /dev/null; then cargo clean; fi
