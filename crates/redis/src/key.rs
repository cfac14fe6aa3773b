//! Names of buckets in Redis. The tag in braces decides the slot of a Redis Cluster: all buckets of a tenant
//! and its keys have the tenant's tag, so that one script can charge them together. An address bucket counts
//! across tenants and has a tag of its own.

use latchkey_core::limit::{BucketCharge, ChargeCondition};

/// Returns the name of the bucket of a charge.
pub(crate) fn of(demand: &BucketCharge) -> String {
    let bucket = &demand.bucket;
    let (tag, per, subject) = (tag(demand), bucket.per.name(), bucket.subject);
    let when = match bucket.when {
        ChargeCondition::Allowed => "calls",
        ChargeCondition::Unauthenticated => "failed",
    };
    format!("latchkey:{{{tag}}}:{per}:{subject:x}:{:x}:{}:{when}", bucket.class_hash, bucket.rule.0)
}

/// Returns the tag, which decides the slot.
pub(crate) fn tag(demand: &BucketCharge) -> String {
    format!("{:x}", demand.shard_key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_core::limit::{
        BucketAlgorithm, BucketId, BucketOwner, CountingMode, RuleId, parse_key_limit,
    };

    #[test]
    fn a_tenant_and_its_keys_are_in_one_slot() {
        let demand = |per, subject, owner| BucketCharge {
            bucket: BucketId {
                per,
                when: ChargeCondition::Allowed,
                subject,
                class_hash: 10,
                rule: RuleId(1),
            },
            limit: parse_key_limit("1/s").unwrap(),
            algorithm: BucketAlgorithm::TokenBucket,
            mode: CountingMode::Exact,
            shard_key: owner,
        };
        assert_eq!(of(&demand(BucketOwner::Key, 0xabc, 0x7)), "latchkey:{7}:key:abc:a:1:calls");
        assert_eq!(of(&demand(BucketOwner::Tenant, 0x7, 0x7)), "latchkey:{7}:tenant:7:a:1:calls");
        assert_eq!(of(&demand(BucketOwner::Ip, 0x9, 0x9)), "latchkey:{9}:ip:9:a:1:calls");
        let mut failed = demand(BucketOwner::Ip, 0x9, 0x9);
        failed.bucket.when = ChargeCondition::Unauthenticated;
        assert_eq!(of(&failed), "latchkey:{9}:ip:9:a:1:failed");
    }
}
