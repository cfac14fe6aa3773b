//! The whole process: ports first, so that whoever watches it sees it alive; then the start, in the
//! background; then calls, until it is told to end; then what is in flight is finished.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use latchkey_store::Store;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::anchor::Keeper;
use crate::boot::{Boot, StartRefused};
use crate::cores::{CoreEnded, Cores, Door, Offers, Port};
use crate::documents::BadDocuments;
use crate::follower::Follower;
use crate::limits::Limits;
use crate::listen::Listener;
use crate::master_key::BadKeyFile;
use crate::readiness::{Readiness, Stage};
use crate::settings::{BadSettings, Drain, Listen, Settings, Tls};
use crate::telemetry::Decisions;
use crate::tls::{Acceptor, Files, Protocol};
use crate::usage::Recorder;
use crate::{side, wiring};

/// Why serving could not begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A profile beside the program is wrong.
    #[error(transparent)]
    Documents(#[from] BadDocuments),
    /// The master key can't be had.
    #[error(transparent)]
    MasterKey(#[from] BadKeyFile),
    /// A certificate, its key or a CA can't be used.
    #[error("{0}")]
    Tls(BadSettings),
    /// The database's address is wrong.
    #[error("database_url: {0}")]
    Database(#[from] latchkey_store::BadUrl),
    /// The file of the audit log's anchors can't be written.
    #[error("audit_anchor: the file can't be opened to be appended to: {0}")]
    Anchor(std::io::Error),
    /// The log of decisions can't be written.
    #[error("decision_log: the file can't be opened to be appended to: {0}")]
    Decisions(std::io::Error),
    /// Redis's address is wrong.
    #[error("redis_url: {0}")]
    Redis(#[from] latchkey_redis::BadUrl),
    /// A port is taken, or not ours to take.
    #[error("{setting}: {address} can't be listened on: {error}")]
    Port {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The system gave no threads.
    #[error("the system gave no threads: {0}")]
    Threads(std::io::Error),
    /// The system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Randomness(#[from] rand::rngs::SysError),
    /// The contract's own descriptors are spoiled.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// What is in the database contradicts what was asked for.
    #[error(transparent)]
    Refused(#[from] StartRefused),
    /// A thread that serves gRPC ended by itself.
    #[error(transparent)]
    Core(#[from] CoreEnded),
    /// A task ended that never should.
    #[error("a part of the process ended by itself: {0}")]
    Ended(String),
}

/// Serves until `shutdown`, then finishes what is in flight.
pub async fn serve(settings: Settings, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    Server::bind(settings).await?.run(shutdown).await
}

/// A process that listens and has not started yet.
pub struct Server {
    doors: Vec<Door>,
    http: (Arc<Listener>, Option<Arc<Acceptor>>),
    cores: Cores,
    readiness: Readiness,
    boot: Boot,
    store: Arc<Store>,
    follower: Arc<Follower>,
    limits: Limits,
    /// What is written down beside: anchors of the audit log, use of keys, decisions.
    books: (Arc<Keeper>, Arc<Recorder>, Option<Arc<Decisions>>),
    pages: side::Pages,
    drain: Drain,
}

impl Server {
    /// Checks what can be checked without the database, and listens.
    pub async fn bind(settings: Settings) -> Result<Self, ServeError> {
        if let Some(endpoint) = &settings.otlp {
            tracing::warn!(%endpoint, "exporting traces and metrics is not built yet: nothing is sent");
        }
        let (listen, drain, tls) = (settings.listen.clone(), settings.drain, settings.tls.clone());
        let parts = wiring::connect(settings).await?;
        let doors = doors(&listen, tls.as_ref()).await?;
        let http = bind("http_addr", listen.http, side::CONNECTIONS).await?;
        let side =
            tls.filter(|tls| tls.http).map(|tls| accepting(tls.side(), Protocol::Http1)).transpose()?;
        let http = (http, side.map(Arc::new));
        let wiring::Parts {
            front,
            readiness,
            boot,
            store,
            follower,
            limits,
            keeper,
            recorder,
            pages,
            gauges,
            decisions,
        } = parts;
        // Set once: nobody else binds ports.
        let _ = gauges.ports.set(doors.iter().map(|door| door.port.clone()).collect());
        let cores = Cores::start(cores(), &front).map_err(ServeError::Threads)?;
        let books = (keeper, recorder, decisions);
        let server =
            Self { doors, http, cores, readiness, boot, store, follower, limits, books, pages, drain };
        let shown = |address: Option<SocketAddr>| address.map(|a| a.to_string()).unwrap_or_default();
        let management = server.doors.get(1).and_then(|door| door.listener.address().ok());
        tracing::info!(
            grpc = shown(server.grpc_address()),
            management = shown(management),
            http = shown(server.http_address()),
            "listening"
        );
        Ok(server)
    }

    /// Where gRPC is served.
    #[must_use]
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.doors.first()?.listener.address().ok()
    }

    /// Where HTTP is served.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.0.address().ok()
    }

    /// To wait on until it is ready.
    #[must_use]
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.readiness.watch()
    }

    /// Starts, serves until `shutdown`, drains.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self { doors, http, cores, readiness, boot, store, follower, limits, books, pages, drain } = self;
        let (keeper, recorder, decisions) = books;
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move { drop(stopped.await) };
        // Dropped at the end of this function, and their tasks with them.
        let (mut calls, mut rest) = (JoinSet::new(), JoinSet::new());
        for Door { port, .. } in doors.clone() {
            rest.spawn(certificates(port));
        }
        calls.spawn(cores.serve(doors, stopped));
        rest.spawn(side(http.0, http.1, pages));
        rest.spawn(heard(follower.clone()));
        rest.spawn(kept(limits.clone()));
        rest.spawn(anchored(keeper.clone()));
        rest.spawn(recorded(recorder.clone()));
        rest.spawn(async move { boot.run().await.map(|never| match never {}) });
        tokio::select! {
            () = shutdown => {}
            Some(ended) = calls.join_next() => return Err(ended_early(ended)),
            Some(ended) = rest.join_next() => return Err(ended_early(ended)),
        }
        tracing::info!("draining: calls in flight are finished, and no new ones expected");
        readiness.drain().await;
        sleep(drain.settle).await;
        // Closing the port and telling clients to go elsewhere happen inside.
        drop(stop);
        if timeout(drain.finish, calls.join_next()).await.is_err() {
            tracing::warn!("some connections did not end in time; they are closed");
        }
        rest.shutdown().await;
        limits.give_back().await;
        follower.leave().await;
        keeper.look(true).await;
        recorder.end().await;
        if let Some(decisions) = decisions {
            decisions.end();
        }
        store.close().await;
        tracing::info!("ended");
        Ok(())
    }
}

async fn bind(
    setting: &'static str,
    address: SocketAddr,
    connections: usize,
) -> Result<Arc<Listener>, ServeError> {
    let bound = Listener::bind(address, connections).await;
    bound.map(Arc::new).map_err(|error| ServeError::Port { setting, address, error })
}

/// The gRPC port, and that of management where it has one of its own.
async fn doors(listen: &Listen, tls: Option<&Tls>) -> Result<Vec<Door>, ServeError> {
    let offers = if listen.management.is_some() { Offers::Checks } else { Offers::Everything };
    let door = |listener, offers, files: Option<Files>| {
        let tls = files.map(|files| accepting(files, Protocol::Http2)).transpose()?;
        Ok::<_, ServeError>(Door { listener, port: Arc::new(Port { offers, tls }) })
    };
    let grpc = bind("grpc_addr", listen.grpc, listen.connections).await?;
    let mut doors = vec![door(grpc, offers, tls.map(Tls::grpc))?];
    if let Some(address) = listen.management {
        let management = bind("management_addr", address, listen.connections).await?;
        doors.push(door(management, Offers::Management, tls.map(Tls::management))?);
    }
    Ok(doors)
}

fn accepting(files: Files, protocol: Protocol) -> Result<Acceptor, ServeError> {
    Acceptor::new(files, protocol).map_err(|problems| ServeError::Tls(BadSettings(problems)))
}

async fn side(
    listener: Arc<Listener>,
    tls: Option<Arc<Acceptor>>,
    pages: side::Pages,
) -> Result<(), StartRefused> {
    side::serve(listener, tls, pages).await;
    Ok(())
}

async fn heard(follower: Arc<Follower>) -> Result<(), StartRefused> {
    follower.listen().await;
    Ok(())
}

async fn certificates(port: Arc<Port>) -> Result<(), StartRefused> {
    port.keep().await;
    Ok(())
}

async fn kept(limits: Limits) -> Result<(), StartRefused> {
    limits.keep().await;
    Ok(())
}

async fn anchored(keeper: Arc<Keeper>) -> Result<(), StartRefused> {
    keeper.run().await;
    Ok(())
}

async fn recorded(recorder: Arc<Recorder>) -> Result<(), StartRefused> {
    recorder.run().await;
    Ok(())
}

/// No part ends before it is told to; if one does, the process can't be trusted to go on.
fn ended_early<E: Into<ServeError>>(ended: Result<Result<(), E>, tokio::task::JoinError>) -> ServeError {
    match ended {
        Ok(Err(error)) => error.into(),
        Ok(Ok(())) => ServeError::Ended("it returned".to_owned()),
        Err(error) => ServeError::Ended(error.to_string()),
    }
}

/// As many threads as there are cores.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
