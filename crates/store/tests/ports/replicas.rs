//! Who decides by memory, and how far each has come.

use std::time::Duration;

use latchkey_core::ports::{Replica, Replicas};

use crate::place::Place;

on_both![
    a_replica_that_holds_and_is_behind_is_counted,
    a_replica_that_left_or_whose_time_ran_out_is_not,
    a_replica_is_not_behind_itself,
];

const LONG: Duration = Duration::from_mins(10);

fn replica(id: &str) -> Replica {
    Replica { id: id.into(), name: "127.0.0.1:50051".into() }
}

async fn a_replica_that_holds_and_is_behind_is_counted(place: Place) {
    let (one, two, three) = (replica("1"), replica("2"), replica("3"));
    place.store.report(&one, 5, LONG).await.unwrap();
    place.store.report(&two, 7, LONG).await.unwrap();
    assert_eq!(place.store.behind(&three, 5).await.unwrap(), 0);
    assert_eq!(place.store.behind(&three, 6).await.unwrap(), 1);
    assert_eq!(place.store.behind(&three, 8).await.unwrap(), 2);
    place.store.advance(&one, 8).await.unwrap();
    assert_eq!(place.store.behind(&three, 8).await.unwrap(), 1);
}

async fn a_replica_that_left_or_whose_time_ran_out_is_not(place: Place) {
    let (one, two, three) = (replica("1"), replica("2"), replica("3"));
    place.store.report(&one, 5, LONG).await.unwrap();
    place.store.report(&two, 5, Duration::ZERO).await.unwrap();
    assert_eq!(place.store.behind(&three, 6).await.unwrap(), 1);
    place.store.leave(&one).await.unwrap();
    assert_eq!(place.store.behind(&three, 6).await.unwrap(), 0);
    place.store.report(&two, 5, LONG).await.unwrap();
    assert_eq!(place.store.behind(&three, 6).await.unwrap(), 1, "it is back");
}

async fn a_replica_is_not_behind_itself(place: Place) {
    place.store.report(&replica("1"), 5, LONG).await.unwrap();
    assert_eq!(place.store.behind(&replica("1"), 6).await.unwrap(), 0);
}
