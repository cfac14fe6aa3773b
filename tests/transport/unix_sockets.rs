//! A server on Unix sockets: the users that can connect, the owner of the file, and the limit of connections
//! of a user.

use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use latchkey_testing::{Folder, Latchkey, ROOT_KEY, Setup, Signal, eventually, program, tool};

/// Settings of a server on a Unix socket.
fn on(socket: &Path) -> Setup {
    Setup::default().shipped("demo").environment("LATCHKEY_GRPC_ADDR", &address(socket))
}

fn address(socket: &Path) -> String {
    format!("unix:{}", socket.display())
}

fn socket(folder: &Folder) -> PathBuf {
    folder.path().join("grpc.sock")
}

fn cli(server: &str, words: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(["--server", server]).args(words).env("LATCHKEY_API_KEY", ROOT_KEY);
    command.output().expect("the program starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().expect("a file").permissions().mode() & 0o777
}

#[test]
fn the_command_line_calls_a_server_on_a_unix_socket() {
    let folder = Folder::new("unix");
    let socket = socket(&folder);
    let latchkey = on(&socket).start();
    assert_eq!(mode(&socket), 0o600, "for its own user alone");
    latchkey.wait_for_log(&address(&socket));
    let slashes = format!("unix://{}", socket.display());
    let created = cli(&slashes, &["tenant", "create", "acme", "--profile", "demo"]);
    assert!(created.status.success(), "{}", text(&created));
    let words =
        ["key", "create", "--tenant", "acme", "--name", "k", "--scope", "things.read", "--secret-only"];
    let key = cli(&address(&socket), &words);
    let key = String::from_utf8_lossy(&key.stdout).trim().to_owned();
    let checked = cli(&address(&socket), &["check", &key, "--method", "GET", "--path", "/things"]);
    assert!(checked.status.success(), "{}", text(&checked));
    latchkey.signal(Signal::TERM);
    assert!(latchkey.wait().success());
    assert!(!socket.exists(), "the file is removed");
    let nothing = cli(&address(&socket), &["tenant", "list"]);
    assert!(
        nothing.status.code() == Some(6) && text(&nothing).contains(&address(&socket)),
        "{}",
        text(&nothing)
    );
}

#[test]
fn the_http_port_and_the_management_port_can_be_unix_sockets_too() {
    let folder = Folder::new("unix-all");
    let path = |name: &str| folder.path().join(name);
    let (http, management) = (address(&path("http.sock")), address(&path("management.sock")));
    let latchkey = on(&socket(&folder))
        .environment("LATCHKEY_HTTP_ADDR", &http)
        .environment("LATCHKEY_MANAGEMENT_ADDR", &management)
        .environment("LATCHKEY_UNIX_SOCKET_MODE", "0660")
        .launch();
    let health =
        || Command::new(program()).args(["health", "--http-addr", &http]).output().expect("it starts");
    eventually("it is ready", || health().status.success().then_some(()));
    for name in ["grpc.sock", "management.sock", "http.sock"] {
        let file = path(name);
        assert!(file.symlink_metadata().expect("a file").file_type().is_socket());
        assert_eq!(mode(&file), 0o660, "{name}");
    }
    assert!(cli(&management, &["tenant", "list"]).status.success());
    let refused = text(&cli(&address(&socket(&folder)), &["tenant", "list"]));
    assert!(refused.contains("another port"), "{refused}");
    latchkey.signal(Signal::TERM);
    assert!(latchkey.wait().success());
    let ended = health();
    assert!(!ended.status.success() && text(&ended).contains("not running"), "{}", text(&ended));
}

#[test]
fn the_socket_of_a_running_process_is_refused_and_that_of_an_ended_one_is_replaced() {
    let folder = Folder::new("unix-twice");
    let socket = socket(&folder);
    let first = on(&socket).start();
    let second = on(&socket).launch();
    assert!(!second.wait().success());
    let line = second.log();
    let line = line.lines().find(|line| line.contains("grpc_addr")).expect("a line about the address");
    assert!(line.contains(&format!("process {} (latchkey)", first.pid())), "{line}");
    assert!(line.contains(&address(&socket)), "{line}");
    assert!(cli(&address(&socket), &["tenant", "list"]).status.success(), "the first one still serves");
    first.kill();
    assert!(socket.exists(), "a killed process leaves its file");
    let third = on(&socket).start();
    assert!(cli(&address(&socket), &["tenant", "list"]).status.success());
    drop(third);
}

#[test]
fn a_file_that_is_no_socket_and_a_missing_folder_are_refused() {
    let folder = Folder::new("unix-file");
    let file = folder.write("grpc.sock", "text");
    let refused = on(&file).launch();
    assert!(!refused.wait().success());
    assert!(refused.log().contains("is not a socket"), "{}", refused.log());
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "text");
    let refused = on(&folder.path().join("none/grpc.sock")).launch();
    assert!(!refused.wait().success());
    assert!(refused.log().contains("create the folder"), "{}", refused.log());
}

/// Opens connections that have sent their first bytes, and no call.
fn connections(socket: &Path, count: usize) -> Vec<UnixStream> {
    let open = || {
        let mut stream = UnixStream::connect(socket).expect("it listens");
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .and_then(|()| stream.write_all(&settings))
            .expect("it reads");
        stream
    };
    (0..count).map(|_| open()).collect()
}

#[test]
fn many_connections_without_calls_leave_room_for_another_one() {
    let folder = Folder::new("unix-many");
    let socket = socket(&folder);
    let latchkey: Latchkey = on(&socket).environment("LATCHKEY_MAX_CONNECTIONS", "8").start();
    let held = connections(&socket, 40);
    for _ in 0..3 {
        let listed = cli(&address(&socket), &["tenant", "list"]);
        assert!(listed.status.success(), "{}", text(&listed));
    }
    drop((held, latchkey));
}

#[test]
fn a_group_that_does_not_exist_is_refused_with_what_to_do() {
    let folder = Folder::new("unix-group");
    let refused = on(&socket(&folder)).environment("LATCHKEY_UNIX_SOCKET_GROUP", "no-such-group").launch();
    assert_eq!(refused.wait().code(), Some(2));
    assert!(
        refused.log().contains("unix_socket_group") && refused.log().contains("groupadd"),
        "{}",
        refused.log()
    );
}

#[test]
fn grpcurl_lists_the_services_on_a_unix_socket() {
    let folder = Folder::new("unix-grpcurl");
    let socket = socket(&folder);
    let _latchkey = on(&socket).start();
    let mut command = Command::new(tool("grpcurl"));
    // By itself, grpcurl sends the path as the name of the host, which is not one.
    command.args(["-plaintext", "-unix", "-authority", "localhost"]).arg(&socket).arg("list");
    let output = command.output().expect("grpcurl starts");
    assert!(text(&output).contains("latchkey.v1.KeyService"), "{}", text(&output));
}
