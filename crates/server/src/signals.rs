//! What ends the process: SIGTERM from whoever runs it, SIGINT from whoever typed.

use tokio::signal::unix::{SignalKind, signal};

/// From now on SIGHUP ends nothing: whoever rotates logs sends it, and files are opened anew without.
pub(crate) fn ignore_sighup() {
    // The system's default is replaced for good, whoever listens.
    drop(signal(SignalKind::hangup()));
}

/// Returns at the first of the two. Where they can't be listened to, it never does, and they do what the
/// system does by default.
pub async fn shutdown() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
