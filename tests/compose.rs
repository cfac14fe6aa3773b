//! The topology in containers says what it means: three replicas of one image that share their stores, Envoy's
//! configuration as the real Envoy takes it, and an image that runs without privileges.

use std::path::Path;
use std::process::Command;

use latchkey_testing::tool;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names in a section of docker-compose.yml, as they stand two spaces deep.
fn names<'t>(text: &'t str, section: &str) -> Vec<&'t str> {
    let lines = text.lines().skip_while(|line| *line != format!("{section}:")).skip(1);
    let inside = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let named = inside.filter_map(|line| line.strip_prefix("  ")?.split_once(':'));
    named.map(|(name, _)| name).filter(|name| !name.starts_with([' ', '#'])).collect()
}

#[test]
fn three_replicas_share_one_postgresql_and_one_redis() {
    let text = read("docker-compose.yml");
    let services = names(&text, "services");
    for service in ["latchkey-1", "latchkey-2", "latchkey-3", "postgres", "redis", "upstream", "envoy"] {
        assert!(services.contains(&service), "{service} is missing among {services:?}");
    }
    assert_eq!(text.matches("*latchkey\n").count(), 3, "all three are one image with one set of settings");
    for (host, secret) in [("redis://redis:6379", "database_url"), ("@postgres/latchkey", "master_key")] {
        assert!(text.contains(host) && names(&text, "secrets").contains(&secret), "{host}, {secret}");
    }
}

#[test]
fn docker_compose_takes_the_file() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker-compose.yml");
    let output = Command::new(tool("docker-compose")).arg("-f").arg(file).arg("config").output();
    let output = output.expect("docker-compose starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let resolved = String::from_utf8_lossy(&output.stdout);
    for service in ["latchkey-1:", "latchkey-2:", "latchkey-3:", "postgres:", "redis:", "upstream:", "envoy:"]
    {
        assert!(resolved.contains(&format!("\n  {service}\n")), "{service} in {resolved}");
    }
    assert_eq!(resolved.matches("LATCHKEY_DATABASE_URL_FILE: /run/secrets/database_url").count(), 3);
}

#[test]
fn envoy_takes_its_configuration() {
    let config = read("docker/envoy.yaml");
    assert!(
        read("docker-compose.yml").contains("./docker/envoy.yaml:/etc/envoy/envoy.yaml:ro"),
        "it is mounted"
    );
    for replica in ["latchkey-1", "latchkey-2", "latchkey-3"] {
        assert!(config.contains(replica), "Envoy knows {replica}");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/envoy.yaml");
    let output = Command::new(tool("envoy")).args(["--mode", "validate", "-c"]).arg(file).output();
    let output = output.expect("envoy starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_image_runs_as_nobody_and_holds_one_program_and_its_notices() {
    let text = read("Dockerfile");
    let last = text.rsplit("\nFROM ").next().expect("a final image");
    assert!(last.contains("USER nonroot") && last.starts_with("gcr.io/distroless/"), "{last}");
    assert_eq!(last.matches("COPY").count(), 2, "{last}");
    assert!(last.contains("/build/notices/ ") && text.contains("scripts/notices > notices/"), "{text}");
}
