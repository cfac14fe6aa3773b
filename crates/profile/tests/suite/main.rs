//! The room from outside: documents in, readings and answers out.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod catalog;
mod documents;
mod endpoints;
mod examples;
mod mistakes;
mod paykore;
mod products;
mod properties;
mod requests;
mod responses;
mod shadow;
mod support;
mod templates;
