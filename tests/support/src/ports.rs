//! Free ports on loopback, from below the range that the kernel gives to outgoing connections, so that no
//! outgoing connection takes a port before it is used.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u16 = 11_000;
const COUNT: u32 = 20_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Returns a port that nothing listens on now. This process returns each port once.
#[must_use]
pub fn free_port() -> u16 {
    // Test processes that run at the same time begin at different ports.
    let start = std::process::id().wrapping_mul(7_919);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = start.wrapping_add(step) % COUNT;
        let port = FIRST + u16::try_from(offset).expect("less than the count");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on loopback");
}

/// Returns the number of bytes that arrived on connections to a port on loopback and that its process has not
/// read yet.
#[must_use]
pub fn unread(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel lists its connections");
    let local = format!("0100007F:{port:04X}");
    let queued = table.lines().filter_map(|line| {
        // Number, local and remote address, state (01: established), and the two queues as TX:RX; proc_pid_net(5).
        let mut words = line.split_whitespace().skip(1);
        let here = words.next()? == local;
        let (_, received) = words.nth(2)?.split_once(':')?;
        here.then(|| u64::from_str_radix(received, 16).ok()).flatten()
    });
    queued.sum()
}
