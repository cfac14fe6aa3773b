//! `latchkey dev`: everything at once, on a database in a folder that is gone afterwards, and lines to paste.

mod demo;
mod echo;
mod envoy;
mod paste;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use latchkey_config::{Settings, Sources};
use latchkey_server::{ServeError, Server, Stage, first_key, load_settings, signals, start_log};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::args::{DevArgs, Secret};
use crate::exit::Failure;
use crate::output::{print, remark};
use envoy::Envoy;

/// What of the environment counts: a try should not serve a database that a shell's profile names.
const VARIABLES: [&str; 2] = ["RUST_LOG", "LATCHKEY_LOG_FORMAT"];

pub(super) async fn run(args: DevArgs) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("latchkey-dev-").tempdir()?;
    let root = Secret(first_key().map_err(|e| Failure::Local(e.to_string()))?.reveal().to_owned());
    let settings = settings(&args, folder.path(), &root)?;
    let flush = start_log(&settings.log);
    let server = Server::bind(settings).await.map_err(|error| local(&error))?;
    let grpc = server.grpc_address().unwrap_or(args.grpc_addr);
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stage = server.stage();
    let mut serving = start(server, stopped);
    let shown = async {
        // It may as well fail before it is ready; then `serving` tells why.
        drop(stage.wait_for(|stage| *stage == Stage::Ready).await);
        let demo = demo::make(grpc, &root).await?;
        print(&paste::calls(grpc, &root, &demo))?;
        let envoy = front(&args, folder.path(), grpc).await?;
        if let Some(envoy) = &envoy {
            print(&paste::curls(envoy.address, &demo))?;
        }
        remark("\nPress Ctrl-C to end; nothing is left behind.");
        Ok::<_, Failure>(envoy)
    };
    let result = tokio::select! {
        ended = &mut serving => return told(ended),
        () = signals::end() => Ok(()),
        shown = shown => match shown {
            Ok(envoy) => tokio::select! {
                ended = &mut serving => return told(ended),
                failure = Envoy::ended(envoy) => Err(failure),
                () = signals::end() => Ok(()),
            },
            Err(failure) => Err(failure),
        },
    };
    drop(stop);
    told(serving.await)?;
    drop(flush);
    result
}

fn settings(args: &DevArgs, folder: &Path, root: &Secret) -> Result<Settings, Failure> {
    let database = format!("sqlite://{}/latchkey.db?mode=rwc", folder.display());
    let flags = [
        ("grpc_addr", args.grpc_addr.to_string()),
        ("http_addr", args.http_addr.to_string()),
        ("database_url", database),
        ("root_key", root.0.clone()),
        ("drain_settle", "0s".to_owned()),
        ("drain_timeout", "2s".to_owned()),
    ];
    let flags: BTreeMap<String, String> = flags.map(|(key, value)| (key.to_owned(), value)).into();
    let sources = Sources::of_few_variables(&VARIABLES, flags, ("log", "warn"));
    load_settings(&sources).map_err(|error| Failure::Usage(error.to_string()))
}

type Serving = JoinHandle<Result<(), ServeError>>;

fn start(server: Server, stopped: oneshot::Receiver<()>) -> Serving {
    #[expect(clippy::disallowed_methods, reason = "it is waited for at the end of `run`")]
    tokio::spawn(server.run(async move { drop(stopped.await) }))
}

fn told(ended: Result<Result<(), ServeError>, tokio::task::JoinError>) -> Result<(), Failure> {
    match ended {
        Ok(result) => result.map_err(|error| local(&error)),
        Err(error) => Err(Failure::Local(error.to_string())),
    }
}

fn local(error: &ServeError) -> Failure {
    let hint = match error {
        ServeError::Port { .. } => "; choose others with --grpc-addr and --http-addr",
        _ => "",
    };
    Failure::Local(format!("{error}{hint}"))
}

async fn front(args: &DevArgs, folder: &Path, grpc: SocketAddr) -> Result<Option<Envoy>, Failure> {
    if !args.envoy {
        return Ok(None);
    }
    let echo = echo::start(args.echo_addr).await?;
    let envoy = Envoy::start(args, folder, grpc, echo).await?;
    Ok(Some(envoy))
}
