# Commands of development. `just` lists them; scripts/setup installs `just` into .tools/bin.

# Lists the recipes.
default:
    @just --list

# Installs the programs that tests start.
setup:
    scripts/setup

# Compiles everything, tests too, without building programs.
check:
    cargo check --workspace --all-targets

# Builds the program that integration tests start.
build:
    cargo build --workspace

# Runs the unit tests of one crate: `just unit profile lint`.
unit crate filter="":
    cargo test --package latchkey-{{ crate }} --lib -- {{ filter }}

# Runs one integration test file, or one test of it, with a new program: `just it compose dockerfile`.
it file filter="": build
    cargo test --workspace --test {{ file }} -- {{ filter }}

# Runs all tests.
test:
    scripts/test

# Formats, and checks format, prose and lints.
lint:
    cargo fmt --all
    scripts/prose --check
    cargo clippy --workspace --all-targets -- -D warnings

# Runs every check that a change must pass.
ci:
    .ci/run

# Starts a server with a demo tenant and key, and an Envoy in front.
dev:
    cargo run -- dev --envoy

# Renders the handbook to target/book.
book:
    .tools/bin/mdbook build

# Builds a release for this machine into dist/.
release:
    scripts/release dist

# Checks the contract for style and breaking changes, and writes the code of the Go client.
proto:
    .tools/bin/buf lint
    .tools/bin/buf breaking --against proto/contract.binpb
    scripts/clients --generate
