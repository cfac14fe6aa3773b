//! Reads the settings group by group and collects all errors. A group is `None` if one of its settings is invalid, and
//! then there is an error for that setting.

use std::path::PathBuf;
use std::time::Duration;

use latchkey_core::principal::CertificateOperator;
use tracing_subscriber::EnvFilter;

use super::checks::SettingChecks;
use super::definitions::{self, Setting};
use super::error::ConfigError;
use super::operators;
use super::sources::{ConfigSources, RawValue};
use super::values::{self, ParseResult};
use super::{
    AuditAnchorSettings, CheckDeadlines, DatabaseDeadlines, DatabaseDialect, DatabasePooler,
    DatabaseSettings, DatabaseUrl, DecisionLogSettings, DrainSettings, FollowerSettings, LogFormat,
    LogSettings, MasterKey, PreviousKeys, UsageSettings,
};

/// Least time of a Check in which the database can respond.
const LEAST_LOOKUP: Duration = Duration::from_millis(50);

/// Reader of settings, with the errors found so far.
pub(super) struct SettingsReader<'a> {
    pub(super) sources: &'a ConfigSources,
    pub(super) errors: Vec<ConfigError>,
}

impl<'a> SettingsReader<'a> {
    pub(super) fn new(sources: &'a ConfigSources) -> Self {
        Self { sources, errors: sources.errors() }
    }

    /// Returns all errors.
    pub(super) fn finish(self) -> Vec<ConfigError> {
        self.errors
    }

    pub(super) fn given(&mut self, setting: &Setting) -> Option<RawValue> {
        let found = self.sources.find(setting).unwrap_or_else(|problem| {
            self.errors.push(problem);
            None
        });
        let default = || Some(RawValue { value: setting.default?.to_owned(), origin: "default".to_owned() });
        found.or_else(default)
    }

    /// Returns the file that a setting names and that does not exist.
    pub(super) fn absent_file(&self, setting: &Setting) -> Option<PathBuf> {
        self.sources.absent_file(setting)
    }

    /// Returns the file that a setting's value was read from.
    pub(super) fn file_of(&self, setting: &Setting) -> Option<PathBuf> {
        self.sources.file_of(setting).map(|(_, path)| path)
    }

    pub(super) fn add_error(&mut self, problem: ConfigError) {
        self.errors.push(problem);
    }

    pub(super) fn has_error(&self, key: &str) -> bool {
        self.errors.iter().any(|problem| problem.setting == key)
    }

    /// Returns whether a setting is given. A mistake in how it is given is reported when it is read.
    pub(super) fn is_given(&self, setting: &Setting) -> bool {
        !matches!(self.sources.find(setting), Ok(None))
    }

    pub(super) fn add_errors(&mut self, errors: Vec<ConfigError>) {
        self.errors.extend(errors);
    }

    /// Reads the operators by client certificate, which only the file can define.
    pub(super) fn operators(&mut self) -> Vec<CertificateOperator> {
        let Some((place, table)) = self.sources.operators() else { return Vec::new() };
        let (operators, mut errors) = operators::read(table, &place);
        let asked = [&definitions::TLS_CLIENT_CA, &definitions::MANAGEMENT_TLS_CLIENT_CA];
        if !asked.iter().any(|setting| self.is_given(setting)) {
            let remedy =
                "it names client certificates, but clients are not asked for one: give tls_client_ca as well";
            errors.push(ConfigError::new(operators::KEY, place, remedy));
        }
        self.errors.extend(errors);
        operators
    }

    pub(super) fn read<T>(
        &mut self,
        setting: &Setting,
        read: impl FnOnce(&str) -> ParseResult<T>,
    ) -> Option<T> {
        let given = self.given(setting)?;
        self.check(setting, &given, read)
    }

    fn check<T>(
        &mut self,
        setting: &Setting,
        given: &RawValue,
        read: impl FnOnce(&str) -> ParseResult<T>,
    ) -> Option<T> {
        let problem = |remedy| ConfigError::new(setting.key, &given.origin, remedy);
        read(&given.value).map_err(|remedy| self.errors.push(problem(remedy))).ok()
    }

