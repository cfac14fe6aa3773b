//! Names of buckets in Redis. The tag in braces decides the slot of a Redis Cluster: all buckets of a tenant
//! and its keys have the tenant's tag, so that one script can charge them together. An address bucket counts
//! across tenants and has a tag of its own.

use latchkey_core::limit::BucketCharge;

/// Returns the name of the bucket of a charge.
pub(crate) fn of(demand: &BucketCharge) -> String {
    let bucket = &demand.bucket;
    let (tag, per, subject) = (tag(demand), bucket.per.name(), bucket.subject);
    format!("latchkey:{{{tag}}}:{per}:{subject:x}:{:x}:{}", bucket.class_hash, bucket.index)
}

/// Returns the tag, which decides the slot.
pub(crate) fn tag(demand: &BucketCharge) -> String {
    format!("{:x}", demand.shard_key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_core::limit::{BucketAlgorithm, BucketId, BucketOwner, CountingMode, parse_key_limit};

    #[test]
    fn a_tenant_and_its_keys_are_in_one_slot() {
        let demand = |per, subject, owner| BucketCharge {
            bucket: BucketId { per, subject, class_hash: 10, index: 1 },
            limit: parse_key_limit("1/s").unwrap(),
            algorithm: BucketAlgorithm::TokenBucket,
            mode: CountingMode::Exact,
            shard_key: owner,
        };
        assert_eq!(of(&demand(BucketOwner::Key, 0xabc, 0x7)), "latchkey:{7}:key:abc:a:1");
        assert_eq!(of(&demand(BucketOwner::Tenant, 0x7, 0x7)), "latchkey:{7}:tenant:7:a:1");
        assert_eq!(of(&demand(BucketOwner::Ip, 0x9, 0x9)), "latchkey:{9}:ip:9:a:1");
    }
}
