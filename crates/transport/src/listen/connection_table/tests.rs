//! Choice of the connection that makes room.

use super::*;

fn address(last: u8) -> Client {
    Client::of([10, 0, 0, last].into())
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

fn closing(place: &TablePlace) -> bool {
    place.connection.closing.load(Relaxed)
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_connection_makes_room() {
    let table = Arc::new(ConnectionTable::new(None));
    let first = table.enter(address(1));
    pass(1).await;
    let second = table.enter(address(2));
    assert_eq!(table.make_room([]), 0);
    pass(5).await;
    first.connection().call_begins();
    table.sweep();
    assert_eq!(table.make_room([address(3)]), 1);
    assert!(closing(&second) && !closing(&first), "the first had a call");
    assert_eq!(table.make_room([address(3)]), 1, "one that waits closes one");
    drop(second);
    second_call_keeps(&table, &first).await;
}

async fn second_call_keeps(table: &ConnectionTable, first: &TablePlace) {
    first.connection().set_open_calls(1);
    pass(60).await;
    table.sweep();
    assert_eq!(table.make_room([address(3)]), 0, "a call is open");
    pass(60).await;
    assert_eq!(table.make_room([address(3)]), 1, "no call takes that long");
    first.connection().closing().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_streams_without_an_end_alone_is_idle_when_others_wait() {
    let table = Arc::new(ConnectionTable::new(Some(Duration::from_secs(5))));
    let watching = table.enter(address(1));
    let connection = watching.connection();
    let streams = [connection.endless_call(), connection.endless_call()];
    connection.call_begins();
    connection.set_open_calls(3);
    table.sweep();
    pass(20).await;
    table.sweep();
    assert_eq!(table.make_room([address(2)]), 0, "one of its calls is another one");
    connection.set_open_calls(2);
    table.sweep();
    assert!(!closing(&watching), "it is in use as long as no other one waits");
    assert_eq!(table.make_room([address(2)]), 1);
    drop(streams);
    assert_eq!(connection.endless.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn the_client_with_most_connections_makes_room_even_if_none_is_idle() {
    let table = Arc::new(ConnectionTable::new(None));
    let many: Vec<_> = (0..3).map(|_| table.enter(address(1))).collect();
    let other = table.enter(address(2));
    let busy = || many.iter().chain([&other]).for_each(|place| place.connection().call_begins());
    busy();
    assert_eq!(table.make_room([address(1)]), 0, "it has the most itself");
    assert_eq!(table.make_room([address(1), address(2)]), 1, "the second one has fewer");
    assert_eq!(table.make_room([address(1), address(2)]), 1, "it has its room");
    assert!(!closing(&other) && many.iter().any(closing));
    drop(many);
    assert_eq!(table.make_room([address(3)]), 0, "each has one");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_uses_many_connections_closes_no_idle_one_of_a_client_with_few() {
    let table = Arc::new(ConnectionTable::new(None));
    let quiet = table.enter(address(2));
    pass(5).await;
    let many: Vec<_> = (0..40).map(|_| table.enter(address(1))).collect();
    for place in &many {
        place.connection().call_begins();
    }
    assert_eq!(table.make_room([address(1), address(1)]), 0);
    assert!(!closing(&quiet));
    assert_eq!(table.make_room([address(3)]), 1, "a new client may take its place");
    assert!(closing(&quiet));
}

#[tokio::test(start_paused = true)]
async fn a_client_with_its_part_of_the_connections_takes_the_place_of_idle_ones() {
    let table = Arc::new(ConnectionTable::new(None));
    let quiet: Vec<_> = (10..100).map(|last| table.enter(address(last))).collect();
    pass(5).await;
    let used: Vec<_> = (0..4).map(|_| table.enter(address(1))).collect();
    for place in &used {
        place.connection().call_begins();
    }
    assert_eq!(table.make_room([address(1)]), 1);
    assert_eq!(quiet.iter().filter(|place| closing(place)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_its_time() {
    let table = Arc::new(ConnectionTable::new(Some(Duration::from_secs(60))));
    let (idle, used) = (table.enter(address(1)), table.enter(address(1)));
    for _ in 0..3 {
        pass(30).await;
        used.connection().call_begins();
        table.sweep();
    }
    assert!(closing(&idle) && !closing(&used));
}
