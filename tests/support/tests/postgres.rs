//! Tests of the PostgreSQL server that tests start: it is a real one, and can be stopped in every way.

use latchkey_testing::Postgres;

#[test]
fn databases_are_fresh_and_apart() {
    let (one, two) = (Postgres::shared().database(), Postgres::shared().database());
    assert_ne!(one, two);
    Postgres::shared().sql(&one, "CREATE TABLE here (id int)");
    assert_eq!(Postgres::shared().sql(&two, "SELECT to_regclass('here') IS NULL"), "t");
}

#[test]
fn commits_survive_a_kill() {
    let postgres = Postgres::start();
    let url = postgres.database();
    postgres.sql(&url, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)");
    postgres.kill();
    postgres.restart();
    assert_eq!(postgres.sql(&url, "SELECT id FROM kept"), "7");
    postgres.stop();
    postgres.restart();
    assert_eq!(postgres.sql(&url, "SELECT id FROM kept"), "7");
}
