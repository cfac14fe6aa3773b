//! Tests of TLS and mTLS with grpcurl, tonic, Envoy and HTTP clients, with certificates that are valid, untrusted,
//! expired, missing, revoked, or changed under load, and the rights of operators that are identified by a certificate
//! alone.

#![expect(clippy::disallowed_methods, reason = "the load ends with its test")]

mod callers;
mod envoy;
mod fixture;
mod operators;
mod ports;
mod reload;
mod revoked;
mod words;
