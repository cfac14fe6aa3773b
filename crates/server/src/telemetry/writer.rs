//! Writes log lines without ever waiting for whoever reads them: a bounded queue and a thread of its own.
//! Where the queue is full, lines are dropped and counted, and the count is written once there is room.
//! The price: the last lines before a kill -9 may be lost.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

const QUEUE: usize = 8 * 1024;
/// How long the process's end waits for a log that may hang.
const FLUSH: Duration = Duration::from_secs(1);

/// Lines that were dropped since the process began: it has one log.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped since the process began.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Where lines are put. Each `write` is one line: that is how `fmt` hands them over.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

/// Writes out what is queued when it is dropped, within a second.
pub struct Flush(SyncSender<Message>);

impl Lines {
    /// Starts the thread that writes to `out`.
    pub(super) fn to(out: impl Write + Send + 'static) -> (Self, Flush) {
        let (queue, waiting) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let lines = Self { queue: queue.clone(), dropped: dropped.clone() };
        // Without a thread every line is dropped and counted; the service itself goes on.
        let thread = thread::Builder::new().name("log".to_owned());
        drop(thread.spawn(move || write_all(out, &waiting, &dropped)));
        (lines, Flush(queue))
    }
}

fn write_all(mut out: impl Write, waiting: &Receiver<Message>, dropped: &AtomicU64) {
    for message in waiting {
        // A log that can't be written has nowhere to say so.
        let _: io::Result<()> = match message {
            Message::Line(line) => out.write_all(&line),
            Message::Flush(done) => out.flush().map(|()| {
                // Whoever waited may have gone; then nobody needs to know.
                let _: Result<(), _> = done.try_send(());
            }),
        };
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _: io::Result<()> =
                writeln!(out, "{{\"level\":\"WARN\",\"message\":\"{lost} log lines were dropped\"}}");
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.queue.try_send(Message::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        if self.0.try_send(Message::Flush(done)).is_ok() {
            let _: Result<(), _> = written.recv_timeout(FLUSH);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Takes one line and then hangs until it is let go.
    struct Hung {
        gate: Receiver<()>,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Hung {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // A closed gate is an open one: the test has ended.
            let _: Result<(), _> = self.gate.recv();
            self.seen.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_hung_log_drops_and_counts_and_never_blocks() {
        let (open, gate) = sync_channel(0);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut lines, flush) = Lines::to(Hung { gate, seen: seen.clone() });
        for _ in 0..QUEUE + 100 {
            lines.write_all(b"x\n").unwrap();
        }
        let dropped = lines.dropped.load(Ordering::Relaxed);
        assert!((99..=100).contains(&dropped), "{dropped}");
        drop(open);
        // The queue is full until the thread has caught up; then the flush goes through.
        while seen.lock().unwrap().len() < 2 * QUEUE {
            thread::yield_now();
        }
        drop(flush);
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        assert!(text.contains("log lines were dropped"), "the loss is told");
    }
}