    pub(super) fn database(&mut self, checks: &dyn SettingChecks) -> Option<DatabaseSettings> {
        let url = self.read(&definitions::DATABASE_URL, |text| {
            let url = DatabaseUrl::parse(text)?;
            checks.database_url(&url).map(|()| url)
        });
        let url = url.map(|url| url.of_file(self.file_of(&definitions::DATABASE_URL)));
        let connections = self.read(&definitions::DATABASE_CONNECTIONS, |t| values::number(t, 1, 1_000));
        let pooler = self.read(&definitions::DATABASE_POOLER, |text| match text {
            "none" => Ok(DatabasePooler::None),
            "session" => Ok(DatabasePooler::Session),
            "transaction" => Ok(DatabasePooler::Transaction),
            _ => Err(format!("{text:?} is none of \"none\", \"session\" and \"transaction\"")),
        });
        let dialect = self.read(&definitions::DATABASE_DIALECT, |text| match text {
            "postgres" => Ok(DatabaseDialect::Postgres),
            "compatible" => Ok(DatabaseDialect::Compatible),
            _ => {
                Err(format!("{text:?} is none of \"postgres\" and \"compatible\" (CockroachDB, YugabyteDB)"))
            }
        });
        let (least, most) = (Duration::from_millis(500), Duration::from_mins(1));
        let deadline = self.read(&definitions::DATABASE_DEADLINE, |t| values::duration(t, least, most));
        let check = self.check_deadlines();
        let migrate = self.read(&definitions::MIGRATE, values::switch);
        let single_replica = self.read(&definitions::SINGLE_REPLICA, values::switch);
        let url = url?;
        if url.embedded().is_some() {
            self.refuse_server_settings(pooler, dialect);
        } else {
            self.refuse_database_variables();
        }
        let migrate = migrate.unwrap_or(url.embedded().is_some());
        let connections = u32::try_from(connections?).ok()?;
        let deadlines = DatabaseDeadlines { check: check?, management: deadline? };
        let (pooler, dialect, single_replica) = (pooler?, dialect?, single_replica?);
        Some(DatabaseSettings { url, connections, pooler, dialect, migrate, single_replica, deadlines })
    }

