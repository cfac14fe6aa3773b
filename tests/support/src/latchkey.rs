//! The built program, as its users run it: a process with settings in its environment, its own ports and
//! its own folder.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::start::{Place, Start, program};
use crate::{Answer, Caller, Folder, Process, Request, Signal, eventually, free_port, tools};

/// The operator's key that every Latchkey of the tests is given.
pub const ROOT_KEY: &str = "root-key-of-the-tests-0123456789abcdef";
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Settings that a Latchkey is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    database: Option<String>,
    profiles: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    place: Place,
    program: Option<PathBuf>,
}

impl Default for Setup {
    fn default() -> Self {
        let environment = [("LATCHKEY_ROOT_KEY", ROOT_KEY), ("RUST_LOG", "latchkey=debug")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { database: None, profiles: Vec::new(), environment, place: Place::Here, program: None }
    }
}

impl Setup {
    /// On this database instead of the embedded one.
    #[must_use]
    pub fn database(mut self, url: &str) -> Self {
        self.database = Some(url.to_owned());
        self.environment("LATCHKEY_MASTER_KEY", MASTER_KEY)
    }

    /// With a profile applied at the start.
    #[must_use]
    pub fn profile(mut self, name: &str, document: &str) -> Self {
        self.profiles.push((format!("{name}.toml"), document.to_owned()));
        self
    }

    /// With a profile that ships.
    #[must_use]
    pub fn shipped(self, name: &str) -> Self {
        let path = tools::workspace().join("profiles").join(format!("{name}.toml"));
        let document =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.profile(name, &document)
    }

    /// With a setting; an empty value takes it away.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(have, _)| have != name);
        if !value.is_empty() {
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// As on another machine, with a network of its own: no other process can call it, and only Unix sockets lead out of it.
    #[must_use]
    pub fn elsewhere(mut self) -> Self {
        self.place = Place::Elsewhere;
        self
    }

    /// By another program than the built one, such as that of an earlier version.
    #[must_use]
    pub fn program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// Starts it, and waits until it is ready.
    #[must_use]
    pub fn start(self) -> Latchkey {
        let latchkey = self.launch();
        latchkey.ready();
        latchkey
    }

    /// Starts it, ready or not.
    #[must_use]
    pub fn launch(self) -> Latchkey {
        let folder = Folder::new("latchkey");
        let (grpc, http) = (free_port(), free_port());
        let sqlite = format!("sqlite://{}/latchkey.db?mode=rwc", folder.path().display());
        let mut environment = self.environment;
        // What a test gives comes later, and wins.
        let ports = [("LATCHKEY_GRPC_ADDR", grpc), ("LATCHKEY_HTTP_ADDR", http)];
        let ports = ports.map(|(name, port)| (name.to_owned(), format!("127.0.0.1:{port}")));
        environment.splice(0..0, ports);
        environment.push(("LATCHKEY_DATABASE_URL".to_owned(), self.database.unwrap_or(sqlite)));
        if !self.profiles.is_empty() {
            let profiles = folder.path().join("profiles");
            std::fs::create_dir(&profiles).expect("a folder can be made");
            for (name, document) in &self.profiles {
                let _ = folder.write(&format!("profiles/{name}"), document);
            }
            environment.push(("LATCHKEY_PROFILES".to_owned(), profiles.display().to_string()));
        }
        let start = Start { program: self.program.unwrap_or_else(program), place: self.place };
        let process = Mutex::new(start.run(&folder, &environment));
        Latchkey { process, folder, environment, start, grpc, http }
    }
}

/// A running Latchkey.
#[derive(Debug)]
pub struct Latchkey {
    process: Mutex<Process>,
    folder: Folder,
    environment: Vec<(String, String)>,
    start: Start,
    grpc: u16,
    http: u16,
}

impl Latchkey {
    /// The URL of its database.
    #[must_use]
    pub fn database(&self) -> &str {
        let url = self.environment.iter().find(|(name, _)| name == "LATCHKEY_DATABASE_URL");
        url.map_or("", |(_, url)| url)
    }

    /// Port of gRPC.
    #[must_use]
    pub fn grpc(&self) -> u16 {
        self.grpc
    }

    /// Port of HTTP.
    #[must_use]
    pub fn http(&self) -> u16 {
        self.http
    }

    /// Process identifier.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// Output so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process().log()
    }

    /// Someone who calls it with this credential.
    #[must_use]
    pub fn caller(&self, credential: &str) -> Caller {
        Caller::new(self.grpc, Some(credential))
    }

    /// The operator.
    #[must_use]
    pub fn operator(&self) -> Caller {
        self.caller(ROOT_KEY)
    }

    /// Someone without a credential.
    #[must_use]
    pub fn anonymous(&self) -> Caller {
        Caller::new(self.grpc, None)
    }

    /// GET of a page of its HTTP port; status 0 where nothing listens.
    #[must_use]
    pub fn page(&self, path: &str) -> Answer {
        if std::net::TcpStream::connect(("127.0.0.1", self.http)).is_err() {
            return Answer { status: 0, headers: Vec::new(), body: String::new() };
        }
        Request::get("127.0.0.1", path).send(self.http)
    }

    /// The operator's command line against it.
    #[must_use]
    pub fn cli(&self, words: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.args(words).env("LATCHKEY_SERVER", format!("http://127.0.0.1:{}", self.grpc));
        command.env("LATCHKEY_API_KEY", ROOT_KEY).output().expect("the program starts")
    }

    /// Runs a command as the operator and returns its output; panics where it fails.
    #[must_use]
    pub fn cli_text(&self, words: &[&str]) -> String {
        let output = self.cli(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until it is ready.
    pub fn ready(&self) {
        eventually("Latchkey is ready", || {
            let ended = self.process().ended();
            assert!(ended.is_none(), "Latchkey ended, {ended:?}:\n{}", self.log());
            (self.page("/readyz").status == 200).then_some(())
        });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Waits for its end.
    #[must_use]
    pub fn wait(&self) -> ExitStatus {
        self.process().wait()
    }

    /// Exit status, if the process has ended.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        self.process().ended()
    }

    /// Kills it, with no chance to tidy up.
    pub fn kill(&self) {
        self.process().end(Signal::KILL);
    }

    /// Starts it again with the same settings, ports and data, and waits until it is ready.
    pub fn restart(&self) {
        *self.process() = self.start.run(&self.folder, &self.environment);
        self.ready();
    }

    /// Starts it again where it does not become ready.
    pub fn relaunch_unready(&self) {
        *self.process() = self.start.run(&self.folder, &self.environment);
    }

    /// Starts it again where it must end by itself; answers how it did.
    #[must_use]
    pub fn relaunch(&self) -> ExitStatus {
        *self.process() = self.start.run(&self.folder, &self.environment);
        self.wait()
    }

    /// Replaces the program for the next start by the built one.
    pub fn upgrade(&mut self) {
        self.start.program = program();
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(have, _)| have != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The folder that it runs in.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A setting that it was started with; empty, where it wasn't given.
    pub(crate) fn setting(&self, name: &str) -> String {
        let given = self.environment.iter().find(|(have, _)| have == name);
        given.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Latchkey {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- Latchkey printed:\n{}", self.log());
        }
    }
}
