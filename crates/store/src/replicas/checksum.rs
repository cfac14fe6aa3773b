//! Checksum of a replica's row. It detects a row that was altered by mistake, and no forgery: anyone who can write the
//! table can also compute the checksum.

use std::time::Duration;

use latchkey_core::ports::{Announcement, Replica};
use sha2::{Digest, Sha256};

use crate::row::number;

/// Length of a checksum in bytes.
const LENGTH: usize = 16;

/// Returns the checksum of a row: the first bytes of the SHA-256 hash of its columns, each with its length.
pub(super) fn checksum(replica: &Replica, announced: &Announcement, departed: bool) -> [u8; LENGTH] {
    let (revision, beat) = (number::to_i64(announced.revision), number::to_i64(announced.beat));
    let numbers = [revision, millis(announced.lease), beat, i64::from(departed)].map(i64::to_be_bytes);
    let optional = |text: Option<&[u8]>| text.map(<[u8]>::to_vec);
    let optionals = [
        optional(replica.stable_name.as_deref().map(str::as_bytes)),
        optional(replica.host.as_deref().map(str::as_bytes)),
        optional(announced.history.as_ref().map(|hash| &hash[..])),
    ];
    let mut hash = Sha256::new_with_prefix(b"latchkey.replica.v1");
    let mut add = |text: &[u8]| {
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(text);
    };
    add(replica.id.as_bytes());
    add(replica.name.as_bytes());
    for text in optionals {
        add(&[u8::from(text.is_some())]);
        add(text.as_deref().unwrap_or_default());
    }
    for number in numbers {
        add(&number);
    }
    let whole: [u8; 32] = hash.finalize().into();
    std::array::from_fn(|index| whole[index])
}

/// Returns a lease in milliseconds, as it is stored.
pub(super) fn millis(lease: Duration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica() -> Replica {
        Replica { id: "1".into(), name: "here".into(), stable_name: None, host: None }
    }

    #[test]
    fn every_column_of_an_announcement_changes_its_checksum() {
        let announced = Announcement { revision: 1, history: None, lease: Duration::from_secs(1), beat: 1 };
        let of = |announced: Announcement| checksum(&replica(), &announced, false);
        let others = [
            checksum(&Replica { stable_name: Some("".into()), ..replica() }, &announced, false),
            checksum(&Replica { stable_name: Some("a".into()), ..replica() }, &announced, false),
            checksum(&Replica { host: Some("a".into()), ..replica() }, &announced, false),
            checksum(&Replica { name: "there".into(), ..replica() }, &announced, false),
            checksum(&replica(), &announced, true),
            of(Announcement { revision: 2, ..announced }),
            of(Announcement { history: Some([0; 32]), ..announced }),
            of(Announcement { lease: Duration::from_secs(2), ..announced }),
            of(Announcement { beat: 2, ..announced }),
        ];
        assert!(others.iter().all(|other| *other != of(announced)));
    }
}
