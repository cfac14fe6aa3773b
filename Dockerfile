# The container image of Latchkey. The build stage has the whole toolchain; the final image has the program, the notices
# of its dependencies, and the C library that it is linked to. It has no shell, and runs as an unprivileged user.
#
#   docker build -t latchkey .        needs BuildKit, which keeps the compiled dependencies between builds
#   docker run --stop-timeout 15 -p 127.0.0.1:50051:50051 -e LATCHKEY_INSECURE=true -v latchkey:/var/lib/latchkey latchkey
#
# Docker kills a container ten seconds after `docker stop`, and shutdown_delay and shutdown_timeout are twelve together.
#
# The digests are those of the tags for all platforms; Dependabot renews both together.
FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /build
# The image's own toolchain, without the components for development that rust-toolchain.toml names.
ENV RUSTUP_TOOLCHAIN=1.95.0
# scripts/notices is in Python.
# hadolint ignore=DL3008
RUN command -v python3 || (apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*)
COPY . .
# The caches outlive this build, so that an edit compiles the changed crates alone.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target,sharing=locked \
    cargo build --release --locked --package latchkey-cli \
    && install -D target/release/latchkey out/latchkey \
    && strip --strip-debug out/latchkey \
    && mkdir out/notices out/data && cp LICENSE out/notices/ \
    && scripts/notices > out/notices/THIRD-PARTY-NOTICES

FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
COPY --from=build /build/out/latchkey /usr/local/bin/latchkey
COPY --from=build /build/out/notices/ /usr/share/doc/latchkey/
# The embedded database is here, unless LATCHKEY_DATABASE_URL names PostgreSQL.
COPY --from=build --chown=65532:65532 /build/out/data /var/lib/latchkey
VOLUME /var/lib/latchkey
WORKDIR /var/lib/latchkey
# Other machines reach these ports. gRPC in plain text must be allowed by LATCHKEY_INSECURE=true; otherwise give
# LATCHKEY_TLS_CERT and LATCHKEY_TLS_KEY.
ENV LATCHKEY_GRPC_ADDR=0.0.0.0:50051 LATCHKEY_HTTP_ADDR=0.0.0.0:8081
# The number is that of distroless's user "nonroot": Kubernetes verifies numbers alone.
USER 65532:65532
EXPOSE 50051 8081
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["/usr/local/bin/latchkey", "health"]
ENTRYPOINT ["/usr/local/bin/latchkey"]
CMD ["serve"]
