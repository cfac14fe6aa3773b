//! Table of all settings. Flags, environment variables, the file's keys, `--help` and `docs/settings.md` are generated
//! from it, so they cannot differ.

/// Kind of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Text with one value.
    Text,
    /// Text with several values, separated by commas; the file can have them as a list.
    TextList,
    /// Text that must not be shown; can also be given as the path of a file that holds it.
    Secret,
    /// Secret with several values, separated by commas; the file can have them as a list.
    SecretList,
    /// `true` or `false`.
    Switch,
    /// Several texts, separated by commas; the file can have them as a list, and the flag can be repeated.
    List,
}

impl ValueKind {
    /// Returns whether a value must not be shown.
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SecretList)
    }

    /// Returns whether a setting can have several values.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::TextList | Self::SecretList | Self::List)
    }
}

/// Setting of the server.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Key in the file; the flag has hyphens for underscores.
    pub key: &'static str,
    /// Former names of the key, which are read as well.
    pub aliases: &'static [&'static str],
    /// Environment variable.
    pub variable: &'static str,
    /// Kind of the value.
    pub kind: ValueKind,
    /// Value that applies if the setting is not given.
    pub default: Option<&'static str>,
    /// Description for `--help` and the documentation.
    pub help: &'static str,
}

impl Setting {
    /// Returns the flag without the two hyphens.
    #[must_use]
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// Returns all names that the setting can be given by: its own first, then its aliases. A secret has two of each, the
    /// second for the path of a file.
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
            let file = self.kind.is_secret().then(|| Name {
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

/// Name that a setting can be given by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Key in the file; the flag has hyphens for underscores.
    pub key: String,
    /// Environment variable.
    pub variable: String,
    /// True if the value is the path of a file that holds the secret.
    pub file: bool,
    /// True for a former name.
    pub alias: bool,
}

impl Name {
    /// Returns the flag without the two hyphens.
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
        /// All settings.
        pub const ALL: &[Setting] = &[$($name),*];
    };
}

settings! {
    GRPC_ADDR = "grpc_addr", "LATCHKEY_GRPC_ADDR", Text, Some("127.0.0.1:50051"),
        "Address of the gRPC port, IP:PORT or unix:PATH for a Unix socket: Envoy's ext_authz, latchkey.v1, health and reflection";
    HTTP_ADDR = "http_addr", "LATCHKEY_HTTP_ADDR", Text, Some("127.0.0.1:8081"),
        "Address of the HTTP port, IP:PORT or unix:PATH: /.well-known/jwks.json, products' endpoints, /livez, /readyz and /metrics";
    ADMIN_ADDR = "admin_addr", "LATCHKEY_ADMIN_ADDR", Text, None,
        "Separate address for /livez, /readyz and /metrics: the HTTP port then serves only the key set and products' endpoints, whose clients cannot take the connections of probes";
    INSECURE = "insecure", "LATCHKEY_INSECURE", Switch, Some("false"),
        "Serve gRPC and products' endpoints in plain text on addresses that other machines can reach";
    UNIX_SOCKET_MODE = "unix_socket_mode", "LATCHKEY_UNIX_SOCKET_MODE", Text, None,
        "Permissions of the files of Unix sockets in octal digits; by default 0600 (the user of the process), or 0660 if unix_socket_group is given";
    UNIX_SOCKET_GROUP = "unix_socket_group", "LATCHKEY_UNIX_SOCKET_GROUP", Text, None,
        "Group of the files of Unix sockets, by name or number, which the user of the process must belong to; by default the group of the process";
    CHECK_AUTH = "check_auth", "LATCHKEY_CHECK_AUTH", Text, Some("none"),
        "Callers of Check: none (everyone who reaches the port), certificate (clients with a certificate of tls_client_ca), or key (clients that send one of check_keys)";
    CHECK_KEYS = "check_keys", "LATCHKEY_CHECK_KEYS", SecretList, None,
        "Keys of the callers of Check, which they send as the metadata authorization: Bearer KEY; at least 32 characters each, separated by commas or line ends, so that one can replace another";
    MAX_CONNECTIONS = "max_connections", "LATCHKEY_MAX_CONNECTIONS", Text, Some("8192"),
        "Maximum number of gRPC connections; when further ones wait, idle connections are closed, those of clients with many of them first";
    MAX_CONNECTION_IDLE = "max_connection_idle", "LATCHKEY_MAX_CONNECTION_IDLE", Text, Some("1h"),
        "Time without a call after which a gRPC connection is closed; 0s keeps it until others wait";
    DATABASE_URL = "database_url", "LATCHKEY_DATABASE_URL", Secret, Some("sqlite://latchkey.db?mode=rwc"),
        "The database: sqlite://PATH?mode=rwc, or postgres://USER:PASSWORD@HOST/NAME for more than one replica";
    DATABASE_CONNECTIONS = "database_connections", "LATCHKEY_DATABASE_CONNECTIONS", Text, Some("16"),
        "Maximum number of connections to the database";
    DATABASE_POOLER = "database_pooler", "LATCHKEY_DATABASE_POOLER", Text, Some("none"),
        "Connection pooler in front of PostgreSQL: none, session, or transaction, which gives a server session to each transaction (PgBouncer's pool_mode)";
    DATABASE_DIALECT = "database_dialect", "LATCHKEY_DATABASE_DIALECT", Text, Some("postgres"),
        "Server that speaks PostgreSQL's protocol: postgres, or compatible for one without LISTEN/NOTIFY and write-ahead log functions (CockroachDB, YugabyteDB)";
    DATABASE_DEADLINE = "database_deadline", "LATCHKEY_DATABASE_DEADLINE", Text, Some("2s"),
        "Maximum duration of a query or a write of a management call; a write to a database far away takes about twelve round trips";
    CHECK_DEADLINE = "check_deadline", "LATCHKEY_CHECK_DEADLINE", Text, Some("150ms"),
        "Maximum duration of a Check that must ask the database or Redis; Envoy's timeout must be 50ms longer. Raise it where the database is far away";
    MIGRATE = "migrate", "LATCHKEY_MIGRATE", Switch, None,
        "Migrate the schema at start-up; by default only for the embedded database";
    SINGLE_REPLICA = "single_replica", "LATCHKEY_SINGLE_REPLICA", Switch, Some("false"),
        "Declare this the only replica that uses the PostgreSQL database: it refuses to start beside another one";
    REPLICA_NAME = "replica_name", "LATCHKEY_REPLICA_NAME", Text, None,
        "Name that this replica keeps across restarts, such as its pod's: a second process of that name is refused while the first one lives";
    REDIS_URL = "redis_url", "LATCHKEY_REDIS_URL", Secret, None,
        "Redis for shared rate limits and wake-ups: redis://HOST:PORT (rediss:// for TLS, redis+cluster://HOST:PORT,HOST:PORT for a cluster, redis+sentinel://HOST:PORT,HOST:PORT/NAME for Sentinel); without it, each replica enforces limits alone";
    REDIS_CA = "redis_ca", "LATCHKEY_REDIS_CA", Text, None,
        "PEM file of the CA certificates that Redis is verified with; by default the system's";
    REDIS_DEADLINE = "redis_deadline", "LATCHKEY_REDIS_DEADLINE", Text, Some("20ms"),
        "Part of check_deadline in which Redis must respond; afterwards, the replica enforces the limit of the call alone";
    PROFILES = "profiles", "LATCHKEY_PROFILES", List, None,
        "Profiles applied at start-up: .toml files or folders of them, separated by commas";
    FORCE_PROFILES = "force_profiles", "LATCHKEY_FORCE_PROFILES", Switch, Some("false"),
        "Apply the profiles of start-up even if they make keys or users invalid, or take scopes or plans away; without it, such a file is logged as an error, and the version in force stays";
    ROOT_KEY = "root_key", "LATCHKEY_ROOT_KEY", Secret, None,
        "The operators' first key, at least 32 characters; without it, one is created for an empty database: in the file that root_key_file names, if that does not exist yet, else printed once, or, if the log is JSON, in a file beside the embedded database";
    MASTER_KEY = "master_key", "LATCHKEY_MASTER_KEY", Secret, None,
        "Key that encrypts values which must be read again: 32 bytes in base64; for the embedded database, by default a file next to it";
    PREVIOUS_MASTER_KEYS = "previous_master_keys", "LATCHKEY_PREVIOUS_MASTER_KEYS", SecretList, None,
        "Earlier master keys during a rotation: they decrypt values that are still encrypted with them, and encrypt nothing; separated by commas or line ends";
    CACHE_LEASE ="cache_lease" was "lease", "LATCHKEY_CACHE_LEASE", Text, Some("60s"),
        "Time for which a replica decides without the database, from the start of its last heartbeat; the longest time that a write waits for this replica if it crashed or is cut off";
    FEED_POLL_INTERVAL ="feed_poll_interval" was "poll_interval", "LATCHKEY_FEED_POLL_INTERVAL", Text, Some("250ms"),
        "Interval between two polls of the change feed; a wake-up by PostgreSQL or Redis starts a poll earlier";
    CACHE_MAX_BYTES ="cache_max_bytes" was "memory_bytes", "LATCHKEY_CACHE_MAX_BYTES", Text, Some("512MiB"),
        "Maximum size of the cache; the default holds about one and a half million plain keys";
    SHUTDOWN_DELAY ="shutdown_delay" was "drain_settle", "LATCHKEY_SHUTDOWN_DELAY", Text, Some("2s"),
        "Time at shutdown during which calls are still accepted after health reports NOT_SERVING; Envoy notices up to a second late";
    SHUTDOWN_TIMEOUT = "shutdown_timeout" was "drain_timeout", "LATCHKEY_SHUTDOWN_TIMEOUT", Text, Some("10s"),
        "Maximum time at shutdown for calls in flight to finish";
    TLS_CERT = "tls_cert", "LATCHKEY_TLS_CERT", Text, None,
        "PEM file of the server's certificate, followed by its intermediate certificates; read again when it changes";
    TLS_KEY = "tls_key", "LATCHKEY_TLS_KEY", Text, None,
        "PEM file of the certificate's private key";
    TLS_CLIENT_CA = "tls_client_ca", "LATCHKEY_TLS_CLIENT_CA", Text, None,
        "PEM file of the CA of client certificates: the gRPC port then requires a certificate of this CA";
    TLS_CLIENT_CRL = "tls_client_crl", "LATCHKEY_TLS_CLIENT_CRL", Text, None,
        "File of revocation lists for client certificates in PEM (or one in DER), one for each CA up to tls_client_ca: a certificate that is on a list, or whose CA has no valid list, is rejected; read again when it changes";
    MANAGEMENT_ADDR = "management_addr", "LATCHKEY_MANAGEMENT_ADDR", Text, None,
        "Separate address for management: the gRPC port then serves only Check; health is on both";
    MANAGEMENT_TLS_CLIENT_CA = "management_tls_client_ca", "LATCHKEY_MANAGEMENT_TLS_CLIENT_CA", Text, None,
        "PEM file of the CA of client certificates on the management port; by default tls_client_ca";
    MANAGEMENT_TLS_CLIENT_CRL = "management_tls_client_crl", "LATCHKEY_MANAGEMENT_TLS_CLIENT_CRL", Text, None,
        "File of revocation lists for client certificates on the management port; by default tls_client_crl";
    HTTP_TLS = "http_tls", "LATCHKEY_HTTP_TLS", Switch, Some("false"),
        "Serve the HTTP port and the admin port by TLS with the same certificate; they do not ask for client certificates";
    CORE_DUMPS = "core_dumps", "LATCHKEY_CORE_DUMPS", Switch, Some("false"),
        "Permit core dumps, and debuggers of the same user: both can read the keys in the process's memory";
    USAGE_FLUSH_INTERVAL ="usage_flush_interval" was "usage_flush", "LATCHKEY_USAGE_FLUSH_INTERVAL", Text, Some("5s"),
        "Interval at which the use of keys is stored; a killed process loses the counts since then";
    USAGE_RETENTION = "usage_retention", "LATCHKEY_USAGE_RETENTION", Text, Some("90d"),
        "Retention of the use of keys (calls by key and hour)";
    AUDIT_TOKEN_RETENTION = "audit_token_retention", "LATCHKEY_AUDIT_TOKEN_RETENTION", Text, Some("30d"),
        "Retention of the audit events of tokens that are issued, refreshed, reused and revoked; after it, a digest of each remains, by which the log is still verified";
    AUDIT_ANCHOR = "audit_anchor", "LATCHKEY_AUDIT_ANCHOR", List, Some("log"),
        "Places where the end of the audit log is recorded, so that a truncation is detected: log, the path of a file that is appended to, or both with a comma between; or none";
    DECISION_LOG = "decision_log", "LATCHKEY_DECISION_LOG", Text, Some("off"),
        "Target of the decision log, one JSON object per line: off, stdout, or the path of a file or a pipe; a file may be rotated at any time";
    DECISION_LOG_DENIED_RATIO = "decision_log_denied_ratio" was "decision_log_denied", "LATCHKEY_DECISION_LOG_DENIED_RATIO", Text, Some("1"),
        "Ratio of denials in the decision log, from 0 to 1; shadow denials are denials here";
    DECISION_LOG_ALLOWED_RATIO = "decision_log_allowed_ratio" was "decision_log_allowed", "LATCHKEY_DECISION_LOG_ALLOWED_RATIO", Text, Some("0"),
        "Ratio of allowed Checks in the decision log, from 0 to 1";
    LOG_FORMAT = "log_format", "LATCHKEY_LOG_FORMAT", Text, None,
        "Format of the log: text or json; by default text on a terminal, else json";
    LOG = "log", "RUST_LOG", TextList, Some("info,sqlx=warn"),
        "Log filter, in the directives of tracing; libraries never log below info, since they would log the content of connections";
    OTLP_ENDPOINT = "otel_exporter_otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", Text, None,
        "Collector of traces and metrics by OTLP: http://HOST:4317 or https://HOST:4317, with http/protobuf at port 4318; without it, nothing is exported";
    OTLP_TRACES_ENDPOINT = "otel_exporter_otlp_traces_endpoint", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Text, None,
        "Collector of traces; by default otel_exporter_otlp_endpoint, to which http/protobuf appends v1/traces";
    OTLP_METRICS_ENDPOINT = "otel_exporter_otlp_metrics_endpoint", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", Text, None,
        "Collector of metrics; by default otel_exporter_otlp_endpoint, to which http/protobuf appends v1/metrics";
    OTLP_PROTOCOL = "otel_exporter_otlp_protocol", "OTEL_EXPORTER_OTLP_PROTOCOL", Text, Some("grpc"),
        "Protocol of the export: grpc or http/protobuf";
    OTLP_HEADERS = "otel_exporter_otlp_headers", "OTEL_EXPORTER_OTLP_HEADERS", SecretList, None,
        "Headers of each export: name=value,name=value";
    OTLP_TIMEOUT = "otel_exporter_otlp_timeout", "OTEL_EXPORTER_OTLP_TIMEOUT", Text, Some("10000"),
        "Maximum duration of an export, in milliseconds";
    OTLP_CERTIFICATE = "otel_exporter_otlp_certificate", "OTEL_EXPORTER_OTLP_CERTIFICATE", Text, None,
        "PEM file of the CA certificates that collectors are verified with; by default the system's";
    OTEL_SERVICE_NAME = "otel_service_name", "OTEL_SERVICE_NAME", Text, None,
        "Name of this service in traces and metrics; by default latchkey";
    OTEL_RESOURCE = "otel_resource_attributes", "OTEL_RESOURCE_ATTRIBUTES", TextList, None,
        "Further resource attributes of this service: name=value,name=value";
    OTEL_DISABLED = "otel_sdk_disabled", "OTEL_SDK_DISABLED", Switch, Some("false"),
        "Export nothing by OTLP, whatever else is set; /metrics is still served";
    TRACES_EXPORTER = "otel_traces_exporter", "OTEL_TRACES_EXPORTER", Text, Some("otlp"),
        "Export of traces: otlp or none";
    METRICS_EXPORTER = "otel_metrics_exporter", "OTEL_METRICS_EXPORTER", Text, Some("otlp"),
        "Export of metrics: otlp or none; /metrics is served in both cases";
    OTEL_SAMPLER = "otel_traces_sampler", "OTEL_TRACES_SAMPLER", Text, Some("parentbased_traceidratio"),
        "Sampling of Checks as spans: always_on, always_off or traceidratio; with the prefix parentbased_, Envoy's own decision is followed if it made one";
    OTEL_SAMPLER_ARG = "otel_traces_sampler_arg", "OTEL_TRACES_SAMPLER_ARG", Text, Some("0.01"),
        "Ratio for traceidratio, from 0 to 1";
    OTEL_METRIC_INTERVAL = "otel_metric_export_interval", "OTEL_METRIC_EXPORT_INTERVAL", Text, Some("60000"),
        "Interval between two exports of metrics, in milliseconds";
    OTEL_BSP_QUEUE = "otel_bsp_max_queue_size", "OTEL_BSP_MAX_QUEUE_SIZE", Text, Some("2048"),
        "Maximum number of queued spans; further ones are dropped and counted";
    OTEL_BSP_DELAY = "otel_bsp_schedule_delay", "OTEL_BSP_SCHEDULE_DELAY", Text, Some("5000"),
        "Maximum time that a span waits for its batch to fill, in milliseconds";
}
