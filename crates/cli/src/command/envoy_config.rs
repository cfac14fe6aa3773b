//! `latchkey envoy-config`: an Envoy configuration that asks Latchkey as it should be asked, for one profile.
//! `envoy.yaml` beside this file is the text; what differs is filled in as JSON, which YAML contains.

use std::net::IpAddr;
use std::path::Path;

use latchkey_proto::v1;
use latchkey_server::profile_test::{EnvoyRequirements, Profile};
use serde_json::{Value, json};

use crate::args::{EnvoyConfigArgs, Globals, HostPort};
use crate::call::{Server, read_text};
use crate::exit::CliError;
use crate::output::print;

const TEXT: &str = include_str!("envoy_config/envoy.yaml");
/// Enough for a sign-in; what is larger is judged without it.
const BODY: u32 = 8 * 1024;

pub(super) async fn run(globals: &Globals, args: EnvoyConfigArgs) -> Result<(), CliError> {
    let document = if Path::new(&args.profile).exists() {
        read_text(args.profile.as_ref())?
    } else {
        let ask = v1::GetProfileRequest { name: args.profile.clone(), version: 0 };
        Server::of(globals).await?.profiles().get_profile(ask).await?.into_inner().document
    };
    let profile = Profile::compile(&document, 1)
        .map_err(|errors| CliError::Usage(format!("{}:\n{errors}", args.profile)))?;
    print(&render(&args, profile.name(), &profile.envoy_requirements()))
}

fn render(args: &EnvoyConfigArgs, profile: &str, requirements: &EnvoyRequirements) -> String {
    let headers: Vec<Value> =
        requirements.headers.iter().map(|name| json!({ "exact": name, "ignore_case": true })).collect();
    let body = json!({ "max_request_bytes": BODY, "allow_partial_message": true, "pack_as_bytes": true });
    let kind =
        |place: &HostPort| json!(if place.host.parse::<IpAddr>().is_ok() { "STATIC" } else { "STRICT_DNS" });
    let words = [
        ("$LISTEN_HOST", json!(args.listen.host)),
        ("$LISTEN_PORT", json!(args.listen.port)),
        ("$TRUSTED_HOPS", json!(requirements.trusted_hops)),
        ("$PROFILE", json!(profile)),
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
            ..EnvoyRequirements::default()
        };
        let text = render(&args, "p", &requirements);
        let left: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains('$')).collect();
        assert!(left.is_empty(), "{left:?}");
        let yaml: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(yaml["static_resources"]["clusters"][0]["type"], "STATIC", "{yaml}");
    }
}
