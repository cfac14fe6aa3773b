//! Requests that clients compress with gzip: every RPC takes them, and a compressed message has
//! the bound of a plain one.

use latchkey_proto::v1::{CheckRequest, CreateTenantRequest, Decision};
use latchkey_testing::{Latchkey, ROOT_KEY, Setup};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio_stream::StreamExt as _;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// Paths of all unary RPCs of the contract and of Envoy's Check.
fn rpcs() -> Vec<String> {
    let set = FileDescriptorSet::decode(latchkey_proto::FILE_DESCRIPTOR_SET);
    let files = set.expect("the contract").file;
    let services = files.iter().flat_map(|file| file.service.iter().map(move |service| (file, service)));
    let ours = services.filter(|(file, service)| {
        file.package() == "latchkey.v1"
            || (service.name() == "Authorization" && file.package().ends_with("auth.v3"))
    });
    let paths = ours.flat_map(|(file, service)| {
        service.method.iter().map(move |rpc| format!("/{}.{}/{}", file.package(), service.name(), rpc.name()))
    });
    paths.collect()
}

async fn channel(latchkey: &Latchkey) -> Channel {
    let endpoint =
        Endpoint::from_shared(format!("http://127.0.0.1:{}", latchkey.grpc())).expect("an address");
    endpoint.connect().await.expect("it listens")
}

/// Calls an RPC with an empty message, compressed or not. Returns the code of its status.
async fn call(channel: &Channel, path: &str, compressed: bool) -> Code {
    let mut client = tonic::client::Grpc::new(channel.clone());
    if compressed {
        client = client.send_compressed(Gzip);
    }
    let mut request = Request::new(());
    let bearer: MetadataValue<_> = format!("Bearer {ROOT_KEY}").parse().expect("a value");
    request.metadata_mut().insert("authorization", bearer);
    client.ready().await.expect("it is ready");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let called: Result<_, Status> = client.unary(request, path.parse().expect("a path"), codec).await;
    called.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_takes_a_compressed_message() {
    let latchkey = Setup::default().shipped("demo").start();
    let (channel, rpcs) = (channel(&latchkey).await, rpcs());
    assert!(rpcs.len() > 20, "{rpcs:?}");
    for path in rpcs {
        let plain = call(&channel, &path, false).await;
        assert_eq!(call(&channel, &path, true).await, plain, "{path}");
        assert_ne!(plain, Code::Unimplemented, "{path}");
    }
    let health = "/grpc.health.v1.Health/Check";
    assert_eq!(call(&channel, health, true).await, Code::Ok);
}

/// Request of reflection for the names of all services.
#[derive(Clone, PartialEq, prost::Message)]
struct ReflectionRequest {
    #[prost(string, tag = "7")]
    list_services: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_takes_a_stream_of_compressed_messages() {
    let latchkey = Setup::default().shipped("demo").start();
    let mut client = tonic::client::Grpc::new(channel(&latchkey).await).send_compressed(Gzip);
    client.ready().await.expect("it is ready");
    let request = ReflectionRequest { list_services: "*".to_owned() };
    let requests = tokio_stream::iter([request.clone(), request]);
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".parse().expect("a path");
    let codec = tonic_prost::ProstCodec::<ReflectionRequest, ()>::default();
    let responses = client.streaming(Request::new(requests), path, codec).await.expect("a stream");
    let responses: Vec<_> = responses.into_inner().collect().await;
    assert!(responses.len() == 2 && responses.iter().all(Result::is_ok), "{responses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_check_is_decided_as_a_plain_one() {
    let latchkey = Setup::default().shipped("demo").start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "demo", "").await;
    let (_, key) = operator.scoped_key("acme", &["things.read"]).await;
    let mut checks = latchkey.anonymous().checks().send_compressed(Gzip);
    let (method, path) = ("GET".to_owned(), "/things".to_owned());
    let allowed = CheckRequest { credential: key.clone(), method, path, ..CheckRequest::default() };
    let denied = CheckRequest { method: "POST".to_owned(), ..allowed.clone() };
    for (request, decision) in [(allowed.clone(), Decision::Allow), (denied, Decision::Deny)] {
        let response = checks.check(request).await.expect("an answer").into_inner();
        assert_eq!(response.decision(), decision, "{response:?}");
    }
    // A message of a few hundred bytes that becomes one of megabytes is denied as a plain one of that size.
    let large = CheckRequest { path: format!("/{}", "a".repeat(2 * 1024 * 1024)), ..allowed };
    let plain = latchkey.anonymous().check(large.clone()).await;
    let compressed = checks.check(large).await.expect("an answer").into_inner();
    assert_eq!((plain.decision(), plain.reason()), (Decision::Deny, compressed.reason()), "{compressed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_message_has_the_bound_of_a_plain_one() {
    let latchkey = Setup::default().shipped("demo").start();
    let mut tenants = latchkey.operator().tenants().send_compressed(Gzip);
    let request = |length| CreateTenantRequest {
        slug: "acme".to_owned(),
        profile: "demo".to_owned(),
        display_name: "a".repeat(length),
        ..CreateTenantRequest::default()
    };
    for length in [5 * 1024 * 1024, 256 * 1024 * 1024] {
        let refused = tenants.create_tenant(request(length)).await.expect_err("it is too large");
        assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
    }
    let refused = tenants.create_tenant(request(3 * 1024 * 1024)).await.expect_err("the name is too long");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert!(tenants.create_tenant(request(4)).await.is_ok());
}
