//! Signals of the process. SIGTERM by a supervisor, SIGINT by a terminal and SIGQUIT end it; those that would end it by the
//! system's default only, such as SIGHUP by a log rotation or a closed terminal, have no effect but a line in the log.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that have no effect on a server.
const WITHOUT_EFFECT: [(&str, SignalKind); 4] = [
    ("SIGHUP", SignalKind::hangup()),
    ("SIGUSR1", SignalKind::user_defined1()),
    ("SIGUSR2", SignalKind::user_defined2()),
    ("SIGALRM", SignalKind::alarm()),
];

/// Takes their effect from all signals in [`WITHOUT_EFFECT`], and returns a future that logs each one and never ends.
pub fn ignore_others() -> impl Future<Output = Infallible> {
    // Tokio replaces the system's default when a receiver is made. Without a receiver, the default stays.
    let installed = |(name, kind)| Some((name, signal(kind).ok()?));
    log_all(WITHOUT_EFFECT.into_iter().filter_map(installed).collect())
}

async fn log_all(mut signals: Vec<(&'static str, Signal)>) -> Infallible {
    loop {
        log_ignored(next(&mut signals).await);
    }
}

/// Waits for the next signal, and returns its name.
async fn next(signals: &mut [(&'static str, Signal)]) -> &'static str {
    poll_fn(|context| {
        let ready = |(name, signal): &mut (&'static str, Signal)| {
            signal.poll_recv(context).is_ready().then_some(*name)
        };
        signals.iter_mut().find_map(ready).map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

fn log_ignored(signal: &'static str) {
    if signal == "SIGHUP" {
        tracing::info!(
            signal,
            "settings are read at the start alone: restart to change them; TLS files are read again, and files of logs are \
             opened again when they are moved"
        );
    } else {
        tracing::info!(signal, "the signal has no effect; SIGTERM, SIGINT and SIGQUIT end the process");
    }
}

/// Time within which a further signal is the first one again: `timeout` and other supervisors send one to the process
/// and another one to its group.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// Returns at the second of the signals that end the process, which asks for an end at once. If handlers cannot be
/// installed, it never returns.
pub async fn second_signal() {
    shutdown().await;
    tokio::time::sleep(SAME_SIGNAL).await;
    shutdown().await;
}

/// Ignores SIGXFSZ from now on, which would end the process at a write beyond the size limit of a file. The write fails
/// with an error then.
pub(crate) fn ignore_file_size_limit() {
    // Tokio replaces the system's default permanently, with or without a receiver.
    drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())));
}

/// Returns at the first signal that ends the process. If handlers cannot be installed, it never returns, and the signals
/// end the process by the system's default.
pub async fn shutdown() {
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut quit)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::quit()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = quit.recv() => {}
    }
}

/// Returns at the first signal that ends a process of a terminal: one that ends any process, or SIGHUP, which the end of the
/// terminal sends. If handlers cannot be installed, it never returns.
pub async fn shutdown_or_hangup() {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        () = shutdown() => {}
        _ = hangup.recv() => {}
    }
}
