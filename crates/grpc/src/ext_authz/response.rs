//! Writing of Envoy's `CheckResponse`. Only the status code decides in Envoy, and a response without one allows the
//! request. So code 0 is written in one place, from a permit, and every other response begins with its denial's code.
//! Headers are always written with both of Envoy's flags for overwriting, because some versions append otherwise.

use std::fmt::Write as _;

use latchkey_core::decision::{DecisionContext, Denial, Permit};
use latchkey_core::observer::{CheckEvent, CheckOutcome, Entrypoint, NoMetadata};
use latchkey_core::reason::Reason;
use latchkey_profile::{AllowResponse, DenyResponse, Header, default_denial};
use latchkey_proto::envoy::core::header_value_option::HeaderAppendAction;
use latchkey_proto::envoy::http::StatusCode;
use tonic::Code;

use super::metadata::{self, MetadataInput};
use crate::wire::frame::GrpcFrame;
use crate::wire::writer::Writer;

/// Initial capacity of a response, in bytes. A response with ten headers fits without growing the buffer, which would
/// cost as much as writing all of them.
const INITIAL_CAPACITY: usize = 896 - 5;

/// Returns the response for an allowed request. The permit proves that the gate allowed it.
pub(super) fn allowed(
    _: &Permit,
    allow: &AllowResponse<'_>,
    metadata_input: &MetadataInput<'_>,
) -> GrpcFrame {
    let mut writer = GrpcFrame::begin(INITIAL_CAPACITY);
    writer.message(1, |status| status.varint(1, code(Code::Ok)));
    writer.message(3, |ok| {
        for (name, value) in allow.set.iter() {
            header(ok, 2, name, value);
        }
        if let Some(static_names) = allow.remove.static_names {
            ok.raw_fields(static_names.encoded_with(encode_removals));
        }
        for name in &allow.remove.extra_names {
            ok.text(5, name);
        }
        for (name, value) in allow.response.iter() {
            header(ok, 6, name, value);
        }
        // Envoy's own removal of query parameters sorts and rewrites those that remain.
        if let Some(path) = &allow.path {
            header(ok, 2, ":path", path);
        }
    });
    writer.message(4, |fields| metadata::write(fields, metadata_input));
    GrpcFrame::end(writer)
}

/// Encodes the fields of an `OkHttpResponse` that name headers to be removed.
fn encode_removals(names: &[Box<str>]) -> Box<[u8]> {
    let mut fields = Writer::append_to(Vec::new());
    for name in names {
        fields.text(5, name);
    }
    fields.finish().into()
}

/// Returns the response for a denied request. A client of gRPC reads the status from headers and no body; from the
/// HTTP status alone, Envoy would make UNAVAILABLE of a rate limit.
pub(super) fn denied(
    denial: &Denial,
    response: &DenyResponse<'_>,
    metadata_input: &MetadataInput<'_>,
    grpc: bool,
) -> GrpcFrame {
    let mut writer = GrpcFrame::begin(INITIAL_CAPACITY);
    writer.message(1, |status| {
        status.varint(1, code(code_of(denial.reason)));
        status.text(2, &denial.message);
    });
    writer.message(2, |http| {
        http.message(1, |status| status.varint(1, http_status(response.status)));
        for (name, value) in response.headers.iter().filter(|(name, _)| !grpc || *name != "content-type") {
            header(http, 2, name, value);
        }
        if grpc {
            header(http, 2, "content-type", "application/grpc");
            header(http, 2, "grpc-status", &code(grpc_status(denial.reason)).to_string());
            header(http, 2, "grpc-message", &percent_encoded(&response.message));
        } else if !response.body.is_empty() {
            http.text(3, &response.body);
        }
    });
    writer.message(4, |fields| metadata::write(fields, metadata_input));
    GrpcFrame::end(writer)
}

