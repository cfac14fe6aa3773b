//! Life of the process: binds the ports first, so that supervisors see that it is alive; starts in the background;
//! serves until shutdown; then finishes the calls in flight.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use latchkey_config::{DrainSettings, ListenAddress, Settings};
use latchkey_store::Store;
use latchkey_telemetry::Registry;
use latchkey_telemetry::otlp::OtlpExporter;
use latchkey_transport::{BoundPort, Listener, PortConfig, WorkerExited, WorkerSet};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::anchor::AuditAnchorWriter;
use crate::error::ServeError;
use crate::follower::Follower;
use crate::host_checks::HostMonitor;
use crate::ports::{HttpPort, bind_grpc_ports, bind_http_ports};
use crate::rate_limiter::RateLimiter;
use crate::readiness::{Readiness, Stage};
use crate::router::PortRouter;
use crate::startup::{Startup, StartupConflict};
use crate::supervisor::Supervisor;
use crate::usage::UsageFlusher;
use crate::{http_server, metric_sources, open_files, unused_input, wiring};

/// Serves until `shutdown` resolves, then finishes the calls in flight.
pub async fn serve(settings: Settings, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    Server::bind(settings).await?.run(shutdown).await
}

/// Process that has bound its ports and has not started yet.
pub struct Server {
    bound_ports: Vec<BoundPort<PortRouter<RateLimiter>>>,
    /// HTTP ports: the one of products, and the admin port if there is one.
    http: Vec<HttpPort>,
    workers: WorkerSet<PortRouter<RateLimiter>>,
    readiness: Readiness,
    startup: Startup,
    store: Arc<Store>,
    follower: Arc<Follower>,
    limiter: RateLimiter,
    /// Background writers of audit log anchors and key usage.
    writers: (Arc<AuditAnchorWriter>, Arc<UsageFlusher>),
    http_state: http_server::HttpState,
    telemetry: wiring::TelemetryHandles,
    host_monitor: HostMonitor,
    drain: DrainSettings,
}

impl Server {
    /// Checks everything that can be checked without the database, and binds the ports.
    pub async fn bind(mut settings: Settings) -> Result<Self, ServeError> {
        open_files::raise_limit(&mut settings);
        unused_input::warn(&settings);
        let (listen, drain, tls) = (settings.listen.clone(), settings.drain, settings.tls.clone());
        let parts = wiring::connect(settings).await?;
        let bound_ports = bind_grpc_ports(&parts.router, &listen, tls.as_ref())?;
        let http = bind_http_ports(&listen, tls.as_ref())?;
        let wiring::Parts {
            router: _,
            readiness,
            startup,
            store,
            follower,
            limiter,
            anchor_writer,
            usage_flusher,
            http_state,
            telemetry,
            host_monitor,
        } = parts;
        let listeners =
            bound_ports.iter().map(|bound| &bound.listener).chain(http.iter().map(|port| &port.listener));
        let stats = listeners.map(|listener| listener.stats().clone()).collect();
        telemetry.registry.register(metric_sources::connections(stats));
        let ports = bound_ports.iter().map(|bound| bound.port.clone()).collect();
        telemetry.registry.register(metric_sources::certificates(ports));
        let workers = WorkerSet::start(worker_count()).map_err(ServeError::ThreadSpawn)?;
        let writers = (anchor_writer, usage_flusher);
        let server = Self {
            bound_ports,
            http,
            workers,
            readiness,
            startup,
            store,
            follower,
            limiter,
            writers,
            http_state,
            telemetry,
            host_monitor,
            drain,
        };
        let management = server.bound_ports.get(1).map(|bound| address_text(&bound.listener));
        tracing::info!(
            grpc = server.bound_ports.first().map(|bound| address_text(&bound.listener)).unwrap_or_default(),
            management = management.unwrap_or_default(),
            http = server.http.first().map(|port| address_text(&port.listener)).unwrap_or_default(),
            "listening"
        );
        Ok(server)
    }

