//! Commands to paste into a shell. The first ones set variables, so that each of the others fits a terminal of 80 columns.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::demo::TENANT;
use crate::args::Secret;

/// Returns the keys, the variables that the commands use, and the commands for this program and grpcurl.
pub(super) fn grpc_commands(grpc: SocketAddr, root: &Secret, key: &Secret) -> String {
    let program = std::env::current_exe().ok();
    let tool_folder = tools(Path::new(""));
    let folders: Vec<&Path> =
        program.as_deref().and_then(Path::parent).into_iter().chain(tool_folder.as_deref()).collect();
    let name = program.as_deref().and_then(Path::file_name).and_then(OsStr::to_str);
    let name = name.filter(|name| is_plain(name) && !name.contains([' ', '\''])).unwrap_or("latchkey");
    grpc_text(grpc, [&root.0, &key.0], &folders, name)
}

/// Returns the folder with the programs that `scripts/setup` installs into a repository. A program can be a link to another
/// folder, which does not have the others.
fn tools(repository: &Path) -> Option<PathBuf> {
    let folder = repository.join(".tools/bin").canonicalize().ok()?;
    folder.join("grpcurl").exists().then_some(folder)
}

fn grpc_text(grpc: SocketAddr, [root, key]: [&str; 2], folders: &[&Path], program: &str) -> String {
    let mut text = format!(
        "Latchkey serves gRPC on {grpc}.\n\n  operator's key   {root}\n  tenant {TENANT:?}    {key}\n\n\
         # Paste these into another terminal first: the other commands use them.\n\
         export LATCHKEY_API_KEY={root}\nexport LATCHKEY_SERVER=http://{grpc}\nexport KEY={key}\n"
    );
    for folder in folders.iter().filter_map(|folder| folder.to_str()).filter(|folder| is_plain(folder)) {
        let _infallible = writeln!(text, "export PATH=\"{folder}:$PATH\"");
    }
    let check = |method: &str| {
        let message =
            format!("{{\"credential\": \"'$KEY'\", \"method\": \"{method}\", \"path\": \"/things\"}}");
        format!("grpcurl -plaintext \\\n  -d '{message}' \\\n  {grpc} latchkey.v1.CheckService/Check")
    };
    let (allowed, denied) = (check("GET"), check("POST"));
    let _infallible = write!(
        text,
        "\n# The key may read: allowed.\n\
         {program} check \"$KEY\" --method GET --path /things\n\
         # It may not write: denied, and why.\n\
         {program} check \"$KEY\" --method POST --path /things\n\
         # The tenant's keys, as its operator sees them.\n\
         {program} key list --tenant {TENANT}\n\
         # The same over gRPC, without this program.\n\
         {allowed}\n{denied}\n\
         grpcurl -plaintext -H \"authorization: Bearer $LATCHKEY_API_KEY\" \\\n  \
           -d '{{\"tenant\": \"{TENANT}\"}}' {grpc} latchkey.v1.KeyService/ListKeys"
    );
    text
}

/// Returns the commands for curl, through Envoy.
pub(super) fn curl_commands(envoy: SocketAddr) -> String {
    format!(
        "\nEnvoy on {envoy} asks Latchkey about each request to an echo service.\n\n\
         # 200, and what the service behind sees: who calls, but not the key.\n\
         curl -i -H \"x-api-key: $KEY\" http://{envoy}/things\n\
         # 401: no key.\n\
         curl -i http://{envoy}/things\n\
         # 403: a scope is missing.\n\
         curl -i -H \"x-api-key: $KEY\" -X POST http://{envoy}/things\n\
         # 429 after 60 in a minute.\n\
         for i in $(seq 70); do\n  \
           curl -H \"x-api-key: $KEY\" -s -o /dev/null -w '%{{http_code}}\\n' \\\n    \
             http://{envoy}/things\n\
         done | sort | uniq -c"
    )
}

/// Returns true if a folder can be written between double quotes and be one entry of `PATH`.
fn is_plain(folder: &str) -> bool {
    !folder.contains(['"', '$', '`', '\\', '!', ':', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(folder: &str) -> [String; 2] {
        let address = SocketAddr::from(([127, 0, 0, 1], 50051));
        let (root, key) = (format!("lk_op_{}", "r".repeat(47)), format!("demo_live_{}", "k".repeat(49)));
        let text = grpc_text(address, [&root, &key], &[Path::new(folder)], "latchkey");
        [text, curl_commands(SocketAddr::from(([127, 0, 0, 1], 10000)))]
    }

    #[test]
    fn every_line_fits_a_terminal_of_80_columns() {
        for line in texts("/opt/latchkey/target/debug").iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= 80 && line == line.trim_end(), "{line}");
        }
    }

    #[test]
    fn a_shell_reads_the_commands_as_they_are_meant() {
        let [text, _] = texts("/opt/with space/bin");
        let shell = |script: String| {
            let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let commands = text.split_once("\n#").unwrap().1;
        let printed = shell(format!(
            "set -eu\nlatchkey() {{ printf '<%s>' latchkey \"$@\"; echo; }}\n\
             grpcurl() {{ printf '<%s>' grpcurl \"$@\"; echo; }}\n#{commands}\nprintf '%s' \"$PATH\""
        ));
        let key = format!("demo_live_{}", "k".repeat(49));
        let check = format!("<latchkey><check><{key}><--method><GET><--path></things>");
        let call = format!(
            "<-plaintext><-d><{{\"credential\": \"{key}\", \"method\": \"POST\", \"path\": \"/things\"}}>"
        );
        let list =
            format!("<-H><authorization: Bearer lk_op_{}><-d><{{\"tenant\": \"demo\"}}>", "r".repeat(47));
        for expected in [check, call, list, "\n/opt/with space/bin:".to_owned()] {
            assert!(printed.contains(&expected), "{expected} is not in {printed}");
        }
    }

    #[test]
    fn the_folder_of_the_tools_is_the_one_that_has_all_of_them() {
        let repository = tempfile::tempdir().unwrap();
        let (links, programs) = (repository.path().join(".tools/bin"), repository.path().join(".tools/lib"));
        for folder in [&links, &programs] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(programs.join("grpcurl"), "").unwrap();
        assert_eq!(tools(repository.path()), None);
        std::os::unix::fs::symlink("../lib/grpcurl", links.join("grpcurl")).unwrap();
        assert_eq!(tools(repository.path()), Some(links.canonicalize().unwrap()));
    }

    #[test]
    fn a_folder_that_a_shell_would_read_otherwise_is_left_out() {
        for folder in ["/opt/$HOME", "/opt/`id`", "/opt/a\"b", "/opt/a:b", "/opt/a\\b"] {
            assert!(!texts(folder)[0].contains("export PATH"), "{folder}");
        }
        assert!(texts("/opt/bin")[0].contains("export PATH=\"/opt/bin:$PATH\"\n"));
    }
}
