//! Benchmarks of signing and verifying a token, by algorithm: `cargo bench -p latchkey-bench-gate --bench
//! tokens`.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use latchkey_core::ports::tokens::SigningKeys;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Timestamp;
use latchkey_core::token::material::KeyMaterial;
use latchkey_core::token::{Claims, KeyRing, SigningAlgorithm, SigningKeyRecord, verify};
use rand::SeedableRng;
use rand::rngs::StdRng;

const NOW: Timestamp = Timestamp(1_000_000);

fn ring(algorithm: SigningAlgorithm) -> KeyRing {
    let (mut random, sealer) = (StdRng::from_seed([7; 32]), Sealer::new(&[9; 32]));
    let Ok(material) = KeyMaterial::generate(algorithm, &mut random) else { panic!("no material") };
    let record = SigningKeyRecord::new("shop", &material, NOW, NOW, &sealer, &mut random);
    let Ok(record) = record else { panic!("no key") };
    KeyRing::open(SigningKeys { keys: vec![record], revision: 1 }, &sealer, NOW).0
}

fn claims() -> Claims {
    Claims {
        iss: "https://api.shop.test".into(),
        aud: "shop".into(),
        sub: "key_0000000000007000800000000000000a".into(),
        exp: 4_600,
        iat: 1_000,
        nbf: 1_000,
        jti: "0123456789abcdefghijkl".into(),
        client_id: "key_0000000000007000800000000000000a".into(),
        sid: "fam_0000000000007000800000000000000b".into(),
        tid: "00000000-0000-7000-8000-00000000000c".into(),
        env: Some("live".into()),
        scope: "orders.create orders.read payments.read".into(),
        role: None,
        bindings: BTreeMap::new(),
    }
}

fn tokens(criterion: &mut Criterion) {
    for algorithm in SigningAlgorithm::ALL {
        let ring = ring(algorithm);
        let Some(key) = ring.signing("shop", algorithm, NOW) else { panic!("no key signs") };
        let Ok(token) = key.sign(&claims()) else { panic!("signing failed") };
        let mut group = criterion.benchmark_group(algorithm.name());
        group.bench_function("sign", |b| b.iter(|| key.sign(black_box(&claims()))));
        group.bench_function("verify", |b| b.iter(|| verify(black_box(&token), &ring)));
        group.finish();
    }
}

criterion_group!(benches, tokens);
criterion_main!(benches);
