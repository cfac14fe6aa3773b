//! Clusters of Envoy's configuration by which it reaches Latchkey: the replicas' gRPC and HTTP addresses.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::args::{EnvoyConfigArgs, HostPort, Place, Secret};
use crate::exit::CliError;

/// Name of the cluster of the HTTP addresses.
pub(super) const HTTP_CLUSTER: &str = "latchkey-http";
/// Default HTTP port of Latchkey.
const HTTP_PORT: u16 = 8081;
/// Longest time for a call of an endpoint. A revocation waits for the lease of a replica that is cut off, for ten minutes at
/// most.
pub(super) const ENDPOINT_TIMEOUT: &str = "660s";

/// Most characters of the name of a variable: fewer than a key of `check_keys` has.
const LONGEST_VARIABLE: usize = 31;

/// Returns an address in Envoy's format.
pub(super) fn address(place: &Place) -> Value {
    match place {
        Place::Tcp(HostPort { host, port }) => {
            json!({ "socket_address": { "address": host, "port_value": port } })
        }
        Place::Unix(path) => json!({ "pipe": { "path": path } }),
    }
}

/// Returns the type of a cluster with these addresses. Fails for host names beside Unix sockets, which Envoy refuses.
pub(super) fn kind(option: &str, places: &[Place]) -> Result<&'static str, CliError> {
    let named = |place: &Place| matches!(place, Place::Tcp(one) if one.host.parse::<IpAddr>().is_err());
    let unix = |place: &Place| matches!(place, Place::Unix(_));
    match (places.iter().any(named), places.iter().any(unix)) {
        (true, true) => Err(CliError::Usage(format!(
            "{option}: Envoy takes no Unix socket beside the name of a host: give IP addresses beside it, or Unix sockets alone"
        ))),
        (true, false) => Ok("STRICT_DNS"),
        (false, _) => Ok("STATIC"),
    }
}

/// Returns the endpoints of a cluster.
pub(super) fn endpoints(places: &[Place]) -> Value {
    places.iter().map(|place| json!({ "endpoint": { "address": address(place) } })).collect()
}

/// Returns the outlier detection, by which a replica that fails gets no calls for some time; none for a single replica.
pub(super) fn outliers(places: &[Place]) -> Value {
    if places.len() < 2 {
        return Value::Null;
    }
    json!({
        "interval": "1s", "base_ejection_time": "5s", "max_ejection_time": "30s", "max_ejection_percent": 50,
        "consecutive_5xx": 5, "consecutive_gateway_failure": 3, "enforcing_consecutive_gateway_failure": 100,
        "split_external_local_origin_errors": true, "consecutive_local_origin_failure": 3,
    })
}

/// Returns the addresses that serve the endpoints.
fn http_places(args: &EnvoyConfigArgs) -> Vec<Place> {
    if !args.latchkey_http.is_empty() {
        return args.latchkey_http.clone();
    }
    let mut places: Vec<Place> = Vec::new();
    for place in &args.latchkey {
        let host = match place {
            Place::Tcp(one) => one.host.clone(),
            Place::Unix(_) => "127.0.0.1".to_owned(),
        };
        let place = Place::Tcp(HostPort { host, port: HTTP_PORT });
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Returns the cluster of the HTTP addresses.
pub(super) fn http_cluster(args: &EnvoyConfigArgs) -> Result<Value, CliError> {
    let places = http_places(args);
    let tls = if args.latchkey_http_tls { tls(args, &places, false)? } else { Value::Null };
    Ok(json!({
        "name": HTTP_CLUSTER, "type": kind("--latchkey-http", &places)?, "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "0.5s", "outlier_detection": outliers(&places), "transport_socket": tls,
        "load_assignment": { "cluster_name": HTTP_CLUSTER, "endpoints": [{ "lb_endpoints": endpoints(&places) }] },
    }))
}

/// Returns the lines by which Envoy sends its own key with each Check: the value of a variable of its environment.
pub(super) fn caller(variable: Option<&Secret>) -> Result<String, CliError> {
    let Some(Secret(name)) = variable else { return Ok(String::new()) };
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain
        || name.len() > LONGEST_VARIABLE
        || name.starts_with(|first: char| first.is_ascii_digit())
        || name.is_empty()
    {
        return Err(CliError::Usage(
            "--caller-key-variable: write the name of a variable, such as LATCHKEY_CHECK_KEY, and not the key itself".to_owned(),
        ));
    }
    let metadata = json!([{ "key": "authorization", "value": format!("Bearer %ENVIRONMENT({name})%") }]);
    Ok(format!(
        "                        # The key is in the environment of Envoy; without it, every Check is refused.\n                        initial_metadata: {metadata}\n"
    ))
}

/// Returns the TLS settings between Envoy and Latchkey, with Envoy's own certificate if `own` is true and it is given.
pub(super) fn tls(args: &EnvoyConfigArgs, places: &[Place], own: bool) -> Result<Value, CliError> {
    let Some(ca) = &args.latchkey_ca else { return Ok(Value::Null) };
    let host = |place: &Place| match place {
        Place::Tcp(one) => Ok(one.host.clone()),
        Place::Unix(path) => Err(CliError::Usage(format!(
            "--latchkey-ca: Latchkey serves a Unix socket ({path}) in plain text, since only this machine reaches it: leave \
             the CA out"
        ))),
    };
    let mut hosts = places.iter().map(host).collect::<Result<Vec<_>, _>>()?;
    hosts.sort_unstable();
    hosts.dedup();
    let is_address = |host: &str| host.parse::<IpAddr>().is_ok();
    let name = |host: &String| json!({ "san_type": if is_address(host) { "IP_ADDRESS" } else { "DNS" }, "matcher": { "exact": host } });
    let names: Vec<Value> = hosts.iter().map(name).collect();
    let certificates = match (&args.client_cert, &args.client_key) {
        (Some(cert), Some(key)) if own => {
            json!([{ "certificate_chain": { "filename": cert }, "private_key": { "filename": key } }])
        }
        _ => json!([]),
    };
    let mut context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "tls_params": { "tls_minimum_protocol_version": "TLSv1_2" },
            "tls_certificates": certificates,
            "validation_context": { "trusted_ca": { "filename": ca }, "match_typed_subject_alt_names": names },
        },
    });
    match &hosts[..] {
        [host] if !is_address(host) => context["sni"] = json!(host),
        // Each connection names the host that it goes to.
        [_, _, ..] if !hosts.iter().all(|host| is_address(host)) => context["auto_host_sni"] = json!(true),
        _ => {}
    }
    Ok(json!({ "name": "envoy.transport_sockets.tls", "typed_config": context }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_envoy_is_named_by_its_variable_and_never_given() {
        let lines = |name: &str| caller(Some(&Secret(name.to_owned())));
        assert_eq!(caller(None).unwrap(), "");
        for name in ["CHECK_KEY", "_k2"] {
            let expected = format!(r#""value":"Bearer %ENVIRONMENT({name})%""#);
            assert!(lines(name).unwrap().contains(&expected), "{name}");
        }
        let key = "c".repeat(32);
        for wrong in ["", "2K", "A-B", "Bearer k", &key] {
            let Err(CliError::Usage(error)) = lines(wrong) else { panic!("{wrong} is taken") };
            assert!(error.contains("and not the key itself") && !error.contains(&key), "{error}");
        }
    }
}
