//! Images and Docker Compose, without an engine: the findings of linters, and every service's command and the README's
//! commands, run as they are written with the real programs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use latchkey_testing::{
    Container, Folder, Process, eventually, free_port, postgres_programs, program, replace_once, tool,
    unshare,
};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Returns the file as docker-compose resolves it.
fn resolved(folder: &Folder) -> PathBuf {
    resolved_with(folder, &[])
}

/// Returns the file as docker-compose resolves it together with further files.
fn resolved_with(folder: &Folder, more: &[&str]) -> PathBuf {
    let mut command = Command::new(tool("docker-compose"));
    for file in [&["docker-compose.yml"], more].concat() {
        command.arg("-f").arg(root().join(file));
    }
    let output = command.arg("config").output();
    let output = output.expect("docker-compose starts");
    assert!(output.status.success(), "{}", text(&output));
    folder.write("compose.yaml", &String::from_utf8_lossy(&output.stdout))
}

#[test]
fn three_replicas_share_one_postgresql_and_one_redis() {
    let folder = Folder::new("compose-config");
    let config = std::fs::read_to_string(resolved(&folder)).expect("the resolved file");
    let config: Value = serde_saphyr::from_str(&config).expect("YAML");
    let services = config["services"].as_object().expect("services");
    let replicas: Vec<&Value> = ["latchkey-1", "latchkey-2", "latchkey-3"].map(|name| &services[name]).into();
    for replica in &replicas {
        assert_eq!(replica["environment"], replicas[0]["environment"]);
        assert_eq!(replica["image"], "latchkey");
        assert_eq!(replica["read_only"], true);
    }
    assert_eq!(replicas[0]["environment"]["LATCHKEY_REDIS_URL"], "redis://redis:6379");
    for (name, service) in services {
        // Only the gRPC port of one replica and Envoy's port are published, on this machine alone.
        let ports = service["ports"].as_array().cloned().unwrap_or_default();
        assert!(
            ports.iter().all(|port| port.as_str().is_some_and(|p| p.starts_with("127.0.0.1:"))),
            "{name}"
        );
        let published = ["envoy", "latchkey-1"].contains(&name.as_str());
        assert_eq!(!ports.is_empty(), published, "{name}");
        let checked = !["secrets", "upstream"].contains(&name.as_str());
        assert_eq!(service.get("healthcheck").is_some(), checked, "{name}");
    }
}

/// File that is added to docker-compose.yml, so that Envoy reaches the replicas by Unix sockets.
const UNIX_SOCKET: &str = "deploy/compose/compose.unix-socket.yaml";

#[test]
fn envoy_reaches_each_replica_by_a_unix_socket_of_a_volume_that_both_mount() {
    let folder = Folder::new("compose-unix");
    let config = std::fs::read_to_string(resolved_with(&folder, &[UNIX_SOCKET])).expect("the resolved file");
    let config: Value = serde_saphyr::from_str(&config).expect("YAML");
    let services = &config["services"];
    let mounts = |service: &Value, volume: &str| {
        let volumes = service["volumes"].as_array().expect("volumes");
        volumes.iter().any(|one| one.as_str().is_some_and(|one| one.starts_with(volume)))
    };
    let envoy = &services["envoy"];
    assert!(mounts(envoy, "sockets:/run/latchkey:ro"), "{envoy}");
    // The image's user of Envoy, in the group of Latchkey's.
    assert!(envoy["user"] == "101:65532" && image().contains("USER 65532:65532"), "{envoy}");
    let plain = read("docker/envoy.yaml")
        .replace("- name: latchkey\n      type: STRICT_DNS", "- name: latchkey\n      type: STATIC");
    let mut expected = plain.split_once('\n').expect("a first line").1.to_owned();
    for name in ["latchkey-1", "latchkey-2", "latchkey-3"] {
        let replica = &services[name];
        let socket = format!("/run/latchkey/{name}.sock");
        assert_eq!(replica["environment"]["LATCHKEY_GRPC_ADDR"], format!("unix:{socket}"));
        assert_eq!(replica["environment"]["LATCHKEY_UNIX_SOCKET_MODE"], "0660");
        assert_eq!(replica["environment"]["LATCHKEY_REDIS_URL"], "redis://redis:6379", "the rest stays");
        assert!(
            mounts(replica, "sockets:/run/latchkey") && mounts(replica, "secrets-latchkey:"),
            "{replica}"
        );
        let tcp = format!("socket_address: {{ address: {name}, port_value: 50051 }}");
        expected = replace_once(&expected, &tcp, &format!("pipe: {{ path: {socket} }}"));
    }
    let own = read("deploy/compose/envoy.yaml");
    assert!(
        own.ends_with(&expected),
        "deploy/compose/envoy.yaml differs from docker/envoy.yaml in more than the cluster"
    );
}

