//! The built program, as its users run it: a process with settings in its environment, its own ports and
//! its own folder.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::start::{Place, Start, program};
use crate::{Answer, Caller, Folder, Process, Request, Signal, eventually, free_port, tools};

/// The operators' key of every Latchkey in the tests.
pub const ROOT_KEY: &str = "root-key-of-the-tests-0123456789abcdef";
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Settings of a Latchkey to start.
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
        let environment = [
            ("LATCHKEY_ROOT_KEY", ROOT_KEY),
            ("RUST_LOG", "latchkey=debug"),
            // A machine that is busy with other tests misses the program's own deadlines.
            ("LATCHKEY_CHECK_DEADLINE", "5s"),
            ("LATCHKEY_DATABASE_DEADLINE", "30s"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { database: None, profiles: Vec::new(), environment, place: Place::Here, program: None }
    }
}

impl Setup {
    /// Uses this database instead of the embedded one.
    #[must_use]
    pub fn database(mut self, url: &str) -> Self {
        self.database = Some(url.to_owned());
        self.environment("LATCHKEY_MASTER_KEY", MASTER_KEY)
    }

    /// Applies a profile at the start.
    #[must_use]
    pub fn profile(mut self, name: &str, document: &str) -> Self {
        self.profiles.push((format!("{name}.toml"), document.to_owned()));
        self
    }

    /// Applies a profile that ships with Latchkey.
    #[must_use]
    pub fn shipped(self, name: &str) -> Self {
        let path = tools::workspace().join("profiles").join(format!("{name}.toml"));
        let document =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.profile(name, &document)
    }

    /// Sets a setting; an empty value removes it.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(have, _)| have != name);
        if !value.is_empty() {
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Starts the process as on another machine, in a network namespace of its own: no other process can call it, and
    /// it can connect to Unix sockets only.
    #[must_use]
    pub fn elsewhere(mut self) -> Self {
        self.place = Place::Elsewhere;
        self
    }

    /// Uses another program than the built one, such as that of an earlier version.
    #[must_use]
    pub fn program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// Starts the process, and waits until it is ready.
    #[must_use]
    pub fn start(self) -> Latchkey {
        let latchkey = self.launch();
        latchkey.ready();
        latchkey
    }

    /// Starts the process without waiting until it is ready.
    #[must_use]
    pub fn launch(self) -> Latchkey {
        let folder = Folder::new("latchkey");
        let (grpc, http) = (free_port(), free_port());
        let sqlite = format!("sqlite://{}/latchkey.db?mode=rwc", folder.path().display());
        let mut environment = self.environment;
        // Settings of the test come later, and take precedence.
        let ports = [("LATCHKEY_GRPC_ADDR", grpc), ("LATCHKEY_HTTP_ADDR", http)];
        let ports = ports.map(|(name, port)| (name.to_owned(), format!("127.0.0.1:{port}")));
        environment.splice(0..0, ports);
        // A test that names a file with the URL gives no other one.
        if !environment.iter().any(|(name, _)| name == "LATCHKEY_DATABASE_URL_FILE") {
            environment.push(("LATCHKEY_DATABASE_URL".to_owned(), self.database.unwrap_or(sqlite)));
        }
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
    /// Returns the URL of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        let url = self.environment.iter().find(|(name, _)| name == "LATCHKEY_DATABASE_URL");
        url.map_or("", |(_, url)| url)
    }

    /// Returns the gRPC port.
    #[must_use]
    pub fn grpc(&self) -> u16 {
        self.grpc
    }

    /// Returns the HTTP port.
    #[must_use]
    pub fn http(&self) -> u16 {
        self.http
    }

    /// Returns the process identifier.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// Returns the output so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process().log()
    }

    /// Waits until the output has a text. Lines of the log are written in the background.
    pub fn wait_for_log(&self, words: &str) {
        eventually(&format!("the log has {words:?}"), || self.log().contains(words).then_some(()));
    }

    /// Returns a caller with this credential.
    #[must_use]
    pub fn caller(&self, credential: &str) -> Caller {
        Caller::new(self.grpc, Some(credential))
    }

    /// Returns a caller with the operators' key.
    #[must_use]
    pub fn operator(&self) -> Caller {
        self.caller(ROOT_KEY)
    }

    /// Returns a caller without a credential.
    #[must_use]
    pub fn anonymous(&self) -> Caller {
        Caller::new(self.grpc, None)
    }

    /// Sends a GET request to the HTTP port; the status is 0 if nothing listens there.
    #[must_use]
    pub fn page(&self, path: &str) -> Answer {
        // One connection: a process that ends may stop listening between two.
        let answer = Request::get("127.0.0.1", path).try_send(self.http);
        answer.unwrap_or(Answer { status: 0, headers: Vec::new(), body: String::new() })
    }

    /// Runs the command line against this server, with the operators' key.
    #[must_use]
    pub fn cli(&self, words: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.args(words).env("LATCHKEY_SERVER", format!("http://127.0.0.1:{}", self.grpc));
        command.env("LATCHKEY_API_KEY", ROOT_KEY).output().expect("the program starts")
    }

    /// Runs a command with the operators' key and returns its output; panics if it fails.
    #[must_use]
    pub fn cli_text(&self, words: &[&str]) -> String {
        let output = self.cli(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the server is ready.
    pub fn ready(&self) {
        eventually("Latchkey is ready", || {
            let ended = self.process().ended();
            assert!(ended.is_none(), "Latchkey ended, {ended:?}:\n{}", self.log());
            (self.page("/readyz").status == 200).then_some(())
        });
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Waits until the process ends.
    #[must_use]
    pub fn wait(&self) -> ExitStatus {
        self.process().wait()
    }

    /// Returns the exit status, if the process has ended.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        self.process().ended()
    }

    /// Kills the process by SIGKILL.
    pub fn kill(&self) {
        self.process().end(Signal::KILL);
    }

    /// Starts the process again with the same settings, ports and data, and waits until it is ready.
    pub fn restart(&self) {
        *self.process() = self.start.run(&self.folder, &self.environment);
        self.ready();
    }

    /// Starts the process again without waiting until it is ready.
    pub fn relaunch_unready(&self) {
        *self.process() = self.start.run(&self.folder, &self.environment);
    }

    /// Starts the process again and waits until it ends by itself; returns its exit status.
    #[must_use]
    pub fn relaunch(&self) -> ExitStatus {
        *self.process() = self.start.run(&self.folder, &self.environment);
        self.wait()
    }

    /// Uses the built program from the next start on.
    pub fn upgrade(&mut self) {
        self.start.program = program();
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(have, _)| have != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Returns the working directory.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Returns a setting of the process; empty if it was not set.
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
