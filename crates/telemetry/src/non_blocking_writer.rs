//! Writer of lines that never waits for their reader: a bounded queue and a dedicated thread, for the program's log and
//! for the decision log. If the queue is full or a line cannot be written, the line is dropped and counted, and the count
//! is written when there is room again. The drawback: the last lines before a SIGKILL may be lost.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

const QUEUE_LENGTH: usize = 8 * 1024;
/// Maximum time that a flush waits for a log that may hang.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between two attempts to put the flush into a full queue.
const RETRY_DELAY: Duration = Duration::from_millis(10);

/// Number of lines of the program's log dropped since the process's start.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Returns the number of lines of the program's log dropped since the process's start.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Counters of dropped lines.
#[derive(Clone)]
struct Dropped {
    /// Dropped lines that the log itself does not mention yet.
    unreported: Arc<AtomicU64>,
    all: &'static AtomicU64,
}

impl Dropped {
    fn add(&self) {
        self.unreported.fetch_add(1, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
    }
}

/// Function that returns the line for a number of dropped lines.
type DroppedNotice = fn(u64) -> String;

/// Queue of lines. Each `write` is one line, since `tracing_subscriber::fmt` writes whole lines.
#[derive(Clone)]
pub(crate) struct NonBlockingWriter {
    queue: SyncSender<Message>,
    dropped: Dropped,
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

    /// Starts a thread that writes lines to `out`; dropped lines are counted in `all` too.
    pub(super) fn spawn(
        name: &str,
        out: impl Write + Send + 'static,
        notice: DroppedNotice,
        all: &'static AtomicU64,
    ) -> Self {
        let (queue, queued) = sync_channel(QUEUE_LENGTH);
        let dropped = Dropped { unreported: Arc::default(), all };
        let lines = Self { queue, dropped: dropped.clone() };
        // If the thread cannot be started, every line is dropped and counted, and the service continues.
        let thread = thread::Builder::new().name(name.to_owned());
        drop(thread.spawn(move || write_all(out, &queued, &dropped, notice)));
        lines
    }

    /// Queues a line, including its line end.
    pub(super) fn write_line(&self, line: Vec<u8>) {
        match self.queue.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped.add(),
        }
    }

    /// Waits until the queued lines are written, for at most a second.
    pub(super) fn flush_queue(&self) {
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        let mut remaining = FLUSH_TIMEOUT;
        loop {
            message = match self.queue.try_send(message) {
                Ok(()) => {
                    let _: Result<(), _> = written.recv_timeout(remaining);
                    return;
                }
                Err(TrySendError::Full(message)) if remaining > RETRY_DELAY => message,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            };
            thread::sleep(RETRY_DELAY);
            remaining = remaining.saturating_sub(RETRY_DELAY);
        }
    }
}

fn write_all(mut out: impl Write, queued: &Receiver<Message>, dropped: &Dropped, notice: DroppedNotice) {
    // True after a partly written line: a line end is written before the next line.
    let mut incomplete = false;
    for message in queued {
        match message {
            Message::Line(line) => {
                if !write_whole(&mut out, &line, &mut incomplete) {
                    dropped.add();
                }
            }
            Message::Flush(done) => {
                // A log that cannot be written has no place to report that; the caller of the flush may have given up.
                let _: io::Result<()> = out.flush();
                let _: Result<(), _> = done.try_send(());
            }
        }
        let lost = dropped.unreported.swap(0, Ordering::Relaxed);
        if lost > 0 && !write_whole(&mut out, notice(lost).as_bytes(), &mut incomplete) {
            dropped.unreported.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

/// Writes a line, and returns whether all of it was written.
fn write_whole(out: &mut impl Write, line: &[u8], incomplete: &mut bool) -> bool {
    let begun = if *incomplete { out.write_all(b"\n") } else { Ok(()) };
    *incomplete = begun.and_then(|()| out.write_all(line)).is_err();
    !*incomplete
}

impl Write for NonBlockingWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_line(line.to_vec());
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
    use std::sync::Mutex;

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
        let dropped = lines.dropped.unreported.load(Ordering::Relaxed);
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
        static ALL: AtomicU64 = AtomicU64::new(0);
        let repaired = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let full = FullDisk { repaired: repaired.clone(), seen: seen.clone() };
        let lines = NonBlockingWriter::spawn("test", full, |lost| format!("lost {lost}\n"), &ALL);
        lines.write_line(b"ab\n".to_vec());
        lines.flush_queue();
        repaired.store(true, Ordering::SeqCst);
        lines.write_line(b"cd\n".to_vec());
        lines.flush_queue();
        let text = String::from_utf8(seen.lock().unwrap().clone()).unwrap();
        assert_eq!(ALL.load(Ordering::Relaxed), 1);
        assert!(text.starts_with("ab\n") || text.contains("\ncd\n"), "{text:?}");
        assert!(text.ends_with("cd\nlost 1\n") || text.ends_with("lost 1\ncd\n"), "{text:?}");
    }
}
