//! A container's memory limit is above the cache's limit: a process that fills its cache up to the limit must not
//! be killed for it. The memory for other purposes (the idle process, connections, passwords that are being hashed)
//! is needed in addition.

use crate::read;

/// Memory that a process with a full cache needs beside the cache, and a fifth of the cache for its overhead.
const BESIDE: u64 = 192 << 20;

/// Parses a size in the form of any of the files.
fn bytes(text: &str) -> u64 {
    let text = text.trim().trim_matches('"');
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "MiB" | "Mi" | "m" | "M" => 20,
        "GiB" | "Gi" | "g" | "G" => 30,
        other => panic!("{text}: what is {other}?"),
    };
    number.parse::<u64>().expect("a number") << shift
}

/// Returns the text after some words in a file, up to the end of the line or the brace.
fn after(file: &str, words: &str) -> u64 {
    let text = read(file);
    let found: Vec<&str> = text.split(words).skip(1).collect();
    assert_eq!(found.len(), 1, "{file}: {words}");
    bytes(found[0].split(['\n', '}', ',']).next().unwrap_or_default())
}

#[test]
fn the_memory_limit_of_each_deployment_exceeds_its_cache() {
    for (limited, limit, output, remembered) in [
        (
            "deploy/kubernetes/deployment.yaml",
            "limits: { memory:",
            "deploy/kubernetes/latchkey.toml",
            "cache_max_bytes =",
        ),
        (
            "deploy/systemd/latchkey.service",
            "MemoryMax=",
            "deploy/systemd/latchkey.toml",
            "cache_max_bytes =",
        ),
        ("docker-compose.yml", "mem_limit:", "docker-compose.yml", "LATCHKEY_CACHE_MAX_BYTES: "),
    ] {
        let (limit, remembered) = (after(limited, limit), after(output, remembered));
        let needed = remembered + remembered / 5 + BESIDE;
        assert!(limit >= needed, "{limited}: {limit} bytes are too few for {remembered} of memory: {needed}");
    }
}

#[test]
fn sizes_are_read_as_they_are_meant() {
    let read = ["\"256MiB\"", " 512Mi ", "512m", "1G"].map(bytes);
    assert_eq!(read, [256 << 20, 512 << 20, 512 << 20, 1 << 30]);
}
