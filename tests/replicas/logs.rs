//! A log that hangs: the reader of the program's lines has stopped. They are dropped and counted, and no caller who
//! asks for anything waits for them.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use latchkey_testing::{Caller, Folder, Process, ROOT_KEY, Request, Signal, eventually, free_port, program};

use crate::cluster::{PROFILE, allows, ask};

/// Number of lines that fill both the pipe and the queue before it.
const LINES: usize = 9_500;

/// A Latchkey whose log is a pipe, and that pipe, which has no reader.
struct UnreadLog {
    process: Process,
    folder: Folder,
    grpc: u16,
    http: u16,
    _pipe: File,
}

impl UnreadLog {
    fn start() -> Self {
        let folder = Folder::new("mute");
        let pipe = folder.path().join("latchkey.log");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
        let pipe = File::options().read(true).write(true).open(pipe).expect("the pipe opens");
        let (grpc, http) = (free_port(), free_port());
        let profile = folder.write("cluster.toml", PROFILE).display().to_string();
        let database = format!("sqlite://{}/latchkey.db?mode=rwc", folder.path().display());
        let mut command = Command::new(program());
        command.args(["serve", "--migrate", "--grpc-addr", &format!("127.0.0.1:{grpc}")]);
        command.args(["--http-addr", &format!("127.0.0.1:{http}"), "--profiles", &profile]);
        command.env("LATCHKEY_DATABASE_URL", &database).env("LATCHKEY_ROOT_KEY", ROOT_KEY);
        command.env("RUST_LOG", "latchkey=debug").current_dir(folder.path());
        let process = Process::start(&mut command, &folder, "latchkey");
        let mute = Self { process, folder, grpc, http, _pipe: pipe };
        eventually("it is ready", || mute.page("/readyz").contains("\"ready\"").then_some(()));
        mute
    }

    fn page(&self, path: &str) -> String {
        match TcpStream::connect(("127.0.0.1", self.http)) {
            Ok(_) => Request::get("127.0.0.1", path).send(self.http).body,
            Err(_) => String::new(),
        }
    }

    /// Number of dropped lines.
    fn dropped(&self) -> u64 {
        let page = self.page("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix("latchkey_log_lines_dropped_total "));
        line.and_then(|count| count.parse().ok()).expect("it is reported")
    }

    /// Opens connections that send garbage; each is a line in the log.
    fn babble(&self) {
        for _ in 0..LINES {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.grpc)) {
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: nobody\r\n\r\n");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    let mut mute = UnreadLog::start();
    let operator = Caller::new(mute.grpc, Some(ROOT_KEY));
    let _ = operator.tenant("acme", "cluster", "").await;
    let (first, value) = operator.plain_key("acme", "live").await;
    tokio::task::block_in_place(|| {
        mute.babble();
        eventually("lines are dropped", || (mute.dropped() > 0).then_some(()));
    });
    // A line that waited for a reader would wait for ever.
    let asked = async {
        for _ in 0..100 {
            assert_eq!(allows(&operator, ask(&value)).await, Ok(true));
        }
        let _ = operator.plain_key("acme", "live").await;
        let _ = operator.revoke(&first.id).await;
        assert_eq!(allows(&operator, ask(&value)).await, Ok(false));
    };
    tokio::time::timeout(Duration::from_mins(1), asked).await.expect("nobody waits for the log");
    let ended = tokio::task::block_in_place(|| mute.process.end(Signal::TERM));
    assert!(ended.success(), "it ends in good order, log or not: {ended:?} in {:?}", mute.folder);
}
