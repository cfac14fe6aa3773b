//! Envoy of `latchkey dev`: finds the program, starts it with the configuration beside this file, and stops it at the
//! end.

mod process;

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::args::DevArgs;
use crate::command::envoy_config::request_body;
use crate::exit::CliError;
pub(crate) use process::execute_envoy;

const CONFIGURATION: &str = include_str!("envoy.yaml");
/// Interval and total time of checks whether Envoy listens.
const TRIES: (u32, Duration) = (200, Duration::from_millis(50));

/// Running Envoy, which is killed when this is dropped.
pub(super) struct Envoy {
    pub(super) address: SocketAddr,
    child: Child,
}

impl Envoy {
    /// Starts Envoy, and waits until it listens.
    pub(super) async fn start(
        args: &DevArgs,
        folder: &Path,
        grpc: SocketAddr,
        echo: SocketAddr,
    ) -> Result<Self, CliError> {
        let path = folder.join("envoy.yaml");
        std::fs::write(&path, configuration(args.envoy_addr, grpc, echo))?;
        let child = spawn(args.envoy_binary.as_deref(), &path)?;
        let mut envoy = Self { address: args.envoy_addr, child };
        envoy.listens().await?;
        Ok(envoy)
    }

    async fn listens(&mut self) -> Result<(), CliError> {
        let (tries, pause) = TRIES;
        for _ in 0..tries {
            if let Some(status) = self.child.try_wait()? {
                return Err(gone(status));
            }
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            sleep(pause).await;
        }
        Err(CliError::Local(format!("Envoy does not listen on {}", self.address)))
    }

    /// Returns when Envoy ends by itself; never, if there is no Envoy.
    pub(super) async fn ended(envoy: Option<Self>) -> CliError {
        match envoy {
            Some(mut envoy) => match envoy.child.wait().await {
                Ok(status) => gone(status),
                Err(error) => error.into(),
            },
            None => std::future::pending().await,
        }
    }
}

fn gone(status: ExitStatus) -> CliError {
    if process::was_not_executed(status) {
        return CliError::Findings(1);
    }
    CliError::Local(format!("Envoy ended ({status}); what it printed says why. Is --envoy-addr free?"))
}

/// Starts the given program, or else the one on the PATH, or else the one that `scripts/setup` installs. Called on the main
/// thread, at whose end the system ends Envoy.
fn spawn(named: Option<&Path>, configuration: &Path) -> io::Result<Child> {
    let paths = match named {
        Some(path) => vec![path.to_owned()],
        None => vec![PathBuf::from("envoy"), PathBuf::from("./.tools/bin/envoy")],
    };
    let options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"].map(OsStr::new);
    let configuration = [OsStr::new("--config-path"), configuration.as_os_str()];
    let command = process::command(&paths, &[&configuration[..], &options].concat())?;
    Command::from(command).stdin(Stdio::null()).kill_on_drop(true).spawn()
}

fn configuration(front: SocketAddr, latchkey: SocketAddr, echo: SocketAddr) -> String {
    let places = [("FRONT", front), ("LATCHKEY", latchkey), ("ECHO", echo)];
    let text = CONFIGURATION.replace("$BODY", &request_body().to_string());
    places.iter().fold(text, |text, (name, address)| {
        text.replace(&format!("${name}_HOST"), &address.ip().to_string())
            .replace(&format!("${name}_PORT"), &address.port().to_string())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_place_of_the_configuration_is_filled() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let text = configuration(address(1), address(2), address(3));
        let filled: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(!filled.join("\n").contains('$') && text.contains("port_value: 3"));
        assert!(text.contains("failure_mode_allow: false") && text.contains("timeout: 0.2s"));
        let yaml: Value = serde_saphyr::from_str(&text).unwrap();
        let manager =
            &yaml["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        let body = &manager["http_filters"][0]["typed_config"]["with_request_body"];
        assert_eq!(*body, request_body(), "any profile can be applied, also one that reads bodies");
    }
}