#[test]
fn nothing_is_mounted_that_a_fresh_checkout_lacks() {
    let text = [read("docker-compose.yml"), read(UNIX_SOCKET)].concat();
    let mounted: Vec<&str> = text.split("\"./").skip(1).filter_map(|rest| rest.split(':').next()).collect();
    assert_eq!(mounted, ["profiles", "docker/envoy.yaml", "deploy/compose/envoy.yaml"]);
    assert!(mounted.iter().all(|path| root().join(path).exists()), "{mounted:?}");
}

/// Returns the README's commands after the one that starts the containers.
fn readme_lines() -> String {
    let readme = read("README.md");
    let block = readme.split("```").find(|block| block.contains("docker compose up")).expect("a block");
    let lines: Vec<&str> = block.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let first = lines.iter().position(|line| line.starts_with("docker compose up")).expect("a line");
    assert_eq!(lines.len(), first + 4, "the README has three lines after it: {lines:?}");
    lines[first..].join("\n")
}

/// Starts the containers, runs the README's lines, and returns the exit code and the output.
fn run_readme_lines() -> Value {
    let folder = Folder::new("compose-up");
    let config = resolved(&folder);
    let mut command = unshare(&["--net"]);
    command.arg("python3").arg(root().join("tests/compose/up.py")).arg(config).arg(root());
    command.arg(folder.path()).arg(program().parent().expect("a folder")).arg(postgres_programs());
    command.env("PYTHONPATH", root().join(".tools/kubernetes"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("unshare starts");
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    stdin.write_all(readme_lines().as_bytes()).expect("the script reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the script ends");
    let message = text(&output);
    assert!(output.status.success(), "{message}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {message}"))
}

/// On a busy machine, a call can miss the deadlines of the configuration, so that the lines are run again. A fault shows
/// each time.
#[test]
fn the_containers_start_and_the_readmes_lines_give_a_200_through_envoy() {
    let mut failed = Vec::new();
    for _ in 0..3 {
        let shell = run_readme_lines();
        let printed = shell["out"].as_str().expect("output");
        let echoed = printed.contains("x-tenant") || printed.contains("X-Tenant");
        if shell["code"] == 0 && printed.contains("HTTP/1.1 200") && echoed {
            return;
        }
        failed.push(shell);
    }
    panic!("{failed:#?}");
}

#[test]
fn envoy_takes_its_configuration() {
    for config in ["docker/envoy.yaml", "deploy/compose/envoy.yaml"] {
        let config = root().join(config);
        let output = Command::new(tool("envoy")).args(["--mode", "validate", "-c"]).arg(config).output();
        let output = output.expect("envoy starts");
        assert!(output.status.success(), "{}", text(&output));
    }
}

/// Returns the errors that Envoy makes itself and the headers of a Check in a configuration of Envoy.
fn generated(config: &str) -> [Value; 2] {
    let config: Value = serde_saphyr::from_str(config).expect("YAML");
    let listener = &config["static_resources"]["listeners"][0];
    let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
    let judged = &manager["http_filters"][0]["typed_config"];
    [&manager["local_reply_config"], &judged["allowed_headers"]].map(Value::clone)
}

#[test]
fn envoys_errors_and_the_headers_of_a_check_are_those_that_the_program_prints() {
    let folder = Folder::new("compose-printed");
    let mut command = Command::new(program());
    command.env_clear().env("HOME", folder.path()).current_dir(root());
    let output = command.args(["envoy-config", "profiles/demo.toml"]).output().expect("the program starts");
    assert!(output.status.success(), "{}", text(&output));
    let printed = generated(&String::from_utf8_lossy(&output.stdout));
    assert!(printed.iter().all(Value::is_object), "{printed:?}");
    for file in ["docker/envoy.yaml", "deploy/compose/envoy.yaml"] {
        assert_eq!(generated(&read(file)), printed, "{file}: see latchkey envoy-config profiles/demo.toml");
    }
}

#[test]
fn doctor_has_one_warning_about_envoys_configuration() {
    let folder = Folder::new("compose-doctor");
    let mut doctor = Command::new(program());
    doctor.env_clear().env("HOME", folder.path()).current_dir(root());
    let words = "doctor --envoy-only --envoy docker/envoy.yaml --profile profiles/demo.toml";
    doctor.args(words.split(' '));
    let output = text(&doctor.output().expect("the program starts"));
    // The network of the containers has no other members.
    assert!(output.contains("sends credentials in plain text"), "{output}");
    assert!(output.contains("0 errors, 1 warning"), "{output}");
}

#[test]
fn hadolint_has_no_finding_in_the_dockerfile() {
    let output =
        Command::new(tool("hadolint")).arg(root().join("Dockerfile")).output().expect("hadolint starts");
    assert!(output.status.success(), "{}", text(&output));
}

/// Returns the last image of the Dockerfile.
fn image() -> String {
    let text = read("Dockerfile");
    let bases: Vec<&str> = text.lines().filter(|line| line.starts_with("FROM ")).collect();
    assert!(bases.iter().all(|base| base.contains("@sha256:")), "each base has a digest: {bases:?}");
    text.rsplit("\nFROM ").next().expect("a final image").to_owned()
}

fn instruction(image: &str, word: &str) -> String {
    let mut found = image.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    let line = found.next().unwrap_or_else(|| panic!("there is no {word}"));
    line.to_owned()
}

fn words(image: &str, word: &str) -> Vec<String> {
    let line = instruction(image, word);
    let json = &line[line.find('[').expect("a list of words")..];
    serde_json::from_str(json).expect("JSON")
}

#[test]
fn the_image_has_one_program_its_notices_and_an_unprivileged_user() {
    let image = image();
    assert!(image.starts_with("gcr.io/distroless/"), "{image}");
    assert_eq!(instruction(&image, "USER"), "65532:65532");
    assert_eq!(image.lines().filter(|line| line.starts_with("COPY ")).count(), 3, "{image}");
    assert!(image.contains("/build/out/notices/ /usr/share/doc/latchkey/"), "{image}");
}

#[test]
fn the_default_command_can_be_reached_and_its_health_command_says_when_it_is_ready() {
    let image = image();
    let (grpc, http) = (free_port(), free_port());
    let mut container = Container::new().writable(&instruction(&image, "VOLUME"));
    for pair in instruction(&image, "ENV").split(' ') {
        let (name, value) = pair.split_once('=').expect("NAME=VALUE");
        // Other tests may use the image's own ports.
        let value = value.replace("50051", &grpc.to_string()).replace("8081", &http.to_string());
        assert!(value.starts_with("0.0.0.0:"), "{value}");
        container = container.environment(name, &value);
    }
    container = container.workdir(&instruction(&image, "WORKDIR"));
    let health = words(&image, "HEALTHCHECK");
    let serve = [words(&image, "ENTRYPOINT"), words(&image, "CMD")].concat();
    // Without a certificate, plain text must be allowed explicitly.
    let refused = container.command(&serve).output().expect("unshare starts");
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("LATCHKEY_INSECURE=true"), "{}", text(&refused));
    let checked = container.command(&health).output().expect("unshare starts");
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
    assert!(text(&checked).contains("the server is not running there"), "{}", text(&checked));
    let container = container.environment("LATCHKEY_INSECURE", "true");
    let mut process = Process::start(&mut container.command(&serve), container.folder(), "serve");
    eventually("the container is healthy", || {
        assert!(process.ended().is_none(), "it ended:\n{}", process.log());
        let checked = container.command(&health).output().expect("unshare starts");
        (checked.status.success() && text(&checked) == "ready\n").then_some(())
    });
}
