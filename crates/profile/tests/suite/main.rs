//! Tests of the crate by its public interface: documents, parsed requests and rendered responses.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod affixes;
mod basic_examples;
mod catalog;
mod diff;
mod documents;
mod endpoint_values;
mod endpoints;
mod examples;
mod imports;
mod lint;
mod mistakes;
mod mutations;
mod only;
mod paykore;
mod products;
mod properties;
mod requests;
mod responses;
mod route_errors;
mod shadow;
mod sources;
mod spellings;
mod support;
mod templates;
mod unused_denials;
