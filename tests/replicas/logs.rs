//! A log that hangs: the reader of the program's lines has stopped, and the pipe is full. No call
//! waits for it.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;
use std::time::Duration;

use latchkey_testing::{Caller, Folder, Process, ROOT_KEY, Request, Signal, eventually, free_port, program};

use crate::cluster::{PROFILE, allows, ask};

/// Number of connections that send garbage, some of which cause lines in the log.
const LINES: usize = 500;

/// `O_NONBLOCK` of Linux.
const NONBLOCKING: i32 = 0o4000;

/// A Latchkey whose log is a pipe without a reader.
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
        command.env("LATCHKEY_CHECK_DEADLINE", "5s").env("LATCHKEY_DATABASE_DEADLINE", "30s");
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

    /// Fills the pipe, so that the program can write no line any more.
    fn fill(&self) {
        let path = self.folder.path().join("latchkey.log");
        let mut pipe =
            File::options().write(true).custom_flags(NONBLOCKING).open(path).expect("the pipe opens");
        for size in [4_096, 1] {
            while pipe.write(&vec![b'x'; size]).is_ok_and(|written| written > 0) {}
        }
        let full = pipe.write(b"x").expect_err("the pipe is full");
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }

    /// Opens connections that send garbage.
    fn cause_log_lines(&self) {
        for _ in 0..LINES {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.grpc)) {
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: nobody\r\n\r\n");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_not_read_delays_no_call() {
    let mut mute = UnreadLog::start();
    let operator = Caller::new(mute.grpc, Some(ROOT_KEY));
    let _ = operator.tenant("acme", "cluster", "").await;
    let (first, value) = operator.plain_key("acme", "live").await;
    tokio::task::block_in_place(|| {
        mute.fill();
        mute.cause_log_lines();
    });
    // A line that waited for a reader would wait forever.
    let asked = async {
        for _ in 0..100 {
            assert_eq!(allows(&operator, ask(&value)).await, Ok(true));
        }
        let _ = operator.plain_key("acme", "live").await;
        let _ = operator.revoke(&first.id).await;
        assert_eq!(allows(&operator, ask(&value)).await, Ok(false));
    };
    tokio::time::timeout(Duration::from_mins(3), asked).await.expect("the call does not wait for the log");
    let ended = tokio::task::block_in_place(|| mute.process.end(Signal::TERM));
    assert!(ended.success(), "it ends in good order, log or not: {ended:?} in {:?}", mute.folder);
}
