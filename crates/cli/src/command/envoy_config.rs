//! `latchkey envoy-config`: an Envoy configuration that asks Latchkey as it should be asked, for one profile.
//! `envoy.yaml` beside this file is the text; what differs is filled in as JSON, which YAML contains.

use std::net::IpAddr;
use std::path::Path;

use latchkey_proto::v1;
use latchkey_server::profile_test::{EnvoyReply, EnvoyRequirements, Profile};
use serde_json::{Value, json};

use crate::args::{EnvoyConfigArgs, Globals, HostPort};
use crate::call::{Server, read_text};
use crate::exit::CliError;
use crate::output::print;

const TEXT: &str = include_str!("envoy_config/envoy.yaml");
/// Largest body in bytes, where the profile reads bodies. Envoy answers a larger one with 413: a body without its end
/// names no resource for certain.
const MAX_BODY_BYTES: u32 = 64 * 1024;

pub(super) async fn run(globals: &Globals, args: EnvoyConfigArgs) -> Result<(), CliError> {
    let document = if Path::new(&args.profile).exists() {
        read_text(args.profile.as_ref())?
    } else {
        let ask = v1::GetProfileRequest { name: args.profile.clone(), version: 0 };
        Server::of(globals).await?.profiles().get_profile(ask).await?.into_inner().document
    };
    let profile = Profile::compile(&document, 1)
        .map_err(|errors| CliError::Usage(format!("{}:\n{errors}", args.profile)))?;
    let replies = profile.envoy_replies(MAX_BODY_BYTES);
    print(&render(&args, profile.name(), &profile.envoy_requirements(), &replies))
}

fn render(
    args: &EnvoyConfigArgs,
    profile: &str,
    requirements: &EnvoyRequirements,
    replies: &[EnvoyReply],
) -> String {
    let headers: Vec<Value> =
        requirements.headers.iter().map(|name| json!({ "exact": name, "ignore_case": true })).collect();
    let body = json!({
        "max_request_bytes": MAX_BODY_BYTES, "allow_partial_message": false, "pack_as_bytes": true,
    });
    let slashes = if requirements.encoded_slashes { "KEEP_UNCHANGED" } else { "REJECT_REQUEST" };
    let kind =
        |place: &HostPort| json!(if place.host.parse::<IpAddr>().is_ok() { "STATIC" } else { "STRICT_DNS" });
    let words = [
        ("$LISTEN_HOST", json!(args.listen.host)),
        ("$LISTEN_PORT", json!(args.listen.port)),
        ("$TRUSTED_HOPS", json!(requirements.trusted_hops)),
        ("$ENCODED_SLASHES", json!(slashes)),
        ("$REPLIES", replies.iter().map(mapper).collect()),
        ("$VIRTUAL_HOSTS", virtual_hosts(profile, requirements)),
        ("$HEADERS", json!({ "patterns": headers })),
        ("$BODY", if requirements.body { body } else { Value::Null }),
        ("$LATCHKEY_HOST", json!(args.latchkey.host)),
        ("$LATCHKEY_PORT", json!(args.latchkey.port)),
        ("$LATCHKEY_KIND", kind(&args.latchkey)),
        ("$LATCHKEY_TLS", tls(args)),
        ("$UPSTREAM_HOST", json!(args.upstream.host)),
        ("$UPSTREAM_PORT", json!(args.upstream.port)),
        ("$UPSTREAM_KIND", kind(&args.upstream)),
    ];
    words.iter().fold(TEXT.to_owned(), |text, (word, value)| text.replace(word, &value.to_string()))
}

/// A response of Envoy's own in the format of the product.
fn mapper(reply: &EnvoyReply) -> Value {
    let value = json!({ "default_value": reply.status, "runtime_key": "latchkey.local_reply" });
    json!({
        "filter": { "status_code_filter": { "comparison": { "op": "EQ", "value": value } } },
        "body_format_override": {
            "text_format_source": { "inline_string": reply.format }, "content_type": reply.content_type,
        },
    })
}

/// Hosts with the context extensions of each. Where hosts decide the environment, Envoy names it for each of them, so
/// that the host that it chooses a route by is the host that the credential is compared with.
fn virtual_hosts(profile: &str, requirements: &EnvoyRequirements) -> Value {
    let host = |name: &str, domain: &str, environment: Option<&String>| {
        let mut extensions = json!({ "profile": profile });
        if let Some(environment) = environment {
            extensions["environment"] = json!(environment);
        }
        json!({
            "name": name,
            "domains": [domain],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } }],
            "typed_per_filter_config": { "envoy.filters.http.ext_authz": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                "check_settings": { "context_extensions": extensions },
            } },
        })
    };
    let listed = requirements.hosts.iter();
    let mut all: Vec<Value> =
        listed.map(|(domain, environment)| host(domain, domain, environment.as_ref())).collect();
    if requirements.hosts.iter().all(|(domain, _)| domain != "*") {
        all.push(host("all", "*", None));
    }
    json!(all)
}

/// TLS between Envoy and Latchkey.
fn tls(args: &EnvoyConfigArgs) -> Value {
    let Some(ca) = &args.latchkey_ca else { return Value::Null };
    let host = &args.latchkey.host;
    let address = host.parse::<IpAddr>().is_ok();
    let name =
        json!({ "san_type": if address { "IP_ADDRESS" } else { "DNS" }, "matcher": { "exact": host } });
    let own = match (&args.client_cert, &args.client_key) {
        (Some(cert), Some(key)) => {
            json!([{ "certificate_chain": { "filename": cert }, "private_key": { "filename": key } }])
        }
        _ => json!([]),
    };
    let mut context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "tls_params": { "tls_minimum_protocol_version": "TLSv1_2" },
            "tls_certificates": own,
            "validation_context": { "trusted_ca": { "filename": ca }, "match_typed_subject_alt_names": [name] },
        },
    });
    if !address {
        context["sni"] = json!(host);
    }
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled_and_the_text_is_yaml() {
        let args = EnvoyConfigArgs {
            profile: "p".to_owned(),
            listen: "[::]:8080".parse().unwrap(),
            upstream: "app:80".parse().unwrap(),
            latchkey: "127.0.0.1:1".parse().unwrap(),
            latchkey_ca: Some("/ca.pem".to_owned()),
            client_cert: None,
            client_key: None,
        };
        let requirements = EnvoyRequirements {
            headers: ["x-api-key".to_owned()].into(),
            body: true,
            hosts: vec![("a.dev".to_owned(), Some("live".to_owned()))],
            ..EnvoyRequirements::default()
        };
        let reply = EnvoyReply { status: 413, content_type: "a/b".to_owned(), format: "%REQ(X)%".to_owned() };
        let text = render(&args, "p", &requirements, &[reply]);
        let left: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains('$')).collect();
        assert!(left.is_empty(), "{left:?}");
        let yaml: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(yaml["static_resources"]["clusters"][0]["type"], "STATIC", "{yaml}");
        let manager =
            &yaml["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        let hosts = manager["route_config"]["virtual_hosts"].as_array().unwrap();
        let domains: Vec<&Value> = hosts.iter().map(|host| &host["domains"][0]).collect();
        assert_eq!(domains, ["a.dev", "*"], "{yaml}");
        let settings = &hosts[0]["typed_per_filter_config"]["envoy.filters.http.ext_authz"]["check_settings"];
        assert_eq!(settings["context_extensions"], json!({ "profile": "p", "environment": "live" }));
    }
}