    /// Returns the TCP address of the gRPC port; `None` for a Unix socket.
    #[must_use]
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.bound_ports.first()?.listener.tcp_address()
    }

    /// Returns a receiver of the stage, to wait for readiness.
    #[must_use]
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.readiness.watch()
    }

    /// Starts, serves until `shutdown` resolves, and drains.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self {
            bound_ports,
            http,
            workers,
            readiness,
            startup,
            store,
            follower,
            limiter,
            writers: (anchor_writer, usage_flusher),
            http_state,
            telemetry: wiring::TelemetryHandles { registry, exporter, decisions },
            host_monitor,
            drain,
        } = self;
        let (stop, stopping) = watch::channel(false);
        // Dropped at the end of this function, which aborts the tasks.
        let (mut grpc_tasks, mut http_tasks) = (JoinSet::new(), JoinSet::new());
        let mut background_tasks = JoinSet::new();
        for BoundPort { port, .. } in bound_ports.clone() {
            background_tasks.spawn(watch_certificates(port));
        }
        grpc_tasks.spawn(workers.serve(bound_ports, http_server::is_true(stopping.clone())));
        for port in http {
            http_tasks.spawn(serve_http(port, http_state.clone(), stopping.clone()));
        }
        background_tasks.spawn(Supervisor::from_environment().follow(readiness.watch()));
        background_tasks.spawn(watch_host(host_monitor, readiness.clone()));
        background_tasks.spawn(receive_notifications(follower.clone()));
        background_tasks.spawn(maintain_limiter(limiter.clone()));
        background_tasks.spawn(write_anchors(anchor_writer.clone()));
        background_tasks.spawn(flush_usage(usage_flusher.clone()));
        background_tasks.spawn(export_telemetry(exporter.clone(), registry.clone()));
        background_tasks.spawn(async move { Box::pin(startup.run()).await.map(|never| match never {}) });
        tokio::select! {
            () = shutdown => {}
            Some(ended) = grpc_tasks.join_next() => return Err(exited_early(ended)),
            Some(ended) = http_tasks.join_next() => return Err(exited_early(ended)),
            Some(ended) = background_tasks.join_next() => return Err(exited_early(ended)),
        }
        tracing::info!("draining: calls in flight are finished, and clients are asked to reconnect");
        readiness.set_draining().await;
        sleep(drain.delay).await;
        // All ports are closed, and clients of the gRPC ports get GOAWAY.
        stop.send_replace(true);
        finish_calls(drain.timeout, &mut grpc_tasks, &mut http_tasks).await;
        background_tasks.shutdown().await;
        limiter.return_unused().await;
        follower.leave().await;
        anchor_writer.write_if_advanced(true).await;
        usage_flusher.flush_at_shutdown().await;
        if let Some(decisions) = decisions {
            decisions.shutdown();
        }
        if let Some(exporter) = exporter {
            exporter.shutdown(|| registry.snapshot()).await;
        }
        store.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Returns the address of a listener as the settings write it.
fn address_text(listener: &Listener) -> String {
    let unix = || listener.unix_path().map(|path| ListenAddress::Unix(path.to_owned()));
    let address = listener.tcp_address().map(ListenAddress::Tcp).or_else(unix);
    address.map(|address| address.to_string()).unwrap_or_default()
}

async fn serve_http(
    port: HttpPort,
    http_state: http_server::HttpState,
    stopping: watch::Receiver<bool>,
) -> Result<(), StartupConflict> {
    http_server::serve(port.listener, port.tls, http_state, port.paths, stopping).await;
    Ok(())
}

/// Waits until the calls in flight are finished, for at most `limit`. Then no call of an HTTP port is served any more.
async fn finish_calls(
    limit: Duration,
    grpc: &mut JoinSet<Result<(), WorkerExited>>,
    http: &mut JoinSet<Result<(), StartupConflict>>,
) {
    let finished = async {
        drop(grpc.join_next().await);
        while http.join_next().await.is_some() {}
    };
    if timeout(limit, finished).await.is_err() {
        tracing::warn!("some connections did not end within the shutdown timeout; they are closed");
    }
    http.shutdown().await;
}

async fn receive_notifications(follower: Arc<Follower>) -> Result<(), StartupConflict> {
    follower.receive_notifications().await;
    Ok(())
}

async fn watch_certificates(port: Arc<PortConfig<PortRouter<RateLimiter>>>) -> Result<(), StartupConflict> {
    port.watch_files().await;
    Ok(())
}

async fn watch_host(monitor: HostMonitor, readiness: Readiness) -> Result<(), StartupConflict> {
    tokio::join!(monitor.run(readiness.watch()), monitor.watch_lookups(&readiness));
    Ok(())
}

async fn maintain_limiter(limiter: RateLimiter) -> Result<(), StartupConflict> {
    limiter.maintain_connection().await;
    Ok(())
}

async fn write_anchors(anchor_writer: Arc<AuditAnchorWriter>) -> Result<(), StartupConflict> {
    anchor_writer.run().await;
    Ok(())
}

async fn flush_usage(usage_flusher: Arc<UsageFlusher>) -> Result<(), StartupConflict> {
    usage_flusher.run().await;
    Ok(())
}

async fn export_telemetry(
    exporter: Option<Arc<OtlpExporter>>,
    registry: Arc<Registry>,
) -> Result<(), StartupConflict> {
    match exporter {
        Some(exporter) => exporter.run(|| registry.snapshot()).await,
        None => std::future::pending().await,
    }
    Ok(())
}

/// Returns the error for a task that ended before shutdown. The process cannot continue without it.
fn exited_early<E: Into<ServeError>>(ended: Result<Result<(), E>, tokio::task::JoinError>) -> ServeError {
    match ended {
        Ok(Err(error)) => error.into(),
        Ok(Ok(())) => ServeError::TaskExited("the task returned".to_owned()),
        Err(error) => ServeError::TaskExited(error.to_string()),
    }
}

/// Returns the number of workers: one for each core.
pub(crate) fn worker_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
