//! Profile compiler and HTTP mapping. A product's TOML document is parsed, validated as a whole and compiled into
//! a [`Profile`]. The profile then reads HTTP requests as input of the gate and renders responses to its decisions.
//!
//! This crate makes no decisions and does no I/O.

mod catalog;
pub mod contract;
mod diff;
mod document;
mod endpoint;
mod envoy_replies;
mod envoy_requirements;
mod error;
mod examples;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod hosts;
mod lint;
mod parsed_request;
mod profile;
mod rate_limit_view;
mod reader;
mod request;
mod response;
mod route_values;
mod source;
mod status_text;
mod template;
mod template_context;

pub use catalog::Catalog;
pub use diff::diff;
pub use endpoint::{Endpoint, EndpointMatch, EndpointProfile, EndpointResponse, ErrorCode, RpcRequest};
pub use envoy_replies::EnvoyReply;
pub use envoy_requirements::{EndpointPath, EnvoyRequirements};
pub use error::{DocumentError, Errors};
pub use examples::{
    CaseResponse, CaseResult, EndpointCase, ExampleOutcome, FixtureValues, KeyFixture, RenderedRequest,
    Sender, UserFixture,
};
pub use lint::{lint, lint_shared_hosts, profile_conflicts, profile_conflicts_among_stored, shared_issuers};
pub use parsed_request::{ParsedRequest, management_credential};
pub use profile::Profile;
pub use request::{Header, Headers, Host, Request, TextArena};
pub use response::{
    AllowResponse, DenyResponse, HeaderRemovals, RenderedHeaders, StaticRemovals, default_denial,
};
pub use route_values::unknown_route_value;
pub use template_context::{CredentialFormat, TemplateContext};
