//! Signals that end the process: SIGTERM by a supervisor, SIGINT by a terminal.

use tokio::signal::unix::{SignalKind, signal};

/// Ignores SIGHUP from now on: log rotation sends it, and files are reopened without it.
pub(crate) fn ignore_sighup() {
    // Tokio replaces the system's default permanently, with or without a receiver.
    drop(signal(SignalKind::hangup()));
}

/// Returns at the second of the two signals, which asks for an end at once. If handlers cannot be installed, it never
/// returns.
pub async fn second_signal() {
    shutdown().await;
    shutdown().await;
}

/// Ignores SIGXFSZ from now on, which would end the process at a write beyond the size limit of a file. The write fails
/// with an error then.
pub(crate) fn ignore_file_size_limit() {
    drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())));
}

/// Returns at the first of the two signals. If handlers cannot be installed, it never returns, and the signals end
/// the process by the system's default.
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
