//! Calls of RPCs by their descriptors, with JSON as request and response. A call goes through the same services as
//! every gRPC call, with the caller's credential in its metadata.

mod invalid_fields;

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use latchkey_profile::contract::Rpc;
use latchkey_profile::{EndpointMatch, EndpointProfile, ErrorCode, Profile};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tonic_types::StatusExt as _;
use tower_service::Service as _;

use self::invalid_fields::invalid_fields;

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(latchkey_proto::FILE_DESCRIPTOR_SET).ok());

/// Largest number of items in a response.
const MAX_ITEMS: usize = 10_000;
/// Largest number of pages that are read for a list. A page can be short and still have a next one.
const MAX_PAGES: usize = 200;
/// Items on each page of a list.
const PAGE_SIZE: i32 = 1_000;
/// Length of the prefix of a gRPC message: a compression flag and four bytes of length.
const FRAME_HEADER_BYTES: usize = 5;

/// Caller of an RPC.
pub(crate) struct RpcCaller<'a> {
    /// Profile of the endpoint.
    pub(crate) profile: &'a str,
    pub(crate) credential: Option<&'a str>,
    pub(crate) request_id: &'a str,
    pub(crate) address: Option<IpAddr>,
}

/// Error of an RPC.
#[derive(Debug)]
pub(crate) struct RpcError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    /// Invalid fields of the RPC's request, each with a description of the error.
    pub(crate) fields: Vec<(String, String)>,
    /// Time after which the call may succeed, if the RPC names one.
    pub(crate) retry_after: Option<Duration>,
}

impl RpcError {
    fn with(code: ErrorCode, message: &str) -> Self {
        Self { code, message: message.to_owned(), fields: Vec::new(), retry_after: None }
    }

    /// Returns the message, with each field under the name that it has in the HTTP request.
    pub(crate) fn message_for(&self, profile: &Profile, endpoint: EndpointMatch<'_>) -> String {
        if self.fields.is_empty() {
            return self.message.clone();
        }
        let describe = |(field, description): &(String, String)| {
            format!("{}: {description}", profile.request_field_name(endpoint, field))
        };
        self.fields.iter().map(describe).collect::<Vec<_>>().join("; ")
    }

    /// Adds `retry-after` if the RPC names a time and the product's error has no header of its own.
    pub(crate) fn add_retry_after(&self, headers: &mut HeaderMap) {
        let Some(wait) = self.retry_after else { return };
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.entry(RETRY_AFTER).or_insert_with(|| HeaderValue::from(seconds.max(1)));
    }
}

/// Calls an RPC. Returns its response, and for a list RPC the items of all pages.
pub(crate) async fn call(
    services: &Routes,
    rpc: &Rpc,
    message: &Value,
    caller: &RpcCaller<'_>,
) -> Result<(Value, Vec<Value>), RpcError> {
    let Some((list, _)) = rpc.list else {
        return Ok((call_unary(services, rpc.path, message, caller).await?, Vec::new()));
    };
    let (mut message, mut items) = (message.clone(), Vec::new());
    message["page_size"] = PAGE_SIZE.into();
    for _ in 0..MAX_PAGES {
        let mut response = call_unary(services, rpc.path, &message, caller).await?;
        if let Some(Value::Array(page)) = response.get_mut(list).map(Value::take) {
            items.extend(page);
        }
        if items.len() > MAX_ITEMS {
            break;
        }
        let next = text(&response, "next_page_token");
        if next.is_empty() {
            return Ok((response, items));
        }
        message["page_token"] = next.into();
    }
    Err(RpcError::with(
        ErrorCode::ResourceExhausted,
        "The list has more than 10,000 items, which is the most that one response contains.",
    ))
}

async fn call_unary(
    services: &Routes,
    path: &str,
    message: &Value,
    caller: &RpcCaller<'_>,
) -> Result<Value, RpcError> {
    let internal_error = |cause: &str| {
        tracing::error!(
            target: "latchkey::internal",
            path,
            "failed to call an RPC for an endpoint: {cause}; the request is rejected with an internal error"
        );
        RpcError::with(ErrorCode::Internal, "internal error")
    };
    let method = method(path).ok_or_else(|| internal_error("the contract has no such RPC"))?;
    // Only values of the HTTP request can fail here: the field names were checked when the document was compiled.
    let request_message =
        DynamicMessage::deserialize(method.input(), message).map_err(|_| unreadable(&method, message))?;
    let call = request(path, &request_message.encode_to_vec(), caller)
        .ok_or_else(|| internal_error("the request could not be built"))?;
    let response = match services.clone().call(call).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if let Some(status) = tonic::Status::from_header_map(response.headers()) {
        return Err(rpc_error(&status));
    }
    let collected =
        response.into_body().collect().await.map_err(|_| internal_error("the response body ended early"))?;
    let status = collected.trailers().and_then(tonic::Status::from_header_map);
    if let Some(status) = status.filter(|status| status.code() != tonic::Code::Ok) {
        return Err(rpc_error(&status));
    }
    let bytes = collected.to_bytes();
    let message = bytes.get(FRAME_HEADER_BYTES..).ok_or_else(|| internal_error("the response is empty"))?;
    let response = DynamicMessage::decode(method.output(), message)
        .map_err(|_| internal_error("the response could not be decoded"))?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true);
    response
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|_| internal_error("the response could not be converted to JSON"))
}

/// Returns the error for values that do not have the type of their fields.
fn unreadable(method: &MethodDescriptor, message: &Value) -> RpcError {
    RpcError {
        fields: invalid_fields(&method.input(), message),
        ..RpcError::with(ErrorCode::InvalidArgument, "A value has the wrong type or format.")
    }
}

fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    POOL.as_ref()?.get_service_by_name(service)?.methods().find(|method| method.name() == name)
}

fn request(path: &str, message: &[u8], caller: &RpcCaller<'_>) -> Option<Request<Body>> {
    let mut frame = BytesMut::with_capacity(FRAME_HEADER_BYTES + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).ok()?);
    frame.extend_from_slice(message);
    let mut request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-request-id", caller.request_id)
        .body(Body::new(Full::new(Bytes::from(frame))))
        .ok()?;
    if let Some(credential) = caller.credential {
        let mut value = HeaderValue::try_from(format!("Bearer {credential}")).ok()?;
        value.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
    }
    let remote_addr = caller.address.map(|address| SocketAddr::new(address, 0));
    request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr });
    request.extensions_mut().insert(EndpointProfile(caller.profile.into()));
    Some(request)
}

fn rpc_error(status: &tonic::Status) -> RpcError {
    let violations = status.get_details_bad_request().into_iter().flat_map(|bad| bad.field_violations);
    let login = status.get_details_error_info().is_some_and(|info| info.reason == "INVALID_LOGIN");
    // The status repeats the object's identifier, which the sender of the HTTP request may know in another form.
    let missing = status.get_details_resource_info().filter(|_| status.code() == tonic::Code::NotFound);
    RpcError {
        code: if login { ErrorCode::InvalidLogin } else { code(status.code()) },
        message: missing.map_or_else(
            || status.message().to_owned(),
            |info| format!("There is no such {}.", info.resource_type),
        ),
        fields: violations.map(|violation| (violation.field, violation.description)).collect(),
        retry_after: status.get_details_retry_info().and_then(|info| info.retry_delay),
    }
}

fn code(code: tonic::Code) -> ErrorCode {
    match code {
        tonic::Code::InvalidArgument | tonic::Code::OutOfRange => ErrorCode::InvalidArgument,
        tonic::Code::Unauthenticated => ErrorCode::Unauthenticated,
        tonic::Code::PermissionDenied => ErrorCode::PermissionDenied,
        tonic::Code::NotFound => ErrorCode::NotFound,
        tonic::Code::AlreadyExists => ErrorCode::AlreadyExists,
        tonic::Code::FailedPrecondition | tonic::Code::Aborted => ErrorCode::FailedPrecondition,
        tonic::Code::ResourceExhausted => ErrorCode::ResourceExhausted,
        tonic::Code::Unimplemented => ErrorCode::Unimplemented,
        tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => {
            ErrorCode::Unavailable
        }
        tonic::Code::Ok | tonic::Code::Unknown | tonic::Code::Internal | tonic::Code::DataLoss => {
            ErrorCode::Internal
        }
    }
}

/// Returns the text of a field of a JSON message; empty if the field is absent.
fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use latchkey_profile::contract::{ALTERNATIVES, Field, FieldType, RPCS};
    use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

    use super::*;

    fn find(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
        match path.split_once('.') {
            None => message.get_field_by_name(path),
            Some((first, rest)) => match message.get_field_by_name(first)?.kind() {
                Kind::Message(inner) => find(&inner, rest),
                _ => None,
            },
        }
    }

    fn field_type(field: &FieldDescriptor) -> FieldType {
        match field.kind() {
            _ if field.is_map() => FieldType::Map,
            Kind::String if field.is_list() => FieldType::TextList,
            Kind::String | Kind::Enum(_) => FieldType::Text,
            Kind::Message(inner) if inner.full_name() == "google.protobuf.Timestamp" => FieldType::Time,
            Kind::Message(inner) if inner.full_name() == "google.protobuf.Duration" => FieldType::Duration,
            Kind::Bool => FieldType::Flag,
            _ => FieldType::Number,
        }
    }

    fn check_fields(rpc: &str, message: &MessageDescriptor, fields: &[Field], is_request: bool) {
        for (path, expected) in fields {
            let field = find(message, path).unwrap_or_else(|| panic!("{rpc}: {path}"));
            // Profiles write a timestamp of a request as text, which is its form in JSON.
            let matches = field_type(&field) == *expected
                || (is_request && field_type(&field) == FieldType::Time && *expected == FieldType::Text);
            assert!(matches, "{rpc}: {path} is {:?}", field_type(&field));
        }
    }

    #[test]
    fn every_rpc_that_a_document_can_name_is_in_the_contract() {
        for rpc in RPCS {
            let method = method(rpc.path).unwrap_or_else(|| panic!("{}", rpc.path));
            assert_eq!(method.name(), rpc.name);
            check_fields(rpc.name, &method.input(), rpc.request_fields, true);
            check_fields(rpc.name, &method.output(), rpc.response_fields, false);
            if let Some((list, fields)) = rpc.list {
                let Some(Kind::Message(item)) = find(&method.output(), list).map(|f| f.kind()) else {
                    panic!("the response of {} has no list {list}", rpc.name)
                };
                check_fields(rpc.name, &item, fields, false);
            }
        }
    }

    #[test]
    fn fields_of_which_a_request_has_one_are_those_that_errors_name_together() {
        for rpc in RPCS {
            let input = method(rpc.path).unwrap_or_else(|| panic!("{}", rpc.path)).input();
            for oneof in input.oneofs() {
                let names: Vec<String> = oneof.fields().map(|field| field.name().to_owned()).collect();
                let known = ALTERNATIVES.iter().any(|(one, two)| names == [*one, *two]);
                assert!(names.len() == 1 || known, "{}: {names:?}", rpc.name);
            }
        }
    }
}
