//! Heartbeats of replicas: leases and applied revisions.

use std::time::Duration;

use latchkey_core::ports::{Replica, Replicas};

use crate::database::TestDatabase;

on_both![
    a_replica_that_holds_and_is_behind_is_counted,
    a_replica_that_left_or_whose_time_ran_out_is_not,
    a_replica_is_not_behind_itself,
];

const LONG: Duration = Duration::from_mins(10);

fn replica(id: &str) -> Replica {
    Replica { id: id.into(), name: "127.0.0.1:50051".into() }
}

async fn a_replica_that_holds_and_is_behind_is_counted(database: TestDatabase) {
    let (one, two, three) = (replica("1"), replica("2"), replica("3"));
    database.store.heartbeat(&one, 5, LONG).await.unwrap();
    database.store.heartbeat(&two, 7, LONG).await.unwrap();
    assert_eq!(database.store.count_lagging(&three, 5).await.unwrap(), 0);
    assert_eq!(database.store.count_lagging(&three, 6).await.unwrap(), 1);
    assert_eq!(database.store.count_lagging(&three, 8).await.unwrap(), 2);
    database.store.set_applied(&one, 8).await.unwrap();
    assert_eq!(database.store.count_lagging(&three, 8).await.unwrap(), 1);
}

async fn a_replica_that_left_or_whose_time_ran_out_is_not(database: TestDatabase) {
    let (one, two, three) = (replica("1"), replica("2"), replica("3"));
    database.store.heartbeat(&one, 5, LONG).await.unwrap();
    database.store.heartbeat(&two, 5, Duration::ZERO).await.unwrap();
    assert_eq!(database.store.count_lagging(&three, 6).await.unwrap(), 1);
    database.store.deregister(&one).await.unwrap();
    assert_eq!(database.store.count_lagging(&three, 6).await.unwrap(), 0);
    database.store.heartbeat(&two, 5, LONG).await.unwrap();
    assert_eq!(database.store.count_lagging(&three, 6).await.unwrap(), 1, "the replica is counted again");
}

async fn a_replica_is_not_behind_itself(database: TestDatabase) {
    database.store.heartbeat(&replica("1"), 5, LONG).await.unwrap();
    assert_eq!(database.store.count_lagging(&replica("1"), 6).await.unwrap(), 0);
}
