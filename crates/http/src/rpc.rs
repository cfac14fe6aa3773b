//! A call of an RPC by its descriptor: a message as JSON goes in, and comes out. It passes the same services as
//! every gRPC call, with the caller's credential as its metadata.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use latchkey_profile::ErrorCode;
use latchkey_profile::contract::Rpc;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tonic_types::StatusExt as _;
use tower_service::Service as _;

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(latchkey_proto::FILE_DESCRIPTOR_SET).ok());

/// Pages of a list, and things on each: ten thousand are the most that one answer has.
const MAX_PAGES: usize = 10;
const PAGE_SIZE: i32 = 1_000;
/// What stands before each message on the wire: a flag and a length.
const FRAME_HEADER_BYTES: usize = 5;

/// Who calls.
pub(crate) struct RpcCaller<'a> {
    pub(crate) credential: Option<&'a str>,
    pub(crate) request_id: &'a str,
    pub(crate) address: Option<IpAddr>,
}

/// How a call failed.
#[derive(Debug)]
pub(crate) struct RpcError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    /// Fields of the RPC that were wrong, and how.
    pub(crate) fields: Vec<(String, String)>,
}

impl RpcError {
    fn with(code: ErrorCode, message: &str) -> Self {
        Self { code, message: message.to_owned(), fields: Vec::new() }
    }
}

/// Calls, and answers the message, and the items of every page of its list.
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
        let mut answer = call_unary(services, rpc.path, &message, caller).await?;
        if let Some(Value::Array(page)) = answer.get_mut(list).map(Value::take) {
            items.extend(page);
        }
        let next = crate::text(&answer, "next_page_token");
        if next.is_empty() {
            return Ok((answer, items));
        }
        message["page_token"] = next.into();
    }
    Err(RpcError::with(ErrorCode::ResourceExhausted, "There is more than one answer can hold."))
}

async fn call_unary(
    services: &Routes,
    path: &str,
    message: &Value,
    caller: &RpcCaller<'_>,
) -> Result<Value, RpcError> {
    let internal_error = |what: &str| {
        tracing::error!(target: "latchkey::internal", path, "{what}");
        RpcError::with(ErrorCode::Internal, "internal error")
    };
    let method = method(path).ok_or_else(|| internal_error("the contract has no such RPC"))?;
    // Only what a request brought can be of the wrong form: names were checked with the document.
    let request_message = DynamicMessage::deserialize(method.input(), message)
        .map_err(|_| RpcError::with(ErrorCode::InvalidArgument, "A value can't be read."))?;
    let call = request(path, &request_message.encode_to_vec(), caller)
        .ok_or_else(|| internal_error("no request can be made"))?;
    let response = match services.clone().call(call).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if let Some(status) = tonic::Status::from_header_map(response.headers()) {
        return Err(rpc_error(&status));
    }
    let collected =
        response.into_body().collect().await.map_err(|_| internal_error("the answer broke off"))?;
    let status = collected.trailers().and_then(tonic::Status::from_header_map);
    if let Some(status) = status.filter(|status| status.code() != tonic::Code::Ok) {
        return Err(rpc_error(&status));
    }
    let bytes = collected.to_bytes();
    let answer = bytes.get(FRAME_HEADER_BYTES..).ok_or_else(|| internal_error("there is no answer"))?;
    let answer = DynamicMessage::decode(method.output(), answer)
        .map_err(|_| internal_error("an answer can't be read"))?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true);
    answer
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|_| internal_error("an answer can't be told"))
}

fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    POOL.as_ref()?.get_service_by_name(service)?.methods().find(|method| method.name() == name)
}

fn request(path: &str, message: &[u8], caller: &RpcCaller<'_>) -> Option<Request<Body>> {
    let mut framed = BytesMut::with_capacity(FRAME_HEADER_BYTES + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).ok()?);
    framed.extend_from_slice(message);
    let mut request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-request-id", caller.request_id)
        .body(Body::new(Full::new(Bytes::from(framed))))
        .ok()?;
    if let Some(credential) = caller.credential {
        let mut value = HeaderValue::try_from(format!("Bearer {credential}")).ok()?;
        value.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
    }
    let remote_addr = caller.address.map(|address| SocketAddr::new(address, 0));
    request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr });
    Some(request)
}

fn rpc_error(status: &tonic::Status) -> RpcError {
    let violations = status.get_details_bad_request().into_iter().flat_map(|bad| bad.field_violations);
    RpcError {
        code: code(status.code()),
        message: status.message().to_owned(),
        fields: violations.map(|violation| (violation.field, violation.description)).collect(),
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

#[cfg(test)]
mod tests {
    use latchkey_profile::contract::{Field, FieldType, RPCS};
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

    fn shape(field: &FieldDescriptor) -> FieldType {
        match field.kind() {
            _ if field.is_map() => FieldType::Map,
            Kind::String if field.is_list() => FieldType::TextList,
            Kind::String | Kind::Enum(_) => FieldType::Text,
            Kind::Message(inner) if inner.full_name() == "google.protobuf.Timestamp" => FieldType::Time,
            Kind::Message(inner) if inner.full_name() == "google.protobuf.Duration" => FieldType::Duration,
            _ => FieldType::Number,
        }
    }

    fn check_fields(rpc: &str, message: &MessageDescriptor, fields: &[Field], is_request: bool) {
        for (path, expected) in fields {
            let field = find(message, path).unwrap_or_else(|| panic!("{rpc}: {path}"));
            // A moment is asked for as the text that it is in JSON.
            let same = shape(&field) == *expected
                || (is_request && shape(&field) == FieldType::Time && *expected == FieldType::Text);
            assert!(same, "{rpc}: {path} is {:?}", shape(&field));
        }
    }

    #[test]
    fn every_rpc_that_a_document_may_name_is_the_contracts() {
        for rpc in RPCS {
            let method = method(rpc.path).unwrap_or_else(|| panic!("{}", rpc.path));
            assert_eq!(method.name(), rpc.name);
            check_fields(rpc.name, &method.input(), rpc.request_fields, true);
            check_fields(rpc.name, &method.output(), rpc.response_fields, false);
            if let Some((list, fields)) = rpc.list {
                let Some(Kind::Message(item)) = find(&method.output(), list).map(|f| f.kind()) else {
                    panic!("{} answers no list {list}", rpc.name)
                };
                check_fields(rpc.name, &item, fields, false);
            }
        }
    }
}