/// Returns true if a client speaks gRPC, by Envoy's own rule.
pub(super) fn is_grpc(headers: &[Header<'_>]) -> bool {
    let content_type = headers.iter().find(|header| header.name == b"content-type");
    let rest = content_type.and_then(|header| header.value.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// Returns a text in the encoding of `grpc-message`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// Returns the response to bytes that are not a `CheckRequest`, or are too many.
pub(super) fn malformed() -> GrpcFrame {
    let denial = Denial { reason: Reason::RouteNotAllowed, message: "The request can't be decoded.".into() };
    let response = default_denial(&denial, "");
    let event = CheckEvent {
        entrypoint: Entrypoint::ExtAuthz,
        outcome: CheckOutcome::Denied(&denial),
        context: &DecisionContext::default(),
        request_id: "",
        method: "",
        metadata: &NoMetadata,
    };
    denied(&denial, &response, &MetadataInput { event, environment: None }, false)
}

/// Encoded fields `append`, which is false (an empty `BoolValue`), and `append_action`.
const OVERWRITE: [u8; 4] =
    [Writer::delimited_key(2), 0, 3 << 3, HeaderAppendAction::OverwriteIfExistsOrAdd as u8];

/// Encoded field `keep_empty_value`. Without it, Envoy would drop an empty header and keep the client's own header of
/// this name.
const KEEP_EMPTY: [u8; 2] = [4 << 3, 1];

fn header(message: &mut Writer, number: u8, name: &str, value: &str) {
    if common_case_header(message, number, name, value).is_none() {
        any_header(message, number, name, value);
    }
}

/// Writes a header with a value and with lengths that fit into one byte each. Returns `None`, and writes nothing, for
/// any other header.
fn common_case_header(message: &mut Writer, number: u8, name: &str, value: &str) -> Option<()> {
    let short = |length: usize| u8::try_from(length).ok().filter(|length| *length < 0x80);
    let size = Writer::field_size(name.len()) + Writer::field_size(value.len());
    let entry_length = short(Writer::field_size(size) + OVERWRITE.len()).filter(|_| !value.is_empty())?;
    let [size, name_length, length] = [short(size)?, short(name.len())?, short(value.len())?];
    let key = Writer::delimited_key;
    message.raw_constant([key(number), entry_length, key(1), size, key(1), name_length]);
    message.raw_fields(name.as_bytes());
    message.raw_constant([key(2), length]);
    message.raw_fields(value.as_bytes());
    message.raw_constant(OVERWRITE);
    Some(())
}

fn any_header(message: &mut Writer, number: u8, name: &str, value: &str) {
    let size =
        Writer::field_size(name.len()) + if value.is_empty() { 0 } else { Writer::field_size(value.len()) };
    let flags = OVERWRITE.len() + if value.is_empty() { KEEP_EMPTY.len() } else { 0 };
    message.open(number, Writer::field_size(size) + flags);
    message.open(1, size);
    message.text(1, name);
    if !value.is_empty() {
        message.text(2, value);
    }
    message.raw_constant(OVERWRITE);
    if value.is_empty() {
        message.raw_constant(KEEP_EMPTY);
    }
}

/// Returns a denial's code, which is never 0.
fn code_of(reason: Reason) -> Code {
    match reason {
        Reason::RateLimited => Code::ResourceExhausted,
        reason if reason.unauthenticated() => Code::Unauthenticated,
        Reason::MissingCredential
        | Reason::AmbiguousCredential
        | Reason::InvalidCredential
        | Reason::Revoked
        | Reason::Expired
        | Reason::TenantRequired
        | Reason::TenantMismatch
        | Reason::TenantSuspended
        | Reason::EnvironmentMismatch
        | Reason::InsufficientScope
        | Reason::ResourceMismatch
        | Reason::NetworkNotAllowed
        | Reason::RouteNotAllowed
        | Reason::HostNotAllowed
        | Reason::RouteNotFound
        | Reason::MethodNotAllowed
        | Reason::Disabled => Code::PermissionDenied,
    }
}

/// Returns the status of a denial for a client of gRPC. A server that does not have a method says so by UNIMPLEMENTED.
fn grpc_status(reason: Reason) -> Code {
    match reason {
        Reason::RouteNotFound | Reason::MethodNotAllowed => Code::Unimplemented,
        other => code_of(other),
    }
}

fn code(code: Code) -> u64 {
    u64::from(i32::from(code).unsigned_abs())
}

/// Returns `status`, or 403 if Envoy does not know it or it is not an error or a redirect. Envoy rejects a response
/// with an unknown status and then applies its failure mode.
fn http_status(status: u16) -> u64 {
    let known = StatusCode::try_from(i32::from(status)).is_ok_and(|code| code != StatusCode::Empty);
    u64::from(if known && status >= 300 { status } else { 403 })
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
