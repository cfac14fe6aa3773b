//! Notifications to the process's supervisor, by the protocol of systemd (`sd_notify(3)`): the end of the start, the begin
//! of the shutdown, and a status text, which `systemctl status` shows. Without a supervisor, nothing is sent.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tokio::sync::watch;

use crate::readiness::Stage;
use crate::startup::StartupConflict;

/// Connection to the supervisor; `None` if there is none.
pub(crate) struct Supervisor(Option<UnixDatagram>);

impl Supervisor {
    /// Connects to the socket that the environment names. A failure is logged, since the service works without it; systemd
    /// then reports a timeout of the start.
    pub(crate) fn from_environment() -> Self {
        let Some(address) = latchkey_config::notify_socket() else { return Self(None) };
        let connected = connect(&address);
        let logged = connected.inspect_err(|error| {
            tracing::warn!(%error, address = %address.display(), "failed to connect to NOTIFY_SOCKET; the supervisor gets no notifications");
        });
        Self(logged.ok())
    }

    /// Reports each stage from now on; never returns.
    pub(crate) async fn follow(self, mut stage: watch::Receiver<Stage>) -> Result<(), StartupConflict> {
        let Some(socket) = self.0 else { return std::future::pending().await };
        loop {
            let message = message(&stage.borrow_and_update());
            if let Err(error) = socket.send(message.as_bytes()) {
                tracing::warn!(%error, "failed to notify the supervisor; the next change of the stage is reported again");
            }
            if stage.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(address)?,
    }
    Ok(socket)
}

/// Returns the message for a stage: assignments, one a line.
fn message(stage: &Stage) -> String {
    let (first, status) = match stage {
        Stage::Starting(reason) => ("", format!("starting: {reason}")),
        Stage::Ready => ("READY=1\n", "ready".to_owned()),
        Stage::Limited(reason) => ("READY=1\n", format!("limited: {reason}")),
        Stage::Unable(reason) => ("", format!("unable to decide: {reason}")),
        Stage::Draining => ("STOPPING=1\n", "draining: calls in flight are finished".to_owned()),
    };
    format!("{first}STATUS={}", status.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[tokio::test]
    async fn each_stage_is_reported_with_a_reason_on_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let supervisor = UnixDatagram::bind(&path).unwrap();
        let (stage, stages) = watch::channel(Stage::Starting("the database\ndoes not answer".to_owned()));
        let following = Supervisor(connect(path.as_os_str()).ok()).follow(stages);
        let changes = async {
            for next in [Stage::Ready, Stage::Unable("no lease".to_owned()), Stage::Draining] {
                tokio::task::yield_now().await;
                stage.send_replace(next);
            }
            tokio::task::yield_now().await;
        };
        tokio::select! {
            // The follower first, so that it sees each stage before the next one.
            biased;
            _ = following => unreachable!("it follows for ever"),
            () = changes => {}
        }
        assert_eq!(received(&supervisor), "STATUS=starting: the database does not answer");
        assert_eq!(received(&supervisor), "READY=1\nSTATUS=ready");
        assert_eq!(received(&supervisor), "STATUS=unable to decide: no lease");
        assert!(received(&supervisor).starts_with("STOPPING=1\n"));
    }

    #[test]
    fn a_name_in_the_abstract_namespace_is_understood() {
        let name = format!("latchkey-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let supervisor = UnixDatagram::bind_addr(&address).unwrap();
        connect(OsStr::new(&format!("@{name}"))).unwrap().send(b"READY=1").unwrap();
        assert_eq!(received(&supervisor), "READY=1");
    }
}
