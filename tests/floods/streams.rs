//! Streams that are opened and reset at once, and more streams than are offered.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use latchkey_testing::Setup;

use crate::frames::{
    CALM, Frame, GOAWAY, HEADERS, REFUSED, RESET, SETTINGS, WHOLE, call, frame, next, number, open,
};
use crate::{passes, shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resets_its_calls_is_cut_off_or_outlasted_and_others_are_answered() {
    let (latchkey, key) = shop(Setup::default()).await;
    let (port, over) = (latchkey.grpc(), Arc::new(AtomicBool::new(false)));
    let ends = Arc::clone(&over);
    let attacker = thread::spawn(move || {
        let mut opened = 0_u32;
        // A bound, so that the attack ends even if the test fails.
        for _ in 0..50 {
            let mut stream = open(port);
            for id in (1..10_000).step_by(2) {
                let pair = [frame(HEADERS, WHOLE, id, &call()), frame(RESET, 0, id, &8_u32.to_be_bytes())];
                if ends.load(Ordering::Relaxed) || stream.write_all(&pair.concat()).is_err() {
                    break;
                }
                opened += 1;
            }
        }
        opened
    });
    for _ in 0..100 {
        assert!(passes(&latchkey, &key).await);
    }
    over.store(true, Ordering::Relaxed);
    let opened = attacker.join().expect("the attacker ends");
    assert!(opened > 1_000, "only {opened} streams were opened");
    assert!(passes(&latchkey, &key).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_are_offered_are_refused_and_others_are_answered() {
    let (latchkey, key) = shop(Setup::default()).await;
    let mut stream = open(latchkey.grpc());
    let settings = next(&mut stream).expect("its settings");
    assert_eq!(settings.kind, SETTINGS);
    let settings = settings.payload;
    // SETTINGS_MAX_CONCURRENT_STREAMS is number 3.
    let offered = settings.chunks(6).find(|one| one[..2] == [0, 3]).map(|one| number(&one[2..]));
    assert_eq!(offered, Some(1_024));
    for n in 0..1_100 {
        let _cut_off = stream.write_all(&frame(HEADERS, WHOLE, 2 * n + 1, &call()));
    }
    let refused = loop {
        match next(&mut stream) {
            Some(Frame { kind: RESET, payload, .. }) => break number(&payload) == REFUSED,
            Some(Frame { kind: GOAWAY, payload, .. }) => break number(&payload[4..8]) == CALM,
            Some(_) => {}
            None => panic!("the connection ended without a word"),
        }
    };
    assert!(refused, "by the code that says so");
    assert!(passes(&latchkey, &key).await, "others are answered while the streams are open");
}
