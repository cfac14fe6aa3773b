//! The topology in containers says what it means: three replicas of one image that share their stores, Envoy's
//! configuration as the real Envoy takes it, and an image that runs as nobody.

use std::path::Path;
use std::process::Command;

use latchkey_testing::{Folder, tool};

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
fn envoy_takes_its_configuration() {
    let text = read("docker-compose.yml");
    let content = text.split("    content: |\n").nth(1).expect("Envoy's configuration stands in it");
    let inside = content.lines().take_while(|line| line.is_empty() || line.starts_with("      "));
    let config: Vec<&str> = inside.map(|line| line.get(6..).unwrap_or_default()).collect();
    let config = config.join("\n");
    for replica in ["latchkey-1", "latchkey-2", "latchkey-3"] {
        assert!(config.contains(replica), "Envoy knows {replica}");
    }
    let folder = Folder::new("compose");
    let file = folder.write("envoy.yaml", &config);
    let output = Command::new(tool("envoy")).args(["--mode", "validate", "-c"]).arg(file).output();
    let output = output.expect("envoy starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_image_runs_as_nobody_and_holds_one_program() {
    let text = read("Dockerfile");
    let last = text.rsplit("\nFROM ").next().expect("a final image");
    assert!(last.contains("USER nonroot") && last.starts_with("gcr.io/distroless/"), "{last}");
    assert_eq!(last.matches("COPY").count(), 1, "{last}");
}
