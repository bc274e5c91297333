# `make demo` shows the product, `make test` tests it, `make check` is everything else that CI asks for.

.PHONY: demo test check

demo:
	cargo build
	@cargo run --quiet -- demo

test:
	@.ci/install-test-servers
	@.ci/test

check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	.ci/licences
