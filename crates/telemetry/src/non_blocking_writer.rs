//! Writer of lines that never waits for their reader, for the program's log and for the decision log: the bounded queue
//! and the thread of `tracing-appender`. If the queue is full or a line cannot be written, the line is dropped and
//! counted, and the count is written when there is room again. The drawback: the last lines before a SIGKILL may be lost.
//!
//! A layer of this module keeps what the library does not do: it counts lines that could not be written, ends a partly
//! written line before the next one, writes the number of dropped lines into the log, and flushes at any time. The
//! library flushes once, when its guard is dropped, and then may print to standard output, where a decision log can be.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder};
use tracing_subscriber::fmt::MakeWriter;

const QUEUE_LENGTH: usize = 8 * 1024;
/// Maximum time that a flush waits for a log that may hang.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between two looks at the lines that a flush waits for.
const FLUSH_DELAY: Duration = Duration::from_millis(10);

/// Dropped lines of the program's log.
static DROPPED: DroppedLines = DroppedLines::new();

/// Returns the number of lines of the program's log dropped since the process's start.
pub(crate) fn dropped() -> u64 {
    DROPPED.total()
}

/// Counts of all writers of one log since the process's start.
pub(crate) struct DroppedLines(Mutex<Vec<Arc<LineCounts>>>);

impl DroppedLines {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Returns the number of dropped lines.
    pub(crate) fn total(&self) -> u64 {
        let writers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writers.iter().map(|counts| counts.dropped()).sum()
    }
}

/// Counts of one writer's lines.
#[derive(Default)]
struct LineCounts {
    /// Lines that the writer was given.
    given: AtomicU64,
    /// Lines that left the queue, written or not.
    taken: AtomicU64,
    /// Lines that left the queue and could not be written.
    unwritten: AtomicU64,
    /// The library's count of lines that did not fit into the queue.
    not_queued: OnceLock<ErrorCounter>,
}

impl LineCounts {
    fn not_queued(&self) -> u64 {
        self.not_queued.get().map_or(0, |counter| counter.dropped_lines() as u64)
    }

    fn dropped(&self) -> u64 {
        self.not_queued() + self.unwritten.load(Ordering::Relaxed)
    }
}

/// Function that returns the line for a number of dropped lines.
type DroppedNotice = fn(u64) -> String;

/// Queue of lines. Each `write` is one line, since `tracing_subscriber::fmt` writes whole lines.
#[derive(Clone)]
pub(crate) struct NonBlockingWriter {
    queue: NonBlocking,
    counts: Arc<LineCounts>,
}

/// Guard that writes the queued lines when it is dropped, within a second.
pub struct FlushGuard(NonBlockingWriter);

impl NonBlockingWriter {
    /// Starts the thread that writes the program's log to `out`.
    pub(super) fn for_process_log(out: impl Write + Send + 'static) -> (Self, FlushGuard) {
        let notice = |lost| format!("{{\"level\":\"WARN\",\"message\":\"{lost} log lines were dropped\"}}\n");
        let lines = Self::spawn("log", out, notice, &DROPPED);
        (lines.clone(), FlushGuard(lines))
    }

    /// Starts a thread that writes lines to `out` until the process ends; its counts are added to `all`.
    pub(super) fn spawn(
        name: &str,
        out: impl Write + Send + 'static,
        notice: DroppedNotice,
        all: &'static DroppedLines,
    ) -> Self {
        let counts = Arc::<LineCounts>::default();
        let out = WholeLines { out, incomplete: false, reported: 0, notice, counts: counts.clone() };
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE_LENGTH);
        let (queue, guard) = builder.thread_name(name).finish(out);
        // `flush_queue` takes the guard's place; see the documentation of this module.
        std::mem::forget(guard);
        let _: Result<(), _> = counts.not_queued.set(queue.error_counter());
        all.0.lock().unwrap_or_else(PoisonError::into_inner).push(counts.clone());
        Self { queue, counts }
    }

    /// Queues a line, including its line end.
    pub(super) fn write_line(&self, line: &[u8]) {
        self.counts.given.fetch_add(1, Ordering::Relaxed);
        // The queue returns no error: it counts the line as dropped.
        let _: io::Result<()> = self.queue.clone().write_all(line);
    }

    /// Waits until the queued lines are written, for at most a second.
    pub(super) fn flush_queue(&self) {
        let given = self.counts.given.load(Ordering::Relaxed);
        let done = || self.counts.taken.load(Ordering::Acquire) + self.counts.not_queued() >= given;
        let mut remaining = FLUSH_TIMEOUT;
        while !done() && !remaining.is_zero() {
            thread::sleep(FLUSH_DELAY);
            remaining = remaining.saturating_sub(FLUSH_DELAY);
        }
    }
}

