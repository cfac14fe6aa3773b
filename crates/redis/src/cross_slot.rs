//! Charges a call whose buckets are in different slots of a cluster: those of its tenant in one, that of its
//! client address in another. A script cannot touch both, so each group is charged by a request of its own, one
//! after the other. If one has too few tokens, the groups before it get their tokens back. For a moment they
//! hold less than they should, never more: a call may be denied that would just have been admitted, but never
//! the other way round. A token bucket that counts for another limit of the same address keeps what it has counted.

use latchkey_core::limit::BucketCharge;
use smallvec::SmallVec;

use crate::connection::{BucketReply, BucketRequest, RedisConnection};
use crate::wire::{BucketOp, BucketState};

/// Charges all buckets: by one script if they are in one slot, otherwise group by group.
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
        // If the call is already denied, the remaining groups are only inspected.
        let look = request.look || !granted;
        let reply = connection.send(BucketRequest { operations: &operations, look, ..request }).await;
        let Ok((room, reply)) = reply else {
            give_back(connection, request, &spent).await;
            return reply;
        };
        if room && !look {
            spent.extend(operations.iter().zip(&reply).map(|(ask, state)| (ask.0, undo(state))));
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

/// Returns the operation that takes back a charge that was answered with this state.
fn undo(state: &BucketState) -> BucketOp {
    BucketOp::Undo { made: state.lease.made, charged_at: state.at }
}

/// Returns tokens. If that fails, they count as used.
async fn give_back(
    connection: &RedisConnection,
    request: BucketRequest<'_>,
    spent: &[(BucketCharge, BucketOp)],
) {
    for group in spent.chunk_by(|one, other| one.0.shard_key == other.0.shard_key) {
        let _ = connection.send(BucketRequest { operations: group, look: false, ..request }).await;
    }
}
