//! A call whose buckets lie apart in a cluster: its tenant's in one slot, its client address's in another. No
//! script may touch both, so each group is asked by itself, one after the other, and where one has no room the
//! groups before it are given back what they gave. For a moment they hold less than they should, never more: a
//! call may be refused that would just have found room, and none passes that would not.

use latchkey_core::limit::BucketCharge;
use smallvec::SmallVec;

use crate::connection::{BucketReply, BucketRequest, RedisConnection};
use crate::wire::{BucketOp, BucketState};

/// Asks for all of these: in one script where they lie together, else group by group.
pub(crate) async fn send(connection: &RedisConnection, request: BucketRequest<'_>) -> BucketReply {
    let owner = |ask: &(BucketCharge, BucketOp)| ask.0.shard_key;
    let together = request.operations.windows(2).all(|two| owner(&two[0]) == owner(&two[1]));
    if together || !connection.is_cluster() {
        return connection.send(request).await;
    }
    let mut owners: SmallVec<[u128; 4]> = request.operations.iter().map(owner).collect();
    owners.sort_unstable();
    owners.dedup();
    let (mut granted, mut states) = (true, vec![None; request.operations.len()]);
    let mut spent: SmallVec<[(BucketCharge, BucketOp); 4]> = SmallVec::new();
    for owner in owners {
        let indexes: SmallVec<[usize; 4]> = (0..request.operations.len())
            .filter(|index| request.operations[*index].0.shard_key == owner)
            .collect();
        let operations: SmallVec<[_; 4]> = indexes.iter().map(|index| request.operations[*index]).collect();
        // Where the call is refused already, the rest is only looked at.
        let look = request.look || !granted;
        let reply = connection.send(BucketRequest { operations: &operations, look, ..request }).await;
        let Ok((room, reply)) = reply else {
            give_back(connection, request, &spent).await;
            return reply;
        };
        if room && !look {
            spent.extend(
                operations.iter().zip(&reply).map(|(ask, state)| (ask.0, BucketOp::Undo(state.lease.made))),
            );
        }
        granted &= room;
        for (index, state) in indexes.into_iter().zip(reply) {
            states[index] = Some(state);
        }
    }
    if !granted {
        give_back(connection, request, &spent).await;
    }
    let states: Option<Vec<BucketState>> = states.into_iter().collect();
    states.map(|states| (granted, states)).ok_or(crate::connection::Unavailable)
}

/// What can't be given back counts as used.
async fn give_back(
    connection: &RedisConnection,
    request: BucketRequest<'_>,
    spent: &[(BucketCharge, BucketOp)],
) {
    for group in spent.chunk_by(|one, other| one.0.shard_key == other.0.shard_key) {
        let _ = connection.send(BucketRequest { operations: group, look: false, ..request }).await;
    }
}
