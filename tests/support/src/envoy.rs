//! A real Envoy in front of an upstream, which calls a Latchkey for every request by ext_authz over gRPC.

use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use crate::{Answer, Folder, Process, Request, Upstream, eventually, free_port, replace_once, tools};

/// Configuration of Envoy's ext_authz filter.
#[derive(Clone, Debug)]
pub struct EnvoySetup {
    /// True to send headers as `header_map` instead of `headers`.
    pub raw_headers: bool,
    /// The only client headers that Latchkey receives; empty for all.
    pub allowed_headers: Vec<String>,
    /// True to allow requests while Latchkey cannot be reached.
    pub failure_mode_allow: bool,
    /// Bytes of the body that Latchkey receives; `None` for no body.
    pub body: Option<u32>,
    /// True to reject a larger body with 413 instead of truncating it, and to send the body as raw bytes.
    pub whole_body: bool,
    /// Path prefixes with context extensions of their own, before the route for everything else.
    pub routes: Vec<(String, Vec<(String, String)>)>,
    /// Latchkey's own HTTP port, and the path prefixes that are routed to it.
    pub counter: Option<(u16, Vec<String>)>,
    /// HTTP port with the key set, and the issuers, if Envoy itself verifies tokens and does not call Latchkey.
    pub jwt_authn: Option<(u16, Vec<Provider>)>,
    /// Fields of the decision's metadata that the client receives as headers, each as `x-metadata-NAME`.
    pub output: Vec<String>,
    /// OTLP port that Envoy sends all of its own spans to; `None` to create no spans.
    pub tracing: Option<u16>,
    /// Time that Envoy waits for a response. It is long, because test machines are slow.
    pub timeout: String,
}

/// Issuer whose tokens Envoy itself verifies.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Profile whose key set Envoy reads.
    pub profile: String,
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
}

impl Default for EnvoySetup {
    fn default() -> Self {
        Self {
            raw_headers: true,
            allowed_headers: Vec::new(),
            failure_mode_allow: false,
            body: None,
            whole_body: false,
            routes: Vec::new(),
            counter: None,
            jwt_authn: None,
            output: Vec::new(),
            tracing: None,
            timeout: "30s".to_owned(),
        }
    }
}

impl EnvoySetup {
    /// Adds a route with context extensions.
    #[must_use]
    pub fn route(mut self, prefix: &str, context: &[(&str, &str)]) -> Self {
        let context = context.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.routes.push((prefix.to_owned(), context));
        self
    }

    fn latchkeys_http(&self) -> Option<u16> {
        let counter = self.counter.as_ref().map(|(port, _)| *port);
        counter.or(self.jwt_authn.as_ref().map(|(port, _)| *port))
    }

