//! The whole process: ports first, so that whoever watches it sees it alive; then the start, in the
//! background; then calls, until it is told to end; then what is in flight is finished.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use latchkey_config::{BadSettings, Drain, Listen, Settings, Tls};
use latchkey_store::Store;
use latchkey_telemetry::Registry;
use latchkey_telemetry::otlp::Shipper;
use latchkey_transport::tls::{Acceptor, Files, Protocol};
use latchkey_transport::{Cores, Door, Listener, Port};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::anchor::Keeper;
use crate::boot::{Boot, StartRefused};
use crate::clock::SystemClock;
use crate::error::ServeError;
use crate::follower::Follower;
use crate::front::{Front, PortFront};
use crate::limits::Limits;
use crate::offers::Offers;
use crate::readiness::{Readiness, Stage};
use crate::settings::tls as files;
use crate::usage::Recorder;
use crate::{gauges, side, wiring};

/// Serves until `shutdown`, then finishes what is in flight.
pub async fn serve(settings: Settings, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    Server::bind(settings).await?.run(shutdown).await
}

/// A process that listens and has not started yet.
pub struct Server {
    doors: Vec<Door<PortFront<Limits>>>,
    http: (Arc<Listener>, Option<Arc<Acceptor>>),
    cores: Cores<PortFront<Limits>>,
    readiness: Readiness,
    boot: Boot,
    store: Arc<Store>,
    follower: Arc<Follower>,
    limits: Limits,
    /// What is written down beside: anchors of the audit log, and use of keys.
    books: (Arc<Keeper>, Arc<Recorder>),
    pages: side::Pages,
    telemetry: wiring::Telemetry,
    drain: Drain,
}

impl Server {
    /// Checks what can be checked without the database, and listens.
    pub async fn bind(settings: Settings) -> Result<Self, ServeError> {
        let (listen, drain, tls) = (settings.listen.clone(), settings.drain, settings.tls.clone());
        let parts = wiring::connect(settings).await?;
        let doors = doors(&parts.front, &listen, tls.as_ref()).await?;
        let http = bind("http_addr", listen.http, side::CONNECTIONS).await?;
        let side = tls
            .filter(|tls| tls.http)
            .map(|tls| accepting(files::side(&tls), Protocol::Http1))
            .transpose()?;
        let http = (http, side.map(Arc::new));
        let wiring::Parts {
            front: _,
            readiness,
            boot,
            store,
            follower,
            limits,
            keeper,
            recorder,
            pages,
            telemetry,
        } = parts;
        let listeners = doors.iter().map(|door| &door.listener).chain([&http.0]);
        let visits = listeners.map(|listener| listener.visits().clone()).collect();
        telemetry.registry.register(gauges::visits(visits));
        let ports = doors.iter().map(|door| door.port.clone()).collect();
        telemetry.registry.register(gauges::certificates(ports));
        let cores = Cores::start(cores()).map_err(ServeError::Threads)?;
        let books = (keeper, recorder);
        let server = Self {
            doors,
            http,
            cores,
            readiness,
            boot,
            store,
            follower,
            limits,
            books,
            pages,
            telemetry,
            drain,
        };
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
        let Self {
            doors,
            http,
            cores,
            readiness,
            boot,
            store,
            follower,
            limits,
            books,
            pages,
            telemetry,
            drain,
        } = self;
        let (keeper, recorder) = books;
        let wiring::Telemetry { registry, shipper, decisions } = telemetry;
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
        rest.spawn(shipped(shipper.clone(), registry.clone()));
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
        if let Some(shipper) = shipper {
            shipper.end(|| registry.sheet()).await;
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
    let name = setting.trim_end_matches("_addr");
    let bound = Listener::bind(name, address, connections).await;
    bound.map(Arc::new).map_err(|error| ServeError::Port { setting, address, error })
}

/// The gRPC port, and that of management where it has one of its own.
async fn doors(
    front: &Arc<Front<Limits>>,
    listen: &Listen,
    tls: Option<&Tls>,
) -> Result<Vec<Door<PortFront<Limits>>>, ServeError> {
    let offers = if listen.management.is_some() { Offers::Checks } else { Offers::Everything };
    let door = |listener, offers, files: Option<Files>| {
        let tls = files.map(|files| accepting(files, Protocol::Http2)).transpose()?;
        let service = PortFront { front: Arc::clone(front), offers };
        Ok::<_, ServeError>(Door { listener, port: Arc::new(Port { service, tls }) })
    };
    let grpc = bind("grpc_addr", listen.grpc, listen.connections).await?;
    let mut doors = vec![door(grpc, offers, tls.map(files::grpc))?];
    if let Some(address) = listen.management {
        let management = bind("management_addr", address, listen.connections).await?;
        doors.push(door(management, Offers::Management, tls.map(files::management))?);
    }
    Ok(doors)
}

fn accepting(given: Files, protocol: Protocol) -> Result<Acceptor, ServeError> {
    let wrong = |problems: Vec<_>| BadSettings(problems.into_iter().map(files::problem).collect());
    Acceptor::new(given, protocol, Arc::new(SystemClock)).map_err(|problems| ServeError::Tls(wrong(problems)))
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

async fn certificates(port: Arc<Port<PortFront<Limits>>>) -> Result<(), StartRefused> {
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

async fn shipped(shipper: Option<Arc<Shipper>>, registry: Arc<Registry>) -> Result<(), StartRefused> {
    match shipper {
        Some(shipper) => shipper.run(|| registry.sheet()).await,
        None => std::future::pending().await,
    }
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
