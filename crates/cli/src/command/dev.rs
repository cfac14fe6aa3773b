//! `latchkey dev`: runs a server with demo data on a temporary database, optionally with Envoy, and prints commands to
//! paste.

mod demo;
mod echo;
mod envoy;
mod instructions;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use latchkey_config::{ConfigSources, Settings};
use latchkey_server::{ServeError, Server, Stage, load_settings, new_root_key, signals, start_log};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::args::{DevArgs, Secret};
use crate::exit::CliError;
use crate::output::{note, print};
use envoy::Envoy;
pub(crate) use envoy::execute_envoy;

/// Environment variables of settings that are read. Those of other settings are ignored, so that `dev` does not use a
/// real database.
const VARIABLES: [&str; 4] = ["RUST_LOG", "LATCHKEY_LOG_FORMAT", "LATCHKEY_GRPC_ADDR", "LATCHKEY_HTTP_ADDR"];

pub(super) async fn run(args: DevArgs) -> Result<(), CliError> {
    let folder = tempfile::Builder::new().prefix("latchkey-dev-").tempdir()?;
    let root = Secret(new_root_key().map_err(|e| CliError::Local(e.to_string()))?.reveal().to_owned());
    let settings = settings(&args, folder.path(), &root)?;
    let flush = start_log(&settings.log);
    let server = Server::bind(settings).await.map_err(|error| local(&error))?;
    let grpc = server.grpc_address().ok_or_else(|| {
        CliError::Usage(
            "LATCHKEY_GRPC_ADDR must be IP:PORT for `latchkey dev`: unset it, or use --grpc-addr".into(),
        )
    })?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stage = server.stage();
    let mut serving = start(server, stopped);
    let shown = async {
        // The server can fail before it is ready; `serving` then returns the error.
        drop(stage.wait_for(|stage| *stage == Stage::Ready).await);
        let demo = demo::make(grpc, &root).await?;
        print(&instructions::grpc_commands(grpc, &root, &demo))?;
        let envoy = front(&args, folder.path(), grpc).await?;
        if let Some(envoy) = &envoy {
            print(&instructions::curl_commands(envoy.address))?;
        }
        note("\nPress Ctrl-C to end; the database is then deleted.");
        Ok::<_, CliError>(envoy)
    };
    let result = tokio::select! {
        ended = &mut serving => return serve_result(ended),
        () = signals::shutdown_or_hangup() => Ok(()),
        shown = shown => match shown {
            Ok(envoy) => tokio::select! {
                ended = &mut serving => return serve_result(ended),
                failure = Envoy::ended(envoy) => Err(failure),
                () = signals::shutdown_or_hangup() => Ok(()),
            },
            Err(failure) => Err(failure),
        },
    };
    drop(stop);
    serve_result(serving.await)?;
    drop(flush);
    result
}

fn settings(args: &DevArgs, folder: &Path, root: &Secret) -> Result<Settings, CliError> {
    let database = format!("sqlite://{}/latchkey.db?mode=rwc", folder.display());
    let flags = [
        ("database_url", database),
        ("root_key", root.0.clone()),
        ("shutdown_delay", "0s".to_owned()),
        ("shutdown_timeout", "2s".to_owned()),
    ];
    let mut flags: BTreeMap<String, String> = flags.map(|(key, value)| (key.to_owned(), value)).into();
    for (key, address) in [("grpc_addr", args.grpc_addr), ("http_addr", args.http_addr)] {
        flags.extend(address.map(|address| (key.to_owned(), address.to_string())));
    }
    let sources = ConfigSources::from_allowed_variables(&VARIABLES, flags, ("log", "warn"));
    load_settings(&sources).map_err(|error| CliError::Usage(error.to_string()))
}

type ServerTask = JoinHandle<Result<(), ServeError>>;

fn start(server: Server, stopped: oneshot::Receiver<()>) -> ServerTask {
    #[expect(clippy::disallowed_methods, reason = "it is waited for at the end of `run`")]
    tokio::spawn(server.run(async move { drop(stopped.await) }))
}

fn serve_result(ended: Result<Result<(), ServeError>, tokio::task::JoinError>) -> Result<(), CliError> {
    match ended {
        Ok(result) => result.map_err(|error| local(&error)),
        Err(error) => Err(CliError::Local(error.to_string())),
    }
}

fn local(error: &ServeError) -> CliError {
    let hint = match error {
        ServeError::Bind { .. } => "; choose others with --grpc-addr and --http-addr",
        _ => "",
    };
    CliError::Local(format!("{error}{hint}"))
}

async fn front(args: &DevArgs, folder: &Path, grpc: SocketAddr) -> Result<Option<Envoy>, CliError> {
    if !args.envoy {
        return Ok(None);
    }
    let echo = echo::start(args.echo_addr).await?;
    let envoy = Envoy::start(args, folder, grpc, echo).await?;
    Ok(Some(envoy))
}
