//! Every setting there is, once: the command line, the environment, the file and `--help` are all made from
//! this table, so that they can't come to say different things.

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A word.
    Text,
    /// A word that nobody may see; it may also be given as the path of a file that holds it.
    Secret,
    /// On or off.
    Switch,
    /// Several words.
    List,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the file; the flag has hyphens for underscores.
    pub key: &'static str,
    /// Former names of the key, which are read as well.
    pub aliases: &'static [&'static str],
    /// The environment's variable.
    pub variable: &'static str,
    /// How it is written.
    pub kind: ValueKind,
    /// What holds where it isn't given.
    pub default: Option<&'static str>,
    /// For `--help`.
    pub help: &'static str,
}

impl Setting {
    /// Its flag without the two hyphens.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// All names that the setting can be given by: its own first, then its aliases. A secret has two of each, the second
    /// for the path of a file.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        let own =
            Name { key: self.key.to_owned(), variable: self.variable.to_owned(), file: false, alias: false };
        let aliases = self.aliases.iter().map(|alias| Name {
            key: (*alias).to_owned(),
            variable: format!("LATCHKEY_{}", alias.to_uppercase()),
            file: false,
            alias: true,
        });
        let with_file = |name: Name| {
            let file = (self.kind == ValueKind::Secret).then(|| Name {
                key: format!("{}_file", name.key),
                variable: format!("{}_FILE", name.variable),
                file: true,
                alias: name.alias,
            });
            [Some(name), file].into_iter().flatten()
        };
        [own].into_iter().chain(aliases).flat_map(with_file).collect()
    }
}

/// A name that a setting can be given by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The key in the settings file; the flag has hyphens for underscores.
    pub key: String,
    /// The environment variable.
    pub variable: String,
    /// The value is the path of a file that holds the secret.
    pub file: bool,
    /// A former name.
    pub alias: bool,
}

impl Name {
    /// Its flag without the two hyphens.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }
}

macro_rules! settings {
    ($($name:ident = $key:literal $(was $alias:literal)?, $variable:literal, $kind:ident, $default:expr, $help:literal;)*) => {
        $(
            #[doc = concat!("`", $key, "`")]
            pub const $name: Setting = Setting {
                key: $key, aliases: &[$($alias)?], variable: $variable, kind: ValueKind::$kind, default: $default, help: $help,
            };
        )*
        /// All of them.
        pub const ALL: &[Setting] = &[$($name),*];
    };
}

