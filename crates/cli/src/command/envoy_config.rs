//! `latchkey envoy-config`: prints the recommended Envoy configuration for one profile. `envoy.yaml` beside this file
//! is the template; its variable parts are filled in as JSON, which is valid YAML.

mod fill;
mod headers;
mod latchkey;
mod replies;

use std::path::Path;

use latchkey_proto::v1;
use latchkey_server::profile_test::{EndpointPath, EnvoyReply, EnvoyRequirements, Profile};
use serde_json::{Value, json};

use self::fill::fill;
pub(super) use self::headers::{CALL_HEADERS, HOST_HEADERS};
use crate::args::{EnvoyConfigArgs, Globals, Place};
use crate::call::{Server, read_text};
use crate::exit::CliError;
use crate::output::print;

const TEXT: &str = include_str!("envoy_config/envoy.yaml");
/// Lines for a profile that reads its credential from handshakes of WebSocket.
const UPGRADES: &str = "                # Handshakes of WebSocket, from which the profile reads.
                upgrade_configs: [{ upgrade_type: websocket }]
";
/// Largest body in bytes, if the profile reads bodies. Envoy answers a larger one with 413, since the resource cannot
/// be read reliably from an incomplete body.
const MAX_BODY_BYTES: u32 = 64 * 1024;

pub(super) async fn run(globals: &Globals, args: EnvoyConfigArgs) -> Result<(), CliError> {
    let document = if is_file(&args.profile) {
        read_text(args.profile.as_ref())?
    } else {
        let ask = v1::GetProfileRequest { name: args.profile.clone(), version: 0 };
        Server::of(globals).await?.profiles().get_profile(ask).await?.into_inner().document
    };
    let profile = Profile::compile(&document, 1)
        .map_err(|errors| CliError::Usage(format!("{}:\n{errors}", args.profile)))?;
    let replies = profile.envoy_replies(MAX_BODY_BYTES);
    print(&render(&args, profile.name(), &profile.envoy_requirements(), &replies)?)
}

/// Returns whether an argument is a document on this machine. A name of a profile has neither a slash nor a dot.
fn is_file(profile: &str) -> bool {
    let path = Path::new(profile);
    profile.contains('/') || path.extension().is_some_and(|extension| extension == "toml") || path.exists()
}

/// Returns the setting by which Envoy sends the body of a request with its Check: a whole body or none.
pub(super) fn request_body() -> Value {
    json!({ "max_request_bytes": MAX_BODY_BYTES, "allow_partial_message": false, "pack_as_bytes": true })
}

fn render(
    args: &EnvoyConfigArgs,
    profile: &str,
    requirements: &EnvoyRequirements,
    replies: &[EnvoyReply],
) -> Result<String, CliError> {
    let slashes = if requirements.encoded_slashes { "KEEP_UNCHANGED" } else { "REJECT_REQUEST" };
    if args.admin.0 == Some(Place::Tcp(args.listen.clone())) {
        return Err(CliError::Usage(
            "--admin and --listen have the same address: give each one of its own".to_owned(),
        ));
    }
    let admin =
        args.admin.0.as_ref().map_or(Value::Null, |place| json!({ "address": latchkey::address(place) }));
    let upstream = [Place::Tcp(args.upstream.clone())];
    let words = [
        ("$ADMIN", admin),
        ("$LISTEN_HOST", json!(args.listen.host)),
        ("$LISTEN_PORT", json!(args.listen.port)),
        ("$TRUSTED_HOPS", json!(requirements.trusted_hops)),
        ("$ENCODED_SLASHES", json!(slashes)),
        ("$REPLIES", replies.iter().map(replies::mapper).collect()),
        ("$VIRTUAL_HOSTS", virtual_hosts(profile, requirements)),
        ("$HEADERS", headers::allowed(requirements)),
        ("$ODD_NAMES", json!(headers::odd_names(requirements))),
        ("$REMOVED", json!(headers::removed(requirements))),
        ("$BODY", if requirements.body { request_body() } else { Value::Null }),
        ("$LATCHKEY_ENDPOINTS", latchkey::endpoints(&args.latchkey)),
        ("$LATCHKEY_KIND", json!(latchkey::kind("--latchkey", &args.latchkey)?)),
        ("$LATCHKEY_OUTLIERS", latchkey::outliers(&args.latchkey)),
        ("$LATCHKEY_TLS", latchkey::tls(args, &args.latchkey, true)?),
        ("$UPSTREAM_HOST", json!(args.upstream.host)),
        ("$UPSTREAM_PORT", json!(args.upstream.port)),
        ("$UPSTREAM_KIND", json!(latchkey::kind("--upstream", &upstream)?)),
    ];
    let http_cluster = match &requirements.endpoints[..] {
        [] => String::new(),
        _ => format!(
            "    # The profile's endpoints, which Latchkey serves itself.\n    - {}\n",
            latchkey::http_cluster(args)?
        ),
    };
    let upgrades = if requirements.websocket { UPGRADES } else { "" };
    let caller = latchkey::caller(args.caller_key_variable.as_ref())?;
    let timeout = format!("{}s", args.timeout.0.as_secs_f64());
    let lines = [
        ("$HTTP_CLUSTER", http_cluster),
        ("$UPGRADES", upgrades.to_owned()),
        ("$CALLER", caller),
        ("$TIMEOUT", timeout),
    ];
    let words = words.into_iter().map(|(word, value)| (word, value.to_string()));
    Ok(fill(TEXT, &lines.into_iter().chain(words).collect::<Vec<_>>()))
}

