# The container image of Latchkey. The build stage has the whole toolchain; the final image has none. It contains the
# program, the notices of its dependencies, and the C library that it is linked to. It has no shell, and runs as an
# unprivileged user.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --package latchkey-cli \
    && strip --strip-debug target/release/latchkey
RUN (command -v python3 || (apt-get update && apt-get install -y --no-install-recommends python3)) \
    && mkdir notices && cp LICENSE notices/ && scripts/notices > notices/THIRD-PARTY-NOTICES

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/latchkey /usr/local/bin/latchkey
COPY --from=build /build/notices/ /usr/share/doc/latchkey/
USER nonroot
EXPOSE 50051 8081
ENTRYPOINT ["/usr/local/bin/latchkey"]
CMD ["serve"]
