//! Bound of the log lines that an unauthenticated client can cause. Libraries of HTTP/2 and TLS log errors of a peer,
//! which can occur a hundred thousand times a second. The lines of one place in the code (a cause) are therefore
//! bounded: the first is written, and then one line every two seconds with the number of those that were left out.
//!
//! The lines of Latchkey itself are bounded too where their targets say that peers or requests cause them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Targets of Latchkey whose lines are bounded.
const BOUNDED_TARGETS: [&str; 2] = ["latchkey::peers", "latchkey::internal"];
/// Least time between two lines of a cause.
const INTERVAL: Duration = Duration::from_secs(1);
/// Longest text of a cause in a line about it, in characters.
const MAX_TEXT: usize = 200;

/// Layer that leaves out the lines above the bound and counts them.
pub(crate) struct LogBound(Arc<Causes>);

/// Causes that had a line lately.
#[derive(Default)]
struct Causes {
    recent: Mutex<HashMap<Identifier, Cause>>,
    changed: Condvar,
}

/// Place in the code that logged a line lately.
struct Cause {
    target: &'static str,
    level: Level,
    /// Text of the line that was written.
    text: String,
    /// Number of lines since then that were left out.
    left_out: u64,
    /// True until the first tick after a line.
    just_written: bool,
}

impl LogBound {
    /// Starts the thread that writes the numbers of lines that were left out.
    pub(crate) fn start() -> io::Result<Self> {
        let causes = Arc::<Causes>::default();
        let counted = Arc::clone(&causes);
        let report = move || {
            loop {
                counted.wait();
                thread::sleep(INTERVAL);
                counted.tick().iter().for_each(write);
            }
        };
        thread::Builder::new().name("log-bound".to_owned()).spawn(report)?;
        Ok(Self(causes))
    }
}

impl<S: Subscriber> Layer<S> for LogBound {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        !is_bounded(event.metadata()) || self.0.admit(event)
    }
}

fn is_bounded(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    !target.starts_with("latchkey") || BOUNDED_TARGETS.contains(&target)
}

/// Line about those that were left out: target, level, text of the last written one, and number.
type Notice = (&'static str, Level, String, u64);

impl Causes {
    fn recent(&self) -> MutexGuard<'_, HashMap<Identifier, Cause>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true for a line to write, and counts any other one.
    fn admit(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        let mut recent = self.recent();
        if let Some(cause) = recent.get_mut(&metadata.callsite()) {
            cause.left_out += 1;
            return false;
        }
        let mut text = EventText(String::new());
        event.record(&mut text);
        let (target, level) = (metadata.target(), *metadata.level());
        let cause = Cause { target, level, text: text.0, left_out: 0, just_written: true };
        recent.insert(metadata.callsite(), cause);
        drop(recent);
        self.changed.notify_all();
        true
    }

    /// Waits for a cause.
    fn wait(&self) {
        let waited = self.changed.wait_while(self.recent(), |recent| recent.is_empty());
        drop(waited);
    }

    /// Forgets the causes that logged nothing more, and returns the lines about the others.
    fn tick(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        self.recent().retain(|_, cause| {
            if std::mem::take(&mut cause.just_written) {
                return true;
            }
            let left_out = std::mem::take(&mut cause.left_out);
            if left_out > 0 {
                cause.just_written = true;
                notices.push((cause.target, cause.level, cause.text.clone(), left_out));
            }
            left_out > 0
        });
        notices
    }
}

fn write((source, level, text, left_out): &Notice) {
    let message = "further log lines like the last one were left out";
    match *level {
        Level::ERROR => tracing::error!(target: "latchkey::log", source, last = text, left_out, "{message}"),
        Level::WARN => tracing::warn!(target: "latchkey::log", source, last = text, left_out, "{message}"),
        _ => tracing::info!(target: "latchkey::log", source, last = text, left_out, "{message}"),
    }
}

/// Message of an event, without its other fields.
struct EventText(String);

impl Visit for EventText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}").chars().take(MAX_TEXT).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::prelude::*;

    use super::*;

    /// Layer that counts the events that reach it.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<&'static str>>>);

    impl<S: Subscriber> Layer<S> for Written {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(event.metadata().target());
        }
    }

    fn library(ping: u32) {
        tracing::warn!(target: "h2", ping, "unexpected ping");
    }

    #[test]
    fn a_cause_has_one_line_and_then_a_count() {
        let (causes, written) = (Arc::<Causes>::default(), Written::default());
        let layers = tracing_subscriber::registry().with(LogBound(causes.clone())).with(written.clone());
        tracing::subscriber::with_default(layers, || {
            (0..100).for_each(library);
            tracing::warn!(target: "h2", "another cause");
            for _ in 0..3 {
                tracing::warn!(target: "latchkey::server", "a line of ours");
                tracing::warn!(target: "latchkey::peers", "a peer did something");
            }
        });
        let ours = "latchkey::server";
        assert_eq!(*written.0.lock().unwrap(), ["h2", "h2", ours, "latchkey::peers", ours, ours]);
        assert!(causes.tick().is_empty(), "a second has to pass first");
        let mut notices = causes.tick();
        notices.sort_unstable_by_key(|notice| notice.3);
        let numbers: Vec<_> = notices.iter().map(|(_, _, text, number)| (text.as_str(), *number)).collect();
        assert_eq!(numbers, [("a peer did something", 2), ("unexpected ping", 99)]);
        assert!(causes.tick().is_empty() && causes.tick().is_empty());
        assert!(causes.recent().is_empty(), "a cause that ended is forgotten");
    }
}
