//! Keys of a file, in pieces for one call each.

use std::collections::{BTreeSet, HashMap};

use latchkey_proto::v1;
use prost::Message as _;

use crate::import_file::FileKey;

/// Maximum number of keys in one call.
pub(super) const PIECE: usize = 1_000;

/// Keys of one tenant that one call takes, each with its number in the file.
pub(super) struct Piece {
    pub(super) tenant: String,
    pub(super) numbers: Vec<usize>,
    pub(super) keys: Vec<v1::ImportedKey>,
}

/// Returns the number and an error of each key whose secret another key of the file has. The server compares those of one
/// call.
pub(super) fn twice(keys: &[FileKey]) -> Vec<(usize, String)> {
    let mut first: HashMap<Vec<u8>, &str> = HashMap::new();
    let mut errors = Vec::new();
    for (number, FileKey { place, key, .. }) in keys.iter().enumerate() {
        let secret = v1::ImportedKey { secret: key.secret.clone(), ..v1::ImportedKey::default() };
        match first.get(&secret.encode_to_vec()) {
            Some(other) if key.secret.is_some() => {
                errors.push((number, format!("{place}: has the secret of {other}")));
            }
            _ => drop(first.insert(secret.encode_to_vec(), place)),
        }
    }
    errors
}

/// Groups the keys by tenant, in the order of the file, in pieces for one call each.
pub(super) fn pieces(keys: Vec<FileKey>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open: HashMap<String, usize> = HashMap::new();
    for (number, FileKey { key, .. }) in keys.into_iter().enumerate() {
        let tenant = key.key.as_ref().map(|inner| inner.tenant.clone()).unwrap_or_default();
        let place = open.get(&tenant).copied().filter(|n| pieces[*n].keys.len() < PIECE);
        let place = place.unwrap_or_else(|| {
            pieces.push(Piece { tenant: tenant.clone(), numbers: Vec::new(), keys: Vec::new() });
            open.insert(tenant, pieces.len() - 1);
            pieces.len() - 1
        });
        pieces[place].numbers.push(number);
        pieces[place].keys.push(key);
    }
    pieces
}

/// Returns the numbers of the keys that exist already, by the server's findings.
pub(super) fn existing(findings: &[v1::ImportFinding]) -> BTreeSet<usize> {
    let exists = |finding: &&v1::ImportFinding| finding.description.starts_with("exists already");
    findings.iter().filter(exists).filter_map(|finding| usize::try_from(finding.index).ok()).collect()
}

/// Returns the pieces without the keys of these numbers.
pub(super) fn without(pieces: Vec<Piece>, skipped: &BTreeSet<usize>) -> Vec<Piece> {
    let rest = pieces.into_iter().map(|Piece { tenant, numbers, keys }| {
        let rest = numbers.into_iter().zip(keys).filter(|(number, _)| !skipped.contains(number));
        let (numbers, keys) = rest.unzip();
        Piece { tenant, numbers, keys }
    });
    rest.filter(|piece| !piece.keys.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize, tenant: &str) -> FileKey {
        let inner = v1::CreateKeyRequest { tenant: tenant.to_owned(), ..v1::CreateKeyRequest::default() };
        let key = v1::ImportedKey { key: Some(inner), ..v1::ImportedKey::default() };
        FileKey { place: format!("line {number}"), key, changes: Vec::new() }
    }

    #[test]
    fn keys_that_exist_already_are_left_out_of_their_pieces() {
        let all = pieces(vec![key(2, "acme"), key(3, "bank"), key(4, "acme"), key(5, "bank")]);
        let finding = |index: i32, description: &str| v1::ImportFinding {
            index,
            field: format!("keys[{index}]"),
            description: description.to_owned(),
        };
        let findings = [
            finding(1, "exists already"),
            finding(2, "must not have control characters"),
            finding(3, "exists already: a key is stored by another hash of its value"),
        ];
        let skipped = existing(&findings);
        assert_eq!(skipped, BTreeSet::from([1, 3]));
        let rest: Vec<(String, Vec<usize>)> =
            without(all, &skipped).into_iter().map(|piece| (piece.tenant, piece.numbers)).collect();
        assert_eq!(rest, [("acme".to_owned(), vec![0, 2])], "a piece without keys is none");
    }
}
