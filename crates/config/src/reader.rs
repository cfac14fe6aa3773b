//! Reads the settings group by group, and keeps what is wrong until everything was read. A group is `None`
//! where one of its settings is wrong, and then there is a problem that says so.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use latchkey_core::secret::PlainKey;
use latchkey_management::CertifiedOperator;
use tracing_subscriber::EnvFilter;

use super::catalogue::{self, Setting};
use super::operators;
use super::problem::Problem;
use super::sources::{Given, Sources};
use super::values::{self, Read};
use super::{
    AuditAnchor, Database, DatabaseUrl, Deadlines, DecisionLog, Drain, Follow, Listen, Log, LogFormat,
    MasterKey, PreviousKeys, UsageKeeping,
};

/// Settings not yet checked as a whole.
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    problems: Vec<Problem>,
}

const SHORTEST_ROOT_KEY: usize = 32;

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self { sources, problems: sources.problems() }
    }

    /// Everything that is wrong.
    pub(super) fn finish(self) -> Vec<Problem> {
        self.problems
    }

    fn given(&mut self, setting: &Setting) -> Option<Given> {
        let found = self.sources.find(setting).unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        });
        let default = || Some(Given { value: setting.default?.to_owned(), place: "built in".to_owned() });
        found.or_else(default)
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn has_problem(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| problem.setting == key)
    }

    /// Whether somebody gave it. What is wrong with how it was given is told by whoever reads it.
    pub(super) fn is_given(&self, setting: &Setting) -> bool {
        !matches!(self.sources.find(setting), Ok(None))
    }

    pub(super) fn tell(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    /// Operators by certificate: from the file alone.
    pub(super) fn operators(&mut self) -> Vec<CertifiedOperator> {
        let Some((place, table)) = self.sources.operators() else { return Vec::new() };
        let (operators, mut problems) = operators::read(table, &place);
        let asked = [&catalogue::TLS_CLIENT_CA, &catalogue::MANAGEMENT_TLS_CLIENT_CA];
        if !asked.iter().any(|setting| self.is_given(setting)) {
            let remedy = "it names clients' certificates, and none is asked for: give tls_client_ca as well";
            problems.push(Problem::new(operators::KEY, place, remedy));
        }
        self.problems.extend(problems);
        operators
    }

    pub(super) fn read<T>(&mut self, setting: &Setting, read: impl FnOnce(&str) -> Read<T>) -> Option<T> {
        let given = self.given(setting)?;
        self.check(setting, &given, read)
    }

    fn check<T>(
        &mut self,
        setting: &Setting,
        given: &Given,
        read: impl FnOnce(&str) -> Read<T>,
    ) -> Option<T> {
        let problem = |remedy| Problem::new(setting.key, &given.place, remedy);
        read(&given.value).map_err(|remedy| self.problems.push(problem(remedy))).ok()
    }

    pub(super) fn listen(&mut self) -> Option<Listen> {
        let insecure = self.read(&catalogue::INSECURE, values::switch);
        let encrypted = self.encrypted();
        let open = |text: &str| {
            let grpc = values::address(text)?;
            // A switch that can't be read is told of by itself.
            if encrypted || grpc.ip().is_loopback() || insecure != Some(false) {
                return Ok(grpc);
            }
            Err(format!(
                "{grpc} can be reached by other machines, and credentials would travel to it in plain text: \
                 give tls_cert and tls_key, or serve on 127.0.0.1 behind something that speaks TLS, or pass --insecure \
                 (LATCHKEY_INSECURE=true) where the network between is trusted"
            ))
        };
        let grpc = self.read(&catalogue::GRPC_ADDR, open);
        let before = self.problems.len();
        let management = self.read(&catalogue::MANAGEMENT_ADDR, open);
        if self.problems.len() > before {
            return None;
        }
        let http = self.read(&catalogue::HTTP_ADDR, values::address);
        self.apart(&[
            (&catalogue::GRPC_ADDR, grpc),
            (&catalogue::MANAGEMENT_ADDR, management),
            (&catalogue::HTTP_ADDR, http),
        ]);
        let connections = self.read(&catalogue::MAX_CONNECTIONS, |t| values::number(t, 1, 1_000_000));
        Some(Listen { grpc: grpc?, management, http: http?, connections: connections? })
    }

    /// No two ports at one address: the second would find it taken, by ourselves.
    fn apart(&mut self, ports: &[(&Setting, Option<SocketAddr>)]) {
        for (number, (setting, address)) in ports.iter().enumerate() {
            let same =
                |other: &Option<SocketAddr>| address.zip(*other).is_some_and(|(a, b)| values::collide(a, b));
            if let Some((first, _)) = ports[..number].iter().find(|(_, other)| same(other)) {
                let place = self.given(setting).map(|given| given.place).unwrap_or_default();
                let remedy = format!("{} listens there as well: give each a port of its own", first.key);
                self.problem(Problem::new(setting.key, place, remedy));
            }
        }
    }

    pub(super) fn database(&mut self) -> Option<Database> {
        let url = self.read(&catalogue::DATABASE_URL, DatabaseUrl::parse);
        let connections = self.read(&catalogue::DATABASE_CONNECTIONS, |t| values::number(t, 1, 1_000));
        let migrate = self.read(&catalogue::MIGRATE, values::switch);
        let single_replica = self.read(&catalogue::SINGLE_REPLICA, values::switch);
        let url = url?;
        let migrate = migrate.unwrap_or(url.embedded().is_some());
        let connections = u32::try_from(connections?).ok()?;
        let deadlines = Deadlines::default();
        Some(Database { url, connections, migrate, single_replica: single_replica?, deadlines })
    }

    /// Given, or a file beside the embedded database. Where the database itself is wrong, one problem is
    /// enough.
    pub(super) fn master_key(&mut self, database: Option<&Database>) -> Option<MasterKey> {
        let before = self.problems.len();
        if let Some(given) = self.given(&catalogue::MASTER_KEY) {
            return self.check(&catalogue::MASTER_KEY, &given, MasterKey::from_base64);
        }
        if self.problems.len() > before {
            return None;
        }
        let beside = database?.url.embedded().map(MasterKey::beside);
        if beside.is_none() {
            let remedy = "PostgreSQL needs one, the same for every replica, and kept apart from the database: \
                          make it with `openssl rand -base64 32`";
            self.problems.push(Problem::new(catalogue::MASTER_KEY.key, "not given", remedy));
        }
        beside
    }

    pub(super) fn previous_master_keys(&mut self) -> PreviousKeys {
        self.read(&catalogue::PREVIOUS_MASTER_KEYS, PreviousKeys::from_base64).unwrap_or_default()
    }

    pub(super) fn root_key(&mut self) -> Option<PlainKey> {
        self.read(&catalogue::ROOT_KEY, |text| {
            let characters = text.chars().count();
            if characters < SHORTEST_ROOT_KEY {
                return Err(format!(
                    "{characters} characters are too few to be safe from guessing: give {SHORTEST_ROOT_KEY} or more, \
                     such as `openssl rand -hex 32` makes"
                ));
            }
            if text.len() > 1024 || !text.bytes().all(|b| b.is_ascii_graphic()) {
                return Err("it could not be sent as metadata: use letters, digits and signs of ASCII, without \
                            spaces, 1024 at most"
                    .to_owned());
            }
            Ok(PlainKey::new(text.to_owned()))
        })
    }

    pub(super) fn profiles(&mut self) -> Vec<PathBuf> {
        self.read(&catalogue::PROFILES, values::paths).unwrap_or_default()
    }

    pub(super) fn follow(&mut self) -> Option<Follow> {
        let (least, most) = (Duration::from_millis(10), Duration::from_mins(10));
        let lease = self.read(&catalogue::LEASE, |t| values::duration(t, least, most));
        let half = |text: &str| {
            let poll = values::duration(text, least, most)?;
            match lease {
                // A lease that one poll can't renew in time would leave memory untrusted now and then.
                Some(lease) if poll > lease / 2 => {
                    Err(format!("{poll:?} is more than half of the lease ({lease:?}): poll more often"))
                }
                Some(_) | None => Ok(poll),
            }
        };
        let poll = self.read(&catalogue::POLL_INTERVAL, half);
        Some(Follow { lease: lease?, poll: poll? })
    }

    pub(super) fn memory(&mut self) -> Option<usize> {
        self.read(&catalogue::MEMORY_BYTES, |t| values::bytes(t, 1 << 20, 1 << 40))
    }

    pub(super) fn drain(&mut self) -> Option<Drain> {
        let most = Duration::from_mins(10);
        let settle = self.read(&catalogue::DRAIN_SETTLE, |t| values::duration(t, Duration::ZERO, most));
        let finish = self.read(&catalogue::DRAIN_TIMEOUT, |t| values::duration(t, Duration::ZERO, most));
        Some(Drain { settle: settle?, finish: finish? })
    }

    pub(super) fn audit_anchor(&mut self) -> Option<AuditAnchor> {
        self.read(&catalogue::AUDIT_ANCHOR, values::audit_anchor)
    }

    pub(super) fn usage(&mut self) -> Option<UsageKeeping> {
        let (least, most) = (Duration::from_millis(100), Duration::from_mins(10));
        let flush = self.read(&catalogue::USAGE_FLUSH, |t| values::duration(t, least, most));
        let (least, most) = (Duration::from_hours(1), Duration::from_hours(10 * 365 * 24));
        let retention = self.read(&catalogue::USAGE_RETENTION, |t| values::duration(t, least, most));
        Some(UsageKeeping { flush: flush?, retention: retention? })
    }

    pub(super) fn decisions(&mut self) -> Option<DecisionLog> {
        let target = self.read(&catalogue::DECISION_LOG, values::decision_target);
        let denied = self.read(&catalogue::DECISION_LOG_DENIED, values::share);
        let allowed = self.read(&catalogue::DECISION_LOG_ALLOWED, values::share);
        Some(DecisionLog { target: target?, allowed: allowed?, denied: denied? })
    }

    pub(super) fn log(&mut self) -> Option<Log> {
        let format = self.read(&catalogue::LOG_FORMAT, |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("{text:?} is neither \"text\" nor \"json\"")),
        });
        let directives = self.read(&catalogue::LOG, |text| match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => {
                Err(format!("{text:?} is not a filter ({error}): write info, or latchkey=debug,info"))
            }
        });
        Some(Log { format, directives: directives? })
    }
}
