//! Results that follow from the figures by arithmetic alone.

use crate::figures::Inputs;

/// Load of one replica, of the database and of Redis.
pub(crate) struct Estimate {
    /// Checks a second that a replica can serve; the load that it receives follows.
    pub(crate) carries: f64,
    pub(crate) load: f64,
    /// Bytes of a replica's cache that holds every key.
    pub(crate) memory: f64,
    /// Share of Checks whose key is cached: with uniform use, with skewed use, and with uniform use if all
    /// calls of a key go to one replica.
    pub(crate) hits: [f64; 3],
    /// Queries a second of one replica that has just started, and of all replicas at once.
    pub(crate) cold: [f64; 2],
    /// Statements a second for following the feed: without writes, and with the given writes.
    pub(crate) feed: [f64; 2],
    /// Requests a second to Redis: with leases, if a key's calls are spread over all replicas and if they go to
    /// one; and with exact counting.
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
    // A heartbeat a second, or four a lease if that is shorter.
    let heartbeats = 1_000.0 / (get("lease_ms") / 4.0).min(1_000.0);
    // Replicas with the head and the page of each poll, and heartbeats.
    let quiet = replicas * (2.0 * polls + heartbeats);
    // A replica handles one wake-up after the other; changes that arrive meanwhile are read together.
    let follows = get("writes").min(1_000.0 / (get("statements") * get("wake_ms")));
    // A leased bucket causes at most a fixed rate of requests; a bucket with fewer calls causes one for each
    // call.
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

/// Returns the sum of 1/n up to `n`: total use if the n-th key is used 1/n as often as the first.
fn harmonic(n: f64) -> f64 {
    n.ln() + 0.577_215_664_9
}

/// Returns the share of Checks whose key was not seen before, the given number of seconds after a replica's
/// start, if all keys are used alike.
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
    fn twice_the_replicas_have_half_the_load_and_read_the_feed_twice_as_often() {
        let (one, two) = (estimate(&inputs(&["replicas=50"])), estimate(&inputs(&["replicas=100"])));
        assert!((one.load - 2.0 * two.load).abs() < 1e-6);
        assert!((two.feed[1] - 2.0 * one.feed[1]).abs() < 1e-6);
    }

    #[test]
    fn a_cache_with_room_for_every_key_has_no_miss() {
        let all = estimate(&inputs(&["keys=1000", "memory_keys=1000"]));
        assert!(all.hits.iter().all(|hits| (hits - 1.0).abs() < 1e-9));
        let some = estimate(&inputs(&["keys=1000", "memory_keys=100"]));
        assert!(some.hits[0] < some.hits[1] && some.hits[1] < 1.0, "skewed use has a higher hit rate");
        assert!((some.hits[2] - 1.0).abs() < 1e-9, "a hundredth of the keys has an even higher hit rate");
    }

    #[test]
    fn leases_save_requests_where_a_key_is_called_often_on_one_replica() {
        let [spread, together, exact] = estimate(&inputs(&[])).redis;
        assert!(
            (spread - exact).abs() < 1e-3,
            "at half a call a second and replica, each call causes a request"
        );
        assert!(together * 9.0 < exact, "fifty calls a second cause five requests");
    }

    #[test]
    fn an_argument_that_sets_no_figure_is_refused() {
        for bad in ["keys", "kees=1", "keys=x", "keys=0", "keys=-1", "keys=NaN"] {
            assert!(Inputs::read([bad.to_owned()].into_iter()).is_err(), "{bad}");
        }
    }
}
