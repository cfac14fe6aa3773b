//! What follows from the figures by arithmetic alone.

use crate::figures::Inputs;

/// What one replica, the database and Redis have to bear.
pub(crate) struct Estimate {
    /// Checks a second that a replica answers at most, and has to.
    pub(crate) carries: f64,
    pub(crate) load: f64,
    /// Bytes for every key that a replica may come to remember.
    pub(crate) memory: f64,
    /// The share of Checks that find their key remembered, by uniform and by skewed use; and by uniform use where
    /// a key's calls all go to one replica.
    pub(crate) hits: [f64; 3],
    /// Queries a second of one replica that has just started, and of all at once.
    pub(crate) cold: [f64; 2],
    /// Statements a second for following the feed, when nothing is written and as it is.
    pub(crate) feed: [f64; 2],
    /// Questions a second to Redis: leased, where a key's calls are spread over all replicas and where they go to
    /// one, and were every class exact.
    pub(crate) redis: [f64; 3],
}

pub(crate) fn estimate(inputs: &Inputs) -> Estimate {
    let get = |name| inputs.get(name);
    let (replicas, keys) = (get("replicas"), get("keys"));
    let load = get("checks") / replicas;
    let remembered = keys.min(get("memory_keys"));
    let own = (get("memory_keys") / (keys / replicas)).min(1.0);
    let hits = [remembered / keys, harmonic(remembered) / harmonic(keys), own];
    let polls = 1_000.0 / get("poll_ms");
    let reports = 2_000.0 / get("lease_ms");
    // Head and page, and a report now and then.
    let quiet = replicas * (2.0 * polls + reports);
    // A replica follows one wake-up after the other; what comes meanwhile is read together.
    let follows = get("writes").min(1_000.0 / (get("statements") * get("wake_ms")));
    // A leased bucket is asked for at most so often; one that is called more seldom, at each call.
    let leased = |reach: f64| {
        let apart = get("active_keys") * reach;
        apart * (get("checks") / apart).min(get("asks"))
    };
    Estimate {
        carries: get("cores") * get("busy") * 1e6 / get("check_us"),
        load,
        memory: remembered * get("key_bytes"),
        hits,
        cold: [load, load * replicas],
        feed: [quiet, quiet + replicas * follows * get("statements")],
        redis: [leased(replicas), leased(1.0), get("checks")],
    }
}

/// The sum of 1/n up to `n`: how use adds up where the n-th key is used 1/n as often as the first.
fn harmonic(n: f64) -> f64 {
    n.ln() + 0.577_215_664_9
}

/// After so many seconds of a replica's life, the share of Checks whose key was not seen before, where all keys
/// are used alike.
pub(crate) fn unseen(inputs: &Inputs, seconds: f64) -> f64 {
    (-inputs.get("checks") / inputs.get("replicas") * seconds / inputs.get("keys")).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(arguments: &[&str]) -> Inputs {
        Inputs::read(arguments.iter().map(|word| (*word).to_owned())).expect("figures")
    }

    #[test]
    fn twice_the_replicas_bear_half_the_load_and_follow_twice_as_much() {
        let (one, two) = (estimate(&inputs(&["replicas=50"])), estimate(&inputs(&["replicas=100"])));
        assert!((one.load - 2.0 * two.load).abs() < 1e-6);
        assert!((two.feed[1] - 2.0 * one.feed[1]).abs() < 1e-6);
    }

    #[test]
    fn a_memory_that_holds_every_key_misses_none() {
        let all = estimate(&inputs(&["keys=1000", "memory_keys=1000"]));
        assert!(all.hits.iter().all(|hits| (hits - 1.0).abs() < 1e-9));
        let some = estimate(&inputs(&["keys=1000", "memory_keys=100"]));
        assert!(some.hits[0] < some.hits[1] && some.hits[1] < 1.0, "skewed use is remembered better");
        assert!((some.hits[2] - 1.0).abs() < 1e-9, "and a hundredth of the keys all the more");
    }

    #[test]
    fn leases_save_questions_where_a_key_is_called_often_on_one_replica() {
        let [spread, together, exact] = estimate(&inputs(&[])).redis;
        assert!((spread - exact).abs() < 1e-3, "half a call a second and replica is a question each");
        assert!(together * 9.0 < exact, "fifty a second are five");
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        for bad in ["keys", "kees=1", "keys=x", "keys=0", "keys=-1", "keys=NaN"] {
            assert!(Inputs::read([bad.to_owned()].into_iter()).is_err(), "{bad}");
        }
    }
}
