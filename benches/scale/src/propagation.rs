//! Simulation of revocations: a commit, a wake-up to each replica, each replica's statements in one database
//! with a limited rate, and the writer, which polls until all replicas have reported.

use crate::figures::Inputs;

/// Simulated fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// No wake-up arrives: all replicas poll.
    WakeUps,
    /// A replica is disconnected from all others.
    CutOff,
}

/// Returns milliseconds until `RevokeKey` responds: the 50th and the 99th percentile and the maximum of all
/// rounds.
pub(crate) fn simulate(inputs: &Inputs, fault: Fault, rounds: usize) -> [f64; 3] {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut took: Vec<f64> = (0..rounds).map(|_| simulate_round(inputs, fault, &mut random)).collect();
    took.sort_unstable_by(f64::total_cmp);
    let last = rounds - 1;
    [took[last / 2], took[last * 99 / 100], took[last]]
}

fn simulate_round(inputs: &Inputs, fault: Fault, random: &mut Random) -> f64 {
    let commit = inputs.get("commit_ms");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few replicas")]
    let replicas = inputs.get("replicas") as usize;
    let wake_delay = |random: &mut Random| match fault {
        Fault::WakeUps => random.unit() * inputs.get("poll_ms"),
        Fault::None | Fault::CutOff => -random.unit().ln() * inputs.get("wake_ms"),
    };
    let mut arrivals: Vec<f64> = (0..replicas).map(|_| wake_delay(random)).collect();
    arrivals.sort_unstable_by(f64::total_cmp);
    // The database executes the statements one after the other, at its rate.
    let each = inputs.get("statements") * 1_000.0 / inputs.get("postgres");
    let all = arrivals.iter().fold(0.0_f64, |free, arrival| free.max(*arrival) + each);
    if fault == Fault::CutOff {
        return commit + inputs.get("lease_ms");
    }
    commit + noticed_at(all)
}

/// Returns when a writer that polls after another 2, 4, 8 and 16 ms, and then every 25 ms, sees the state of
/// `moment`.
fn noticed_at(moment: f64) -> f64 {
    let (mut at, mut pause) = (0.0, 2.0_f64);
    while at < moment {
        at += pause;
        pause = (pause * 2.0).min(25.0);
    }
    at
}

/// Pseudo-random numbers that are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    /// Returns a number above 0 and at most 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
        let unit = ((self.0 >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(arguments: &[&str]) -> Inputs {
        Inputs::read(arguments.iter().map(|word| (*word).to_owned())).expect("figures")
    }

    #[test]
    fn a_revocation_takes_longer_the_more_replicas_there_are_and_never_longer_than_the_lease_lets_it() {
        let took = |arguments: &[&str], fault| simulate(&inputs(arguments), fault, 200)[2];
        assert!(took(&["replicas=3"], Fault::None) < took(&["replicas=1000"], Fault::None));
        assert!(took(&["replicas=3"], Fault::None) < took(&["replicas=3"], Fault::WakeUps));
        assert!(took(&["replicas=3"], Fault::WakeUps) < 250.0 + 4.0 + 26.0);
        let cut = took(&["replicas=3", "lease_ms=1000"], Fault::CutOff);
        assert!((cut - 1_004.0).abs() < 1e-9);
    }

    #[test]
    fn a_writer_sees_it_at_the_first_look_after_it() {
        assert!((noticed_at(0.0) - 0.0).abs() < 1e-9);
        assert!((noticed_at(1.0) - 2.0).abs() < 1e-9);
        assert!((noticed_at(2.1) - 6.0).abs() < 1e-9);
        assert!((noticed_at(31.0) - 55.0).abs() < 1e-9);
    }
}