    fn routes(&self) -> Value {
        let special = self.routes.iter().map(|(prefix, context)| {
            let context: serde_json::Map<String, Value> =
                context.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({
                "match": { "prefix": prefix },
                "route": { "cluster": "upstream" },
                "typed_per_filter_config": { "envoy.filters.http.ext_authz": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                    "check_settings": { "context_extensions": context },
                } },
            })
        });
        let counter = self.counter.iter().flat_map(|(_, prefixes)| prefixes);
        let counter =
            counter.map(|prefix| json!({ "match": { "prefix": prefix }, "route": { "cluster": "counter" } }));
        let output = self.output.iter().map(|name| {
            let value = format!("%DYNAMIC_METADATA(envoy.filters.http.ext_authz:{name})%");
            json!({ "header": { "key": format!("x-metadata-{name}"), "value": value } })
        });
        let rest = json!({
            "match": { "prefix": "/" },
            "route": { "cluster": "upstream" },
            "response_headers_to_add": output.collect::<Value>(),
        });
        special.chain(counter).chain([rest]).collect()
    }

    fn allowed(&self) -> Value {
        if self.allowed_headers.is_empty() {
            return Value::Null;
        }
        let patterns: Vec<Value> =
            self.allowed_headers.iter().map(|name| json!({ "exact": name, "ignore_case": true })).collect();
        json!({ "patterns": patterns })
    }

    fn body(&self) -> Value {
        let whole = self.whole_body;
        self.body.map_or(Value::Null, |most| {
            json!({ "max_request_bytes": most, "allow_partial_message": !whole, "pack_as_bytes": whole })
        })
    }

    /// Returns the filter that decides.
    fn filter(&self) -> Value {
        let Some((_, providers)) = &self.jwt_authn else {
            return json!({
                "name": "envoy.filters.http.ext_authz",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                    "transport_api_version": "V3",
                    "failure_mode_allow": self.failure_mode_allow,
                    "encode_raw_headers": self.raw_headers,
                    "allowed_headers": self.allowed(),
                    "with_request_body": self.body(),
                    "grpc_service": {
                        "envoy_grpc": { "cluster_name": "latchkey" },
                        "timeout": self.timeout,
                    },
                },
            });
        };
        let provider = |provider: &Provider| {
            json!({
                "issuer": provider.issuer,
                "audiences": [provider.audience],
                "forward": true,
                "payload_in_metadata": "claims",
                "forward_payload_header": "x-claims",
                "remote_jwks": {
                    "http_uri": {
                        "uri": format!("http://127.0.0.1/.well-known/jwks.json?profile={}", provider.profile),
                        "cluster": "counter",
                        "timeout": "30s",
                    },
                    // A copy of the key set expires after a second, so that tests needn't wait longer.
                    "cache_duration": "1s",
                },
            })
        };
        let named = providers.iter().enumerate().map(|(n, one)| (n.to_string(), provider(one)));
        let any: Vec<Value> =
            (0..providers.len()).map(|n| json!({ "provider_name": n.to_string() })).collect();
        json!({
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": named.collect::<serde_json::Map<String, Value>>(),
                "rules": [{
                    "match": { "prefix": "/" },
                    "requires": { "requires_any": { "requirements": any } },
                }],
            },
        })
    }

    fn traced(&self) -> Value {
        self.tracing.map_or(Value::Null, |_| {
            json!({ "provider": {
                "name": "envoy.tracers.opentelemetry",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                    "grpc_service": { "envoy_grpc": { "cluster_name": "collector" }, "timeout": "5s" },
                    "service_name": "front",
                },
            } })
        })
    }

    fn render(&self, [front, admin]: [u16; 2], latchkey: &[u16], upstream: u16) -> String {
        let values = [
            ("$FRONT", json!(front)),
            ("$ADMIN", json!(admin)),
            ("$ROUTES", self.routes()),
            ("$FILTER", self.filter()),
            ("$UPSTREAM", json!(upstream)),
            ("$COUNTER", json!(self.latchkeys_http().unwrap_or(upstream))),
            ("$TRACING", self.traced()),
            ("$COLLECTOR", json!(self.tracing.unwrap_or(upstream))),
            ("$LATCHKEY", latchkey.iter().map(|port| endpoint(*port)).collect()),
            ("$HEALTH_CHECKS", health_checks(latchkey.len())),
        ];
        let template = include_str!("../envoy.yaml").to_owned();
        values.iter().fold(template, |text, (word, value)| replace_once(&text, word, &value.to_string()))
    }
}

fn endpoint(port: u16) -> Value {
    json!({ "endpoint": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } } } })
}

/// Returns the health checks of the cluster. A single endpoint is used whatever its health check says.
fn health_checks(endpoints: usize) -> Value {
    let check = json!({
        "timeout": "10s", "interval": "0.1s", "no_traffic_interval": "0.1s",
        "unhealthy_threshold": 1, "healthy_threshold": 1, "grpc_health_check": {},
    });
    if endpoints > 1 { json!([check]) } else { json!([]) }
}

/// A running Envoy with its upstream.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    port: u16,
    admin: u16,
    upstream: Upstream,
    _folder: Folder,
}

impl Envoy {
    /// Starts an Envoy that calls the Latchkey at this gRPC port.
    #[must_use]
    pub fn start(latchkey: u16, setup: &EnvoySetup) -> Self {
        Self::before(&[latchkey], setup)
    }

    /// Starts an Envoy that calls the Latchkeys at these gRPC ports in turn, except those that report that
    /// they are not serving.
    #[must_use]
    pub fn before(latchkey: &[u16], setup: &EnvoySetup) -> Self {
        let (folder, upstream) = (Folder::new("envoy"), Upstream::start());
        let (port, admin) = (free_port(), free_port());
        let config = folder.write("envoy.yaml", &setup.render([port, admin], latchkey, upstream.port()));
        let mut command =
            Command::new(std::env::var_os("LATCHKEY_ENVOY").map_or_else(|| tools::tool("envoy"), Into::into));
        command
            .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"])
            .arg("-c")
            .arg(config);
        let mut process = Process::start(&mut command, &folder, "envoy");
        eventually("Envoy listens", || {
            assert!(process.ended().is_none(), "Envoy ended:\n{}", process.log());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { process, port, admin, upstream, _folder: folder }
    }

    /// Sends a request through Envoy.
    #[must_use]
    pub fn send(&self, request: &Request) -> Answer {
        request.send(self.port)
    }

    /// Returns the port that Envoy listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the port of the admin interface.
    #[must_use]
    pub fn admin(&self) -> u16 {
        self.admin
    }

    /// Returns the upstream behind Envoy.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Returns the output so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}