/// Returns the hosts with the context extensions of each. If hosts decide the environment, Envoy names it for each of
/// them, so that the host that it chooses a route by is the host that the credential is compared with.
fn virtual_hosts(profile: &str, requirements: &EnvoyRequirements) -> Value {
    let upstream = json!({ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } });
    let routes: Vec<Value> = requirements.endpoints.iter().map(endpoint_route).chain([upstream]).collect();
    let host = |name: &str, domain: &str, environment: Option<&String>| {
        let mut extensions = json!({ "profile": profile });
        if let Some(environment) = environment {
            extensions["environment"] = json!(environment);
        }
        json!({
            "name": name,
            "domains": [domain],
            "routes": routes,
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

/// Returns the route of an endpoint to Latchkey's HTTP port. If the service behind Envoy has other methods of the same
/// path, the route is only for the endpoint's methods; otherwise Latchkey responds to other methods with 405.
fn endpoint_route(path: &EndpointPath) -> Value {
    let mut matched = json!({ "safe_regex": { "regex": path.regex } });
    if path.shared {
        let methods: Vec<&str> = path.methods.iter().map(String::as_str).collect();
        let methods = json!({ "safe_regex": { "regex": methods.join("|") } });
        matched["headers"] = json!([{ "name": ":method", "string_match": methods }]);
    }
    json!({
        "match": matched, "route": { "cluster": latchkey::HTTP_CLUSTER, "timeout": latchkey::ENDPOINT_TIMEOUT },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> EnvoyConfigArgs {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: EnvoyConfigArgs,
        }
        <Line as clap::Parser>::parse_from([&["envoy-config", "p"], words].concat()).args
    }

    #[test]
    fn handshakes_of_websocket_pass_where_the_profile_reads_them() {
        for websocket in [true, false] {
            let requirements = EnvoyRequirements { websocket, ..EnvoyRequirements::default() };
            let yaml = configuration(&[], &requirements);
            let manager =
                &yaml["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
            let expected = if websocket { json!([{ "upgrade_type": "websocket" }]) } else { Value::Null };
            assert_eq!(manager["upgrade_configs"], expected);
        }
    }

    fn configuration(words: &[&str], requirements: &EnvoyRequirements) -> Value {
        let reply = EnvoyReply {
            status: 413,
            flag: None,
            sent_status: 413,
            content_type: "a/b".to_owned(),
            format: "%REQ(X)%".to_owned(),
            headers: vec![("x-limit".to_owned(), "300".to_owned())],
        };
        let text = render(&args(words), "p", requirements, &[reply]).unwrap();
        let left: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains('$')).collect();
        assert!(left.is_empty(), "{left:?}");
        serde_saphyr::from_str(&text).unwrap()
    }

    #[test]
    fn every_place_is_filled_and_the_text_is_yaml() {
        let requirements = EnvoyRequirements {
            headers: ["x-api-key".to_owned()].into(),
            body: true,
            hosts: vec![("a.dev".to_owned(), Some("live".to_owned()))],
            ..EnvoyRequirements::default()
        };
        let words = [
            "--listen",
            "[::]:8080",
            "--upstream",
            "app:80",
            "--latchkey",
            "127.0.0.1:1",
            "--latchkey-ca",
            "/ca.pem",
        ];
        let yaml = configuration(&words, &requirements);
        assert_eq!(yaml["static_resources"]["clusters"][0]["type"], "STATIC", "{yaml}");
        let manager =
            &yaml["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        let hosts = manager["route_config"]["virtual_hosts"].as_array().unwrap();
        let domains: Vec<&Value> = hosts.iter().map(|host| &host["domains"][0]).collect();
        assert_eq!(domains, ["a.dev", "*"], "{yaml}");
        let settings = &hosts[0]["typed_per_filter_config"]["envoy.filters.http.ext_authz"]["check_settings"];
        assert_eq!(settings["context_extensions"], json!({ "profile": "p", "environment": "live" }));
    }

    #[test]
    fn endpoints_go_to_latchkeys_http_port_and_the_rest_to_the_service() {
        let endpoint = EndpointPath {
            pattern: "/keys/{id}".to_owned(),
            regex: "/keys/[^/]+/?".to_owned(),
            sample: "/keys/x".to_owned(),
            methods: ["GET".to_owned(), "HEAD".to_owned()].into(),
            shared: true,
        };
        let requirements = EnvoyRequirements { endpoints: vec![endpoint], ..EnvoyRequirements::default() };
        let yaml = configuration(&["--latchkey", "lk:50051", "--latchkey", "lk2:50051"], &requirements);
        let clusters = yaml["static_resources"]["clusters"].as_array().unwrap();
        assert_eq!(clusters[1]["name"], "latchkey-http");
        let ports: Vec<&Value> = clusters[1]["load_assignment"]["endpoints"][0]["lb_endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["endpoint"]["address"]["socket_address"]["port_value"])
            .collect();
        assert_eq!(ports, [8081, 8081], "one for each replica");
        let text = yaml.to_string();
        assert!(text.contains(r#""cluster":"latchkey-http""#) && text.contains("GET|HEAD"), "{text}");
        assert_eq!(clusters[0]["outlier_detection"]["max_ejection_percent"], 50);
        let none = configuration(&[], &EnvoyRequirements::default()).to_string();
        assert!(!none.contains("latchkey-http") && none.contains(r#""outlier_detection":null"#), "{none}");
    }

    #[test]
    fn the_timeout_follows_the_check_deadline() {
        let timeout = |words: &[&str]| {
            let yaml = configuration(words, &EnvoyRequirements::default()).to_string();
            let (_, rest) = yaml.split_once(r#""cluster_name":"latchkey"},"timeout":""#).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        assert_eq!(timeout(&[]), "0.2s");
        assert_eq!(timeout(&["--timeout", "450ms"]), "0.45s");
        assert_eq!(timeout(&["--timeout", "5.05s"]), "5.05s");
        assert_eq!(timeout(&["--timeout", "60s"]), "60s");
        for bad in ["", "0s", "200", "-1s", "61s", "NaNs", "infs", "1e-1s", "0.5ms", "s", "2m"] {
            assert!(bad.parse::<crate::args::Timeout>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_can_be_unix_sockets_and_the_admin_interface_can_be_left_out() {
        let yaml = configuration(
            &["--latchkey", "unix:/run/lk.sock", "--admin", "none"],
            &EnvoyRequirements::default(),
        );
        let endpoint =
            &yaml["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
        assert_eq!(endpoint["endpoint"]["address"]["pipe"]["path"], "/run/lk.sock");
        assert!(yaml["admin"].is_null());
        let refused = |words: &[&str]| render(&args(words), "p", &EnvoyRequirements::default(), &[]).is_err();
        assert!(refused(&["--latchkey", "unix:/run/lk.sock", "--latchkey-ca", "/ca.pem"]));
        assert!(refused(&["--latchkey", "unix:/run/lk.sock", "--latchkey", "lk:50051"]));
        assert!(refused(&["--admin", "0.0.0.0:8080"]), "the address of --listen");
        assert!(
            "localhost:9901".parse::<crate::args::Admin>().is_err()
                && "[::1]:9901".parse::<crate::args::Admin>().is_ok()
        );
    }
}
