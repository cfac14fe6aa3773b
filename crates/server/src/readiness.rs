//! Readiness of the process, reported in four ways at once: gRPC health, `/readyz`, the flag that the services read,
//! and the log. The stages are starting, ready and draining, in this order; there is no way back. A process that is
//! ready can become unable to decide, and ready again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, watch};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Stage in the life of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not ready yet, with the reason in plain words.
    Starting(String),
    /// Ready for calls.
    Ready,
    /// Ready for calls with cached keys alone, with the reason in plain words. Health is serving, since all replicas have the
    /// same database: if each of them left, the calls with cached keys would fail, too.
    Limited(String),
    /// Unable to decide about calls at present, with the reason in plain words. Calls that arrive are answered, with an
    /// error.
    Unable(String),
    /// Finishes calls in flight before it ends.
    Draining,
}

impl Stage {
    /// Returns whether calls are to be sent to this process.
    pub(crate) fn is_serving(&self) -> bool {
        matches!(self, Self::Ready | Self::Limited(_))
    }
}

/// Part that an unable or limited process lacks. The first one that has a reason is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The lease of the cache: nothing can be decided.
    Lease,
    /// Look-ups: only about cached keys can be decided.
    Lookups,
}

/// Present stage, and its observers.
#[derive(Clone)]
pub(crate) struct Readiness {
    stage: Arc<watch::Sender<Stage>>,
    /// Reasons for which the process is unable or limited, one for each [`Lack`].
    reasons: Arc<Mutex<[Option<String>; 2]>>,
    /// Held while health is reported, so that the last report is that of the last stage.
    reporting: Arc<AsyncMutex<()>>,
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
            reasons: Arc::default(),
            reporting: Arc::default(),
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
            Stage::Starting(_) | Stage::Ready | Stage::Limited(_) | Stage::Unable(_) | Stage::Draining => {
                false
            }
        });
    }

    /// Sets the stage to ready, unless the process drains already.
    pub(crate) async fn set_ready(&self) {
        self.accepting.store(true, Ordering::Release);
        // Before the stage, so that health is serving for those that wait for the stage.
        if matches!(*self.stage.borrow(), Stage::Starting(_)) {
            let _alone = self.reporting.lock().await;
            self.report_health(ServingStatus::Serving).await;
        }
        self.stage.send_if_modified(|stage| {
            let starting = matches!(stage, Stage::Starting(_));
            if starting {
                *stage = Stage::Ready;
            }
            starting
        });
        self.update().await;
        self.report_stage().await;
    }

    /// Sets the stage to unable or limited, if the process is ready, or gives another reason for it.
    pub(crate) async fn set_lack(&self, lack: Lack, reason: String) {
        self.set_reason(lack, Some(reason));
        self.update().await;
    }

    /// Sets the stage back to ready, if the process lacks nothing else.
    pub(crate) async fn clear_lack(&self, lack: Lack) {
        self.set_reason(lack, None);
        self.update().await;
    }

    /// Sets the stage to draining.
    pub(crate) async fn set_draining(&self) {
        self.stage.send_replace(Stage::Draining);
        self.report_stage().await;
    }

    fn set_reason(&self, lack: Lack, reason: Option<String>) {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)[lack as usize] = reason;
    }

    /// Makes the stage of a process that has started follow the reasons.
    async fn update(&self) {
        let changed = {
            // Held until the stage is set, so that the stage follows the last reason.
            let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
            let next = match &*reasons {
                [Some(reason), _] => Stage::Unable(reason.clone()),
                [None, Some(reason)] => Stage::Limited(reason.clone()),
                [None, None] => Stage::Ready,
            };
            self.stage.send_if_modified(|stage| {
                let changed = !matches!(stage, Stage::Starting(_) | Stage::Draining) && *stage != next;
                if changed {
                    *stage = next;
                }
                changed
            })
        };
        if changed {
            self.report_stage().await;
        }
    }

    /// Reports the health of the present stage.
    async fn report_stage(&self) {
        let _alone = self.reporting.lock().await;
        let serving = self.stage.borrow().is_serving();
        self.report_health(if serving { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
    }

    async fn report_health(&self, status: ServingStatus) {
        for service in &*self.services {
            self.health.set_service_status(service, status).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn readiness() -> Readiness {
        let (reporter, _) = tonic_health::server::health_reporter();
        Readiness::new(reporter, vec!["latchkey.v1.CheckService".to_owned()]).await
    }

    fn stage(readiness: &Readiness) -> Stage {
        readiness.watch().borrow().clone()
    }

    #[tokio::test]
    async fn a_process_is_ready_again_once_it_lacks_nothing() {
        let readiness = readiness().await;
        readiness.set_ready().await;
        readiness.set_lack(Lack::Lookups, "refused".to_owned()).await;
        assert_eq!(stage(&readiness), Stage::Limited("refused".to_owned()));
        assert!(stage(&readiness).is_serving());
        readiness.set_lack(Lack::Lease, "no lease".to_owned()).await;
        assert_eq!(stage(&readiness), Stage::Unable("no lease".to_owned()), "it is about all keys");
        assert!(!stage(&readiness).is_serving());
        readiness.clear_lack(Lack::Lease).await;
        assert_eq!(stage(&readiness), Stage::Limited("refused".to_owned()));
        readiness.clear_lack(Lack::Lookups).await;
        assert_eq!(stage(&readiness), Stage::Ready);
    }

    #[tokio::test]
    async fn no_reason_changes_a_process_that_starts_or_drains() {
        let readiness = readiness().await;
        readiness.set_lack(Lack::Lease, "no lease".to_owned()).await;
        assert!(matches!(stage(&readiness), Stage::Starting(_)));
        readiness.set_ready().await;
        assert_eq!(stage(&readiness), Stage::Unable("no lease".to_owned()), "it is still lacking");
        readiness.set_draining().await;
        readiness.clear_lack(Lack::Lease).await;
        readiness.set_ready().await;
        assert_eq!(stage(&readiness), Stage::Draining);
    }
}
