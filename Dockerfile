# Latchkey as a container: built with the whole toolchain, shipped without any. The final image holds the one
# program and the C library it is linked to, has no shell, and runs as a user without rights.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --package latchkey-cli \
    && strip --strip-debug target/release/latchkey

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/latchkey /usr/local/bin/latchkey
USER nonroot
EXPOSE 50051 8081
ENTRYPOINT ["/usr/local/bin/latchkey"]
CMD ["serve"]
