//! Readiness of the process, reported in four ways at once: gRPC health, `/readyz`, the flag that the services read,
//! and the log. The stages are starting, ready and draining, in this order; there is no way back. A process that is
//! ready can become unable to decide, and ready again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Stage in the life of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not ready yet, with the reason in plain words.
    Starting(String),
    /// Ready for calls.
    Ready,
    /// Unable to decide about calls at present, with the reason in plain words. Calls that arrive are answered, with an
    /// error.
    Unable(String),
    /// Finishes calls in flight before it ends.
    Draining,
}

/// Present stage, and its observers.
#[derive(Clone)]
pub(crate) struct Readiness {
    stage: Arc<watch::Sender<Stage>>,
    accepting: Arc<AtomicBool>,
    health: HealthReporter,
    services: Arc<[String]>,
}

impl Readiness {
    /// Makes a readiness at the stage `Starting`; `services` are the names whose health is reported, besides the
    /// server as a whole.
    pub(crate) async fn new(health: HealthReporter, services: Vec<String>) -> Self {
        let (stage, _) = watch::channel(Stage::Starting("the process has just started".to_owned()));
        let this = Self {
            stage: Arc::new(stage),
            accepting: Arc::default(),
            health,
            services: services.into_iter().chain([String::new()]).collect(),
        };
        this.report_health(ServingStatus::NotServing).await;
        this
    }

    /// Returns the flag that the services read: false until ready, then true to the end, since a call that arrives
    /// while draining is still served.
    pub(crate) fn accepting(&self) -> Arc<AtomicBool> {
        self.accepting.clone()
    }

    /// Returns a receiver of the stage.
    pub(crate) fn watch(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Sets the reason for which the process is not ready yet. Has no effect after `Starting`.
    pub(crate) fn set_waiting_for(&self, reason: String) {
        self.stage.send_if_modified(|stage| match stage {
            Stage::Starting(before) if *before != reason => {
                *before = reason;
                true
            }
            Stage::Starting(_) | Stage::Ready | Stage::Unable(_) | Stage::Draining => false,
        });
    }

    /// Sets the stage to ready.
    pub(crate) async fn set_ready(&self) {
        self.accepting.store(true, Ordering::Release);
        self.report_health(ServingStatus::Serving).await;
        self.stage.send_replace(Stage::Ready);
    }

    /// Sets the stage to unable, if the process is ready, or gives another reason for it.
    pub(crate) async fn set_unable(&self, reason: String) {
        let changed = self.stage.send_if_modified(|stage| match stage {
            Stage::Unable(before) if *before == reason => false,
            Stage::Ready | Stage::Unable(_) => {
                *stage = Stage::Unable(reason);
                true
            }
            Stage::Starting(_) | Stage::Draining => false,
        });
        if changed {
            self.report_health(ServingStatus::NotServing).await;
        }
    }

    /// Sets the stage back to ready, if the process was unable.
    pub(crate) async fn set_able(&self) {
        let changed = self.stage.send_if_modified(|stage| {
            let unable = matches!(stage, Stage::Unable(_));
            if unable {
                *stage = Stage::Ready;
            }
            unable
        });
        if changed {
            self.report_health(ServingStatus::Serving).await;
        }
    }

    /// Sets the stage to draining.
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
