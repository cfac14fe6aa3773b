//! A call whose buckets lie apart in a cluster: its tenant's in one slot, its client address's in another. No
//! script may touch both, so each group is asked by itself, one after the other, and where one has no room the
//! groups before it are given back what they gave. For a moment they hold less than they should, never more: a
//! call may be refused that would just have found room, and none passes that would not.

use latchkey_core::limit::Demand;
use smallvec::SmallVec;

use crate::link::{Heard, Link, Question};
use crate::wire::{Kind, State};

/// Asks for all of these: in one script where they lie together, else group by group.
pub(crate) async fn ask(link: &Link, question: Question<'_>) -> Heard {
    let owner = |ask: &(Demand, Kind)| ask.0.owner;
    let together = question.asks.windows(2).all(|two| owner(&two[0]) == owner(&two[1]));
    if together || !link.is_cluster() {
        return link.ask(question).await;
    }
    let mut owners: SmallVec<[u128; 4]> = question.asks.iter().map(owner).collect();
    owners.sort_unstable();
    owners.dedup();
    let (mut granted, mut states) = (true, vec![None; question.asks.len()]);
    let mut spent: SmallVec<[(Demand, Kind); 4]> = SmallVec::new();
    for owner in owners {
        let places: SmallVec<[usize; 4]> =
            (0..question.asks.len()).filter(|place| question.asks[*place].0.owner == owner).collect();
        let asks: SmallVec<[_; 4]> = places.iter().map(|place| question.asks[*place]).collect();
        // Where the call is refused already, the rest is only looked at.
        let look = question.look || !granted;
        let heard = link.ask(Question { asks: &asks, look, ..question }).await;
        let Ok((room, heard)) = heard else {
            give_back(link, question, &spent).await;
            return heard;
        };
        if room && !look {
            spent.extend(asks.iter().zip(&heard).map(|(ask, state)| (ask.0, Kind::Undo(state.batch.made))));
        }
        granted &= room;
        for (place, state) in places.into_iter().zip(heard) {
            states[place] = Some(state);
        }
    }
    if !granted {
        give_back(link, question, &spent).await;
    }
    let states: Option<Vec<State>> = states.into_iter().collect();
    states.map(|states| (granted, states)).ok_or(crate::link::Missed)
}

/// What can't be given back counts as used.
async fn give_back(link: &Link, question: Question<'_>, spent: &[(Demand, Kind)]) {
    for group in spent.chunk_by(|one, other| one.0.owner == other.0.owner) {
        let _ = link.ask(Question { asks: group, look: false, ..question }).await;
    }
}
