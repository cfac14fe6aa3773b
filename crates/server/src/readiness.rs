//! Whether this process takes calls, said in four places at once: health over gRPC, `/readyz`, the flag that
//! the services look at, and the log. It starts, is ready, drains; it never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Where in its life the process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not ready yet, and what it waits for, in plain words.
    Starting(String),
    /// It takes calls.
    Ready,
    /// It finishes what it has.
    Draining,
}

/// The stage, and everyone who is told of it.
#[derive(Clone)]
pub(crate) struct Readiness {
    stage: Arc<watch::Sender<Stage>>,
    accepting: Arc<AtomicBool>,
    health: HealthReporter,
    services: Arc<[String]>,
}

impl Readiness {
    /// Starting; `services` are the names that health answers for, besides the whole.
    pub(crate) async fn new(health: HealthReporter, services: Vec<String>) -> Self {
        let (stage, _) = watch::channel(Stage::Starting("it has just started".to_owned()));
        let this = Self {
            stage: Arc::new(stage),
            accepting: Arc::default(),
            health,
            services: services.into_iter().chain([String::new()]).collect(),
        };
        this.report_health(ServingStatus::NotServing).await;
        this
    }

    /// The flag that the services look at: false until ready, and true to the end, since a call that
    /// arrives while draining is still answered.
    pub(crate) fn accepting(&self) -> Arc<AtomicBool> {
        self.accepting.clone()
    }

    /// To look at, or to wait on.
    pub(crate) fn watch(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Still starting, for this reason.
    pub(crate) fn set_waiting_for(&self, reason: String) {
        self.stage.send_if_modified(|stage| match stage {
            Stage::Starting(before) if *before != reason => {
                *before = reason;
                true
            }
            Stage::Starting(_) | Stage::Ready | Stage::Draining => false,
        });
    }

    /// Ready.
    pub(crate) async fn set_ready(&self) {
        self.accepting.store(true, Ordering::Release);
        self.report_health(ServingStatus::Serving).await;
        self.stage.send_replace(Stage::Ready);
    }

    /// Draining, from now on.
    pub(crate) async fn set_draining(&self) {
        self.stage.send_replace(Stage::Draining);
        self.report_health(ServingStatus::NotServing).await;
    }

    async fn report_health(&self, status: ServingStatus) {
        for service in &*self.services {
            self.health.set_service_status(service, status).await;
        }
    }
}