    /// Reads the deadlines of a Check. The database has at least [`LEAST_LOOKUP`] of the whole.
    pub(super) fn check_deadlines(&mut self) -> Option<CheckDeadlines> {
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(5));
        let total = self.read(&definitions::CHECK_DEADLINE, |t| values::duration(t, least, most));
        let (least, most) = (Duration::from_millis(5), Duration::from_secs(1));
        let redis = self.read(&definitions::REDIS_DEADLINE, |t| values::duration(t, least, most));
        let deadlines = CheckDeadlines { total: total?, redis: redis? };
        if deadlines.lookup() < LEAST_LOOKUP {
            let setting = &definitions::CHECK_DEADLINE;
            let given = self.given(setting)?;
            let remedy = format!("it must be at least {LEAST_LOOKUP:?} longer than redis_deadline");
            self.add_error(ConfigError::new(setting.key, &given.origin, remedy));
            return None;
        }
        Some(deadlines)
    }

    /// Reads the stable name: 1 to 253 visible ASCII characters, as the names of pods and hosts are.
    pub(super) fn replica_name(&mut self) -> Option<Box<str>> {
        self.read(&definitions::REPLICA_NAME, |text| {
            let valid = (1..=253).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
            let rule =
                "it must have 1 to 253 visible ASCII characters without spaces, such as the name of a pod";
            valid.then(|| text.into()).ok_or_else(|| rule.to_owned())
        })
    }

    /// Reads the master key: given, or a file next to the embedded database. If the database's settings are invalid, no
    /// further error is added.
    pub(super) fn master_key(&mut self, database: Option<&DatabaseSettings>) -> Option<MasterKey> {
        let before = self.errors.len();
        if let Some(given) = self.given(&definitions::MASTER_KEY) {
            return self.check(&definitions::MASTER_KEY, &given, MasterKey::from_base64);
        }
        if self.errors.len() > before {
            return None;
        }
        let default = database?.url.embedded().map(MasterKey::next_to);
        if default.is_none() {
            let remedy = "PostgreSQL needs a master key, the same for every replica, stored apart from the database: \
                          create it with `openssl rand -base64 32`";
            self.errors.push(ConfigError::new(definitions::MASTER_KEY.key, "not given", remedy));
        }
        default
    }

    pub(super) fn previous_master_keys(&mut self) -> PreviousKeys {
        self.read(&definitions::PREVIOUS_MASTER_KEYS, PreviousKeys::from_base64).unwrap_or_default()
    }

    /// Reads the paths of profiles, and true if they are forced.
    pub(super) fn profiles(&mut self) -> (Vec<PathBuf>, bool) {
        let paths = self.read(&definitions::PROFILES, values::paths).unwrap_or_default();
        let force = self.read(&definitions::FORCE_PROFILES, values::switch).unwrap_or_default();
        if force && paths.is_empty() && !self.has_error(definitions::PROFILES.key) {
            let remedy = "no profile is applied at start-up: give profiles, or remove this setting";
            self.refuse_unused(&definitions::FORCE_PROFILES, remedy);
        }
        (paths, force)
    }

    pub(super) fn follower(&mut self) -> Option<FollowerSettings> {
        let (least, most) = (Duration::from_millis(10), Duration::from_mins(10));
        let lease = self.read(&definitions::CACHE_LEASE, |t| values::duration(t, least, most));
        let half = |text: &str| {
            let poll = values::duration(text, least, most)?;
            match lease {
                // With a longer interval, one slow poll could let the lease expire.
                Some(lease) if poll > lease / 2 => Err(format!(
                    "{poll:?} is more than half of cache_lease ({lease:?}): set a shorter interval"
                )),
                Some(_) | None => Ok(poll),
            }
        };
        let poll = self.read(&definitions::FEED_POLL_INTERVAL, half);
        Some(FollowerSettings { lease: lease?, feed_poll_interval: poll? })
    }

    pub(super) fn cache_max_bytes(&mut self) -> Option<usize> {
        self.read(&definitions::CACHE_MAX_BYTES, |t| values::bytes(t, 1 << 20, 1 << 40))
    }

    pub(super) fn drain(&mut self) -> Option<DrainSettings> {
        let most = Duration::from_mins(10);
        let delay = self.read(&definitions::SHUTDOWN_DELAY, |t| values::duration(t, Duration::ZERO, most));
        let timeout =
            self.read(&definitions::SHUTDOWN_TIMEOUT, |t| values::duration(t, Duration::ZERO, most));
        Some(DrainSettings { delay: delay?, timeout: timeout? })
    }

    pub(super) fn core_dumps(&mut self) -> bool {
        self.read(&definitions::CORE_DUMPS, values::switch).unwrap_or_default()
    }

    pub(super) fn audit_token_retention(&mut self) -> Option<Duration> {
        let (least, most) = (Duration::from_mins(1), Duration::from_hours(10 * 365 * 24));
        self.read(&definitions::AUDIT_TOKEN_RETENTION, |t| values::duration(t, least, most))
    }

    pub(super) fn audit_anchor(&mut self) -> Option<AuditAnchorSettings> {
        self.read(&definitions::AUDIT_ANCHOR, values::audit_anchor)
    }

    pub(super) fn usage(&mut self) -> Option<UsageSettings> {
        let (least, most) = (Duration::from_millis(100), Duration::from_mins(10));
        let flush = self.read(&definitions::USAGE_FLUSH_INTERVAL, |t| values::duration(t, least, most));
        let (least, most) = (Duration::from_hours(1), Duration::from_hours(10 * 365 * 24));
        let retention = self.read(&definitions::USAGE_RETENTION, |t| values::duration(t, least, most));
        Some(UsageSettings { flush_interval: flush?, retention: retention? })
    }

    pub(super) fn decisions(&mut self) -> Option<DecisionLogSettings> {
        let target = self.read(&definitions::DECISION_LOG, values::decision_target);
        let denied = self.read(&definitions::DECISION_LOG_DENIED_RATIO, values::share);
        let allowed = self.read(&definitions::DECISION_LOG_ALLOWED_RATIO, values::share);
        Some(DecisionLogSettings { target: target?, allowed: allowed?, denied: denied? })
    }

    pub(super) fn log(&mut self) -> Option<LogSettings> {
        let format = self.read(&definitions::LOG_FORMAT, |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("{text:?} is neither \"text\" nor \"json\"")),
        });
        let directives = self.read(&definitions::LOG, |text| match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => {
                Err(format!("{text:?} is not a filter ({error}): write info, or latchkey=debug,info"))
            }
        });
        Some(LogSettings { format, directives: directives? })
    }
}
