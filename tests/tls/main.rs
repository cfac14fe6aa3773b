//! TLS and mTLS as clients meet them: grpcurl, tonic, Envoy and HTTP, with certificates that are good, strange, ended,
//! missing, revoked, changed under load; and what an operator may do by a certificate alone.

#![expect(clippy::disallowed_methods, reason = "the load ends with its test")]

mod callers;
mod envoy;
mod fixture;
mod operators;
mod ports;
mod reload;
mod revoked;
mod words;
