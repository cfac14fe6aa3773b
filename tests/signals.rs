//! Signals to a replica: the first one that ends it starts its shutdown, the second one ends it at once. Others have no
//! effect but a line in the log.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use latchkey_testing::{Folder, Process, Setup, Signal, eventually, free_port, program, tool};

const DEMO: &str = include_str!("../profiles/demo.toml");
const ENDPOINT: &str = r#"
[[endpoints]]
method = "GET"
path = "/my-keys"
rpc = "ListKeys"
item = '"{{ item.name }}"'
answer = '[{{ items }}]'
"#;

#[test]
fn a_second_signal_ends_a_replica_that_drains() {
    for signals in [[Signal::TERM, Signal::TERM], [Signal::INT, Signal::TERM], [Signal::QUIT, Signal::INT]] {
        let latchkey = Setup::default().environment("LATCHKEY_SHUTDOWN_DELAY", "9m").start();
        latchkey.signal(signals[0]);
        eventually("it drains", || latchkey.log().contains("draining").then_some(()));
        assert!(latchkey.ended().is_none(), "it waits for nine minutes");
        // What arrives soon after the first one counts as the same.
        let ended = eventually("a second signal ends it", || {
            latchkey.signal(signals[1]);
            latchkey.ended()
        });
        assert!(!ended.success());
        assert!(latchkey.log().contains("second signal"), "{}", latchkey.log());
    }
}

#[test]
fn a_signal_that_arrives_twice_at_once_lets_a_replica_drain() {
    // Two of one kind could be merged by the system.
    let latchkey = Setup::default().environment("LATCHKEY_SHUTDOWN_DELAY", "1s").start();
    // Both wait until the process continues, so that they arrive at once on a busy machine too.
    for signal in [Signal::STOP, Signal::TERM, Signal::INT, Signal::CONT] {
        latchkey.signal(signal);
    }
    assert!(latchkey.wait().success(), "{}", latchkey.log());
    assert!(latchkey.log().contains("stopped"), "{}", latchkey.log());
}

#[test]
fn a_quit_drains_as_sigterm_does() {
    let latchkey = Setup::default().environment("LATCHKEY_SHUTDOWN_DELAY", "0s").start();
    latchkey.signal(Signal::QUIT);
    assert!(latchkey.wait().success(), "{}", latchkey.log());
    assert!(latchkey.log().contains("draining") && latchkey.log().contains("stopped"), "{}", latchkey.log());
}

#[test]
fn a_call_of_an_endpoint_that_is_in_flight_is_finished() {
    let latchkey = Setup::default()
        .profile("demo", &format!("{DEMO}{ENDPOINT}"))
        .environment("LATCHKEY_SHUTDOWN_DELAY", "0s")
        .start();
    let mut client = TcpStream::connect(("127.0.0.1", latchkey.http())).expect("it listens");
    let head = "GET /my-keys HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    client.write_all(head.as_bytes()).expect("it is taken");
    let mut interim = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    client.read_exact(&mut interim).expect("it waits for the body");
    latchkey.signal(Signal::TERM);
    eventually("the port is closed", || {
        TcpStream::connect(("127.0.0.1", latchkey.http())).is_err().then_some(())
    });
    client.write_all(b"{}").expect("the connection is open");
    let mut response = String::new();
    client.read_to_string(&mut response).expect("the connection ends in order");
    // The call has no key.
    assert!(response.starts_with("HTTP/1.1 401"), "{response}");
    assert!(latchkey.wait().success(), "{}", latchkey.log());
}

#[test]
fn signals_without_an_effect_are_logged_and_calls_go_on() {
    let latchkey = Setup::default().environment("LATCHKEY_SHUTDOWN_DELAY", "0s").start();
    for (signal, words) in [
        (Signal::HUP, "settings are read at the start alone"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::ALARM, "SIGALRM"),
    ] {
        latchkey.signal(signal);
        eventually(words, || latchkey.log().contains(words).then_some(()));
        assert_eq!(latchkey.page("/readyz").status, 200, "{words}");
    }
    assert!(latchkey.ended().is_none() && !latchkey.log().contains("draining"), "{}", latchkey.log());
    latchkey.signal(Signal::TERM);
    assert!(latchkey.wait().success());
}

#[test]
fn the_envoy_of_a_dev_server_that_is_killed_ends_too() {
    let folder = Folder::new("dev");
    let addresses = [(); 3].map(|()| format!("127.0.0.1:{}", free_port()));
    let mut command = Command::new(program());
    command.env_clear().env("TMPDIR", folder.path()).args(["dev", "--envoy"]);
    command.arg("--envoy-binary").arg(tool("envoy"));
    command.args(["--grpc-addr", &addresses[0], "--http-addr", &addresses[1], "--envoy-addr", &addresses[2]]);
    let mut dev = Process::start(&mut command, &folder, "dev");
    eventually("Envoy serves", || {
        let log = dev.log();
        assert!(dev.ended().is_none(), "{log}");
        log.contains("Press Ctrl-C").then_some(())
    });
    eventually("Envoy listens", || TcpStream::connect(&addresses[2]).ok());
    dev.end(Signal::KILL);
    eventually("Envoy has ended", || TcpStream::connect(&addresses[2]).is_err().then_some(()));
}
