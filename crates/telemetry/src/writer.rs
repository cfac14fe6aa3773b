//! Writes lines without ever waiting for whoever reads them: a bounded queue and a thread of its own, for the
//! program's log and for the log of decisions. Where the queue is full, or a line can't be written, it is dropped
//! and counted, and the count is written once there is room. The price: the last lines before a kill -9 may be lost.

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
/// Between two tries to get into a queue that is full at the end.
const TRY: Duration = Duration::from_millis(10);

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

/// How many lines were dropped.
#[derive(Clone)]
struct Dropped {
    /// And not told of in the log itself yet.
    untold: Arc<AtomicU64>,
    all: &'static AtomicU64,
}

impl Dropped {
    fn one(&self) {
        self.untold.fetch_add(1, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
    }
}

/// How a log says that lines are missing from it: so many, as a line.
type Told = fn(u64) -> String;

/// Where lines are put. Each `write` is one line: that is how `fmt` hands them over.
#[derive(Clone)]
pub(crate) struct Lines {
    queue: SyncSender<Message>,
    dropped: Dropped,
}

/// Writes out what is queued when it is dropped, within a second.
pub struct Flush(Lines);

impl Lines {
    /// The program's log: starts the thread that writes to `out`.
    pub(super) fn to(out: impl Write + Send + 'static) -> (Self, Flush) {
        let told = |lost| format!("{{\"level\":\"WARN\",\"message\":\"{lost} log lines were dropped\"}}\n");
        let lines = Self::named("log", out, told, &DROPPED);
        (lines.clone(), Flush(lines))
    }

    /// The same for another log; what it drops is counted in `all` too.
    pub(super) fn named(
        name: &str,
        out: impl Write + Send + 'static,
        told: Told,
        all: &'static AtomicU64,
    ) -> Self {
        let (queue, waiting) = sync_channel(QUEUE);
        let dropped = Dropped { untold: Arc::default(), all };
        let lines = Self { queue, dropped: dropped.clone() };
        // Without a thread every line is dropped and counted; the service itself goes on.
        let thread = thread::Builder::new().name(name.to_owned());
        drop(thread.spawn(move || write_all(out, &waiting, (&dropped, told))));
        lines
    }

    /// Hands a line over, its end included.
    pub(super) fn put(&self, line: Vec<u8>) {
        match self.queue.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped.one(),
        }
    }

    /// Waits until what is queued is written, a second at most.
    pub(super) fn settle(&self) {
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        let mut left = FLUSH;
        loop {
            message = match self.queue.try_send(message) {
                Ok(()) => {
                    let _: Result<(), _> = written.recv_timeout(left);
                    return;
                }
                Err(TrySendError::Full(message)) if left > TRY => message,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            };
            thread::sleep(TRY);
            left = left.saturating_sub(TRY);
        }
    }
}

fn write_all(mut out: impl Write, waiting: &Receiver<Message>, (dropped, told): (&Dropped, Told)) {
    // Whether a line was cut off: the next one begins anew.
    let mut torn = false;
    for message in waiting {
        match message {
            Message::Line(line) => {
                if !written(&mut out, &line, &mut torn) {
                    dropped.one();
                }
            }
            Message::Flush(done) => {
                // A log that can't be written has nowhere to say so; and whoever waited may have gone.
                let _: io::Result<()> = out.flush();
                let _: Result<(), _> = done.try_send(());
            }
        }
        let lost = dropped.untold.swap(0, Ordering::Relaxed);
        if lost > 0 && !written(&mut out, told(lost).as_bytes(), &mut torn) {
            dropped.untold.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

/// Writes a line, and answers whether it is whole.
fn written(out: &mut impl Write, line: &[u8], torn: &mut bool) -> bool {
    let begun = if *torn { out.write_all(b"\n") } else { Ok(()) };
    *torn = begun.and_then(|()| out.write_all(line)).is_err();
    !*torn
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
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
        self.0.settle();
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
        let dropped = lines.dropped.untold.load(Ordering::Relaxed);
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

    /// Takes half a line, then nothing until it is mended.
    struct Full {
        mended: Arc<std::sync::atomic::AtomicBool>,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut seen = self.seen.lock().unwrap();
            let half = if self.mended.load(Ordering::SeqCst) { bytes.len() } else { bytes.len() / 2 };
            seen.extend_from_slice(&bytes[..half]);
            if half == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(half) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_can_not_be_written_is_told_of_once_it_can_and_spoils_no_other_line() {
        static ALL: AtomicU64 = AtomicU64::new(0);
        let mended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let full = Full { mended: mended.clone(), seen: seen.clone() };
        let lines = Lines::named("test", full, |lost| format!("lost {lost}\n"), &ALL);
        lines.put(b"ab\n".to_vec());
        lines.settle();
        mended.store(true, Ordering::SeqCst);
        lines.put(b"cd\n".to_vec());
        lines.settle();
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        assert_eq!(ALL.load(Ordering::Relaxed), 1);
        assert!(text.starts_with("ab\n") || text.contains("\ncd\n"), "{text:?}");
        assert!(text.ends_with("cd\nlost 1\n") || text.ends_with("lost 1\ncd\n"), "{text:?}");
    }
}
