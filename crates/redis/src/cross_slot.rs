//! Charges a call whose buckets are in different slots of a cluster: those of its tenant in one, that of its
//! client address in another. A script cannot touch both, so each group is charged by a request of its own, one
//! after the other. If one has too few tokens, the groups before it get their tokens back. For a moment they
//! hold less than they should, never more: a call may be denied that would just have been admitted, but never
//! the other way round. A token bucket that counts for another limit of the same address keeps what it has counted. So
//! the groups that are known to have too few tokens are first: a call that they deny is charged to no other group.

use latchkey_core::limit::local::LocalLimiter;
use latchkey_core::limit::{BucketCharge, ChargeOptions, Levels};
use smallvec::SmallVec;

use crate::connection::{BucketReply, BucketRequest, RedisConnection};
use crate::wire::{BucketOp, BucketState};

/// Charges all buckets: by one script if they are in one slot, otherwise group by group, in an order that follows from
/// this process's own buckets.
pub(crate) async fn send(
    connection: &RedisConnection,
    local: &LocalLimiter,
    request: BucketRequest<'_>,
) -> BucketReply {
    let owner = |ask: &(BucketCharge, BucketOp)| ask.0.shard_key;
    let together = request.operations.windows(2).all(|two| owner(&two[0]) == owner(&two[1]));
    if together || !connection.is_cluster() {
        return connection.send(request).await;
    }
    let (mut granted, mut states) = (true, vec![None; request.operations.len()]);
    let mut spent: SmallVec<[(BucketCharge, BucketOp); 4]> = SmallVec::new();
    for owner in ordered_owners(local, request) {
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

/// Returns the owner of each group. Those whose buckets have too few tokens in this process are first.
fn ordered_owners(local: &LocalLimiter, request: BucketRequest<'_>) -> SmallVec<[u128; 4]> {
    let options = ChargeOptions { cost: request.cost, dry_run: true };
    let has_room = |owner: &u128| {
        let charges = request.operations.iter().map(|ask| ask.0).filter(|charge| charge.shard_key == *owner);
        let charges: SmallVec<[BucketCharge; 4]> = charges.collect();
        local.charge_now(&charges, options, request.now, &mut Levels::new())
    };
    let mut owners: SmallVec<[u128; 4]> = request.operations.iter().map(|ask| ask.0.shard_key).collect();
    owners.sort_unstable();
    owners.dedup();
    owners.sort_by_cached_key(has_room);
    owners
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