/// Output of the thread: writes each line whole or counts it as dropped.
struct WholeLines<W> {
    out: W,
    /// True after a partly written line: a line end is written before the next line.
    incomplete: bool,
    /// Number of dropped lines that the log mentions.
    reported: u64,
    notice: DroppedNotice,
    counts: Arc<LineCounts>,
}

impl<W: Write> WholeLines<W> {
    /// Writes a line, and returns whether all of it was written.
    fn write_whole(&mut self, line: &[u8]) -> bool {
        let begun = if self.incomplete { self.out.write_all(b"\n") } else { Ok(()) };
        self.incomplete = begun.and_then(|()| self.out.write_all(line)).is_err();
        !self.incomplete
    }
}

impl<W: Write> Write for WholeLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    /// Takes a line from the queue. A log that cannot be written has no place to report that, so this returns no error.
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        if !self.write_whole(line) {
            self.counts.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        let dropped = self.counts.dropped();
        if dropped > self.reported && self.write_whole((self.notice)(dropped - self.reported).as_bytes()) {
            self.reported = dropped;
        }
        let _: io::Result<()> = self.out.flush();
        self.counts.taken.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Write for NonBlockingWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for NonBlockingWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for FlushGuard {
    fn drop(&mut self) {
        self.0.flush_queue();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    /// Output whose writes hang until the gate is closed.
    struct HungOutput {
        gate: Receiver<()>,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for HungOutput {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // A dropped sender lets all writes pass.
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
        let (mut lines, flush) = NonBlockingWriter::for_process_log(HungOutput { gate, seen: seen.clone() });
        for _ in 0..QUEUE_LENGTH + 100 {
            lines.write_all(b"x\n").unwrap();
        }
        let dropped = lines.counts.dropped();
        assert!((99..=100).contains(&dropped), "{dropped}");
        drop(open);
        // The queue is full until the thread has caught up; then the flush goes through.
        while seen.lock().unwrap().len() < 2 * QUEUE_LENGTH {
            thread::yield_now();
        }
        drop(flush);
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        assert!(text.contains("log lines were dropped"), "the number of dropped lines is logged");
    }

    /// Output that accepts half of each write until it is repaired.
    struct FullDisk {
        repaired: Arc<std::sync::atomic::AtomicBool>,
        seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut seen = self.seen.lock().unwrap();
            let half = if self.repaired.load(Ordering::SeqCst) { bytes.len() } else { bytes.len() / 2 };
            seen.extend_from_slice(&bytes[..half]);
            if half == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(half) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn dropped_lines_are_reported_later_and_corrupt_no_other_line() {
        static ALL: DroppedLines = DroppedLines::new();
        let repaired = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let full = FullDisk { repaired: repaired.clone(), seen: seen.clone() };
        let lines = NonBlockingWriter::spawn("test", full, |lost| format!("lost {lost}\n"), &ALL);
        lines.write_line(b"ab\n");
        lines.flush_queue();
        repaired.store(true, Ordering::SeqCst);
        lines.write_line(b"cd\n");
        lines.flush_queue();
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        assert_eq!(ALL.total(), 1);
        assert!(text.starts_with("ab\n") || text.contains("\ncd\n"), "{text:?}");
        assert!(text.ends_with("cd\nlost 1\n") || text.ends_with("lost 1\ncd\n"), "{text:?}");
    }
}