settings! {
    GRPC_ADDR = "grpc_addr", "LATCHKEY_GRPC_ADDR", Text, Some("127.0.0.1:50051"),
        "Where gRPC is served: Envoy's ext_authz, latchkey.v1, health and reflection";
    HTTP_ADDR = "http_addr", "LATCHKEY_HTTP_ADDR", Text, Some("127.0.0.1:8081"),
        "Where /livez, /readyz and /metrics are served over HTTP";
    INSECURE = "insecure", "LATCHKEY_INSECURE", Switch, Some("false"),
        "Serve gRPC in plain text on an address that other machines can reach";
    MAX_CONNECTIONS = "max_connections", "LATCHKEY_MAX_CONNECTIONS", Text, Some("8192"),
        "gRPC connections at once; more wait in the kernel's queue";
    DATABASE_URL = "database_url", "LATCHKEY_DATABASE_URL", Secret, Some("sqlite://latchkey.db?mode=rwc"),
        "The database: sqlite://PATH?mode=rwc, or postgres://USER:PASSWORD@HOST/NAME for more than one replica";
    DATABASE_CONNECTIONS = "database_connections", "LATCHKEY_DATABASE_CONNECTIONS", Text, Some("16"),
        "Connections to the database at once";
    MIGRATE = "migrate", "LATCHKEY_MIGRATE", Switch, None,
        "Bring the schema up to date at the start; on by default for the embedded database alone";
    SINGLE_REPLICA = "single_replica", "LATCHKEY_SINGLE_REPLICA", Switch, Some("false"),
        "No other process serves from this PostgreSQL: calls that write wait for no other replica";
    REDIS_URL = "redis_url", "LATCHKEY_REDIS_URL", Secret, None,
        "Redis, redis://HOST:PORT (rediss:// for TLS, redis+cluster://HOST:PORT,HOST:PORT for a cluster): rate limits hold across all replicas, and they wake each other; without it each counts for itself";
    REDIS_CA = "redis_ca", "LATCHKEY_REDIS_CA", Text, None,
        "A PEM file: the only certificates that Redis is trusted by; without it, the system's";
    PROFILES = "profiles", "LATCHKEY_PROFILES", List, None,
        "Profiles applied at the start: folders of .toml files, or files, separated by commas";
    ROOT_KEY = "root_key", "LATCHKEY_ROOT_KEY", Secret, None,
        "The operator's first key, 32 characters or more; without it, one is made on an empty database and printed once";
    MASTER_KEY = "master_key", "LATCHKEY_MASTER_KEY", Secret, None,
        "Encrypts what must be read again: 32 bytes in base64; on the embedded database, a file beside it by default";
    PREVIOUS_MASTER_KEYS = "previous_master_keys", "LATCHKEY_PREVIOUS_MASTER_KEYS", Secret, None,
        "While the master key is being changed: others that open what still lies under them, with commas or line ends between; nothing is sealed under them";
    CACHE_LEASE ="cache_lease" was "lease", "LATCHKEY_CACHE_LEASE", Text, Some("5s"),
        "How long memory outlives a database outage, and at most how long a write waits for a replica that is cut off";
    FEED_POLL_INTERVAL ="feed_poll_interval" was "poll_interval", "LATCHKEY_FEED_POLL_INTERVAL", Text, Some("250ms"),
        "How often other replicas' changes are read, besides whenever PostgreSQL or Redis tells of one";
    CACHE_MAX_BYTES ="cache_max_bytes" was "memory_bytes", "LATCHKEY_CACHE_MAX_BYTES", Text, Some("512MiB"),
        "What is remembered takes so much at most: about a million and a half of plain keys";
    SHUTDOWN_DELAY ="shutdown_delay" was "drain_settle", "LATCHKEY_SHUTDOWN_DELAY", Text, Some("2s"),
        "At the end: how long calls are still taken after health says NOT_SERVING; Envoy acts on that up to a second late";
    SHUTDOWN_TIMEOUT = "shutdown_timeout" was "drain_timeout", "LATCHKEY_SHUTDOWN_TIMEOUT", Text, Some("10s"),
        "At the end: how long calls in flight may take to finish";
    TLS_CERT = "tls_cert", "LATCHKEY_TLS_CERT", Text, None,
        "The server's certificate in PEM, and after it those up to its CA; read again when the file changes";
    TLS_KEY = "tls_key", "LATCHKEY_TLS_KEY", Text, None,
        "The certificate's key in PEM";
    TLS_CLIENT_CA = "tls_client_ca", "LATCHKEY_TLS_CLIENT_CA", Text, None,
        "The CA of client certificates in PEM: the gRPC port lets nobody in without one";
    TLS_CLIENT_CRL = "tls_client_crl", "LATCHKEY_TLS_CLIENT_CRL", Text, None,
        "Revocation lists of client certificates in PEM (or one in DER), of each CA up to tls_client_ca's: who is on one, or whose CA has none that holds, is refused; read again when the file changes";
    MANAGEMENT_ADDR = "management_addr", "LATCHKEY_MANAGEMENT_ADDR", Text, None,
        "Where management is served by itself: the gRPC port then answers Check alone; health is on both";
    MANAGEMENT_TLS_CLIENT_CA = "management_tls_client_ca", "LATCHKEY_MANAGEMENT_TLS_CLIENT_CA", Text, None,
        "The CA of client certificates on the management port; by default tls_client_ca";
    MANAGEMENT_TLS_CLIENT_CRL = "management_tls_client_crl", "LATCHKEY_MANAGEMENT_TLS_CLIENT_CRL", Text, None,
        "Revocation lists of client certificates on the management port; by default tls_client_crl";
    HTTP_TLS = "http_tls", "LATCHKEY_HTTP_TLS", Switch, Some("false"),
        "Serve the HTTP port by TLS too, with the same certificate; it asks clients for none";
    USAGE_FLUSH_INTERVAL ="usage_flush_interval" was "usage_flush", "LATCHKEY_USAGE_FLUSH_INTERVAL", Text, Some("5s"),
        "How often use of keys is written down; what was counted since is lost with a process that is killed";
    USAGE_RETENTION = "usage_retention", "LATCHKEY_USAGE_RETENTION", Text, Some("90d"),
        "How long calls by key and hour are kept";
    AUDIT_ANCHOR = "audit_anchor", "LATCHKEY_AUDIT_ANCHOR", List, Some("log"),
        "Where the audit log's end is noted, so that what is cut off is found: a file that is appended to, log, or both with a comma; none";
    DECISION_LOG = "decision_log", "LATCHKEY_DECISION_LOG", Text, Some("off"),
        "Where decisions are noted, a JSON object a line: off, stdout, or the path of a file or a pipe; a file may be moved away at any time";
    DECISION_LOG_DENIED_RATIO = "decision_log_denied_ratio" was "decision_log_denied", "LATCHKEY_DECISION_LOG_DENIED_RATIO", Text, Some("1"),
        "The share of denials that is noted, from 0 to 1; what passes in shadow counts as denied";
    DECISION_LOG_ALLOWED_RATIO = "decision_log_allowed_ratio" was "decision_log_allowed", "LATCHKEY_DECISION_LOG_ALLOWED_RATIO", Text, Some("0"),
        "The share of calls that pass that is noted, from 0 to 1";
    LOG_FORMAT = "log_format", "LATCHKEY_LOG_FORMAT", Text, None,
        "text or json; text on a terminal by default, else json";
    LOG = "log", "RUST_LOG", Text, Some("info,sqlx=warn"),
        "What is logged, as tracing's directives; libraries never say more than info, lest they show what is on the wire";
    OTLP_ENDPOINT = "otel_exporter_otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", Text, None,
        "Where traces and metrics are sent by OTLP over gRPC: http://HOST:4317, or https; without it, nowhere";
    OTLP_TRACES_ENDPOINT = "otel_exporter_otlp_traces_endpoint", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Text, None,
        "Where traces are sent, in place of otel_exporter_otlp_endpoint";
    OTLP_METRICS_ENDPOINT = "otel_exporter_otlp_metrics_endpoint", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", Text, None,
        "Where metrics are sent, in place of otel_exporter_otlp_endpoint";
    OTLP_PROTOCOL = "otel_exporter_otlp_protocol", "OTEL_EXPORTER_OTLP_PROTOCOL", Text, Some("grpc"),
        "How they are sent; grpc is the one way there is";
    OTLP_HEADERS = "otel_exporter_otlp_headers", "OTEL_EXPORTER_OTLP_HEADERS", Secret, None,
        "Sent to the collector with each call: name=value,name=value";
    OTLP_TIMEOUT = "otel_exporter_otlp_timeout", "OTEL_EXPORTER_OTLP_TIMEOUT", Text, Some("10000"),
        "How long a collector may take, in milliseconds";
    OTLP_CERTIFICATE = "otel_exporter_otlp_certificate", "OTEL_EXPORTER_OTLP_CERTIFICATE", Text, None,
        "A PEM file: the only certificates that a collector is trusted by; without it, the system's";
    OTEL_SERVICE_NAME = "otel_service_name", "OTEL_SERVICE_NAME", Text, None,
        "What traces and metrics name this service; latchkey by default";
    OTEL_RESOURCE = "otel_resource_attributes", "OTEL_RESOURCE_ATTRIBUTES", Text, None,
        "What else they say of it: name=value,name=value";
    OTEL_DISABLED = "otel_sdk_disabled", "OTEL_SDK_DISABLED", Switch, Some("false"),
        "Send nothing by OTLP, whatever else is set; /metrics stays";
    TRACES_EXPORTER = "otel_traces_exporter", "OTEL_TRACES_EXPORTER", Text, Some("otlp"),
        "none: no traces are sent";
    METRICS_EXPORTER = "otel_metrics_exporter", "OTEL_METRICS_EXPORTER", Text, Some("otlp"),
        "none: no metrics are sent; /metrics stays";
    OTEL_SAMPLER = "otel_traces_sampler", "OTEL_TRACES_SAMPLER", Text, Some("parentbased_traceidratio"),
        "Which Checks become spans: always_on, always_off or traceidratio; after parentbased_, Envoy's own decision is followed where it made one";
    OTEL_SAMPLER_ARG = "otel_traces_sampler_arg", "OTEL_TRACES_SAMPLER_ARG", Text, Some("0.01"),
        "The share for traceidratio, from 0 to 1";
    OTEL_METRIC_INTERVAL = "otel_metric_export_interval", "OTEL_METRIC_EXPORT_INTERVAL", Text, Some("60000"),
        "Between two sendings of metrics, in milliseconds";
    OTEL_BSP_QUEUE = "otel_bsp_max_queue_size", "OTEL_BSP_MAX_QUEUE_SIZE", Text, Some("2048"),
        "Spans that wait to be sent; more are dropped and counted";
    OTEL_BSP_DELAY = "otel_bsp_schedule_delay", "OTEL_BSP_SCHEDULE_DELAY", Text, Some("5000"),
        "How long spans wait for others to be sent with, in milliseconds";
}
