//! The contract, as Rust: the messages, clients and servers of `latchkey.v1`, and the part of Envoy's
//! API that Latchkey answers. Made by `build.rs` from the `.proto` files beside this one; no logic and
//! no conversions live here.

mod redact;

/// The bytes of a `google.protobuf.FileDescriptorSet` with every message here; for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    missing_docs,
    unreachable_pub,
    reason = "made by prost and tonic; the documentation of the messages stands in the .proto files"
)]
mod contract {
    include!(concat!(env!("OUT_DIR"), "/contract.rs"));
}

pub use contract::latchkey::v1;

/// Envoy's own packages.
pub mod envoy {
    pub use crate::contract::envoy::config::core::v3 as core;
    pub use crate::contract::envoy::service::auth::v3 as auth;
    pub use crate::contract::envoy::r#type::v3 as http;
    pub use crate::contract::google::rpc;
}
