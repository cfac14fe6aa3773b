//! Attacks on a port by the connection itself: silent and idle connections, streams that are opened and reset at once,
//! more streams than are offered, calls without an end, clients that do not read, and garbage. Each has a bound, and
//! well-behaved clients are served meanwhile. Frames are written by hand, since no library would send these. Each
//! attack ends by itself.

mod calls;
mod connections;
mod frames;
mod log;
mod streams;

use latchkey_proto::v1::{CheckRequest, Decision};
use latchkey_testing::{Latchkey, Setup};

async fn shop(setup: Setup) -> (Latchkey, String) {
    let latchkey = setup.shipped("demo").start();
    let operator = latchkey.operator();
    let _ = operator.tenant("acme", "demo", "").await;
    let (_, value) = operator.scoped_key("acme", &["things.read"]).await;
    (latchkey, value)
}

/// Returns whether a Check on a connection of its own is allowed. It is a dry run, which charges nothing.
async fn passes(latchkey: &Latchkey, key: &str) -> bool {
    let (method, path) = ("GET".to_owned(), "/things".to_owned());
    let ask =
        CheckRequest { credential: key.to_owned(), method, path, dry_run: true, ..CheckRequest::default() };
    latchkey.anonymous().check(ask).await.decision() == Decision::Allow
}
