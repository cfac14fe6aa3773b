//! A release of the program as it is built here, and the commands of the installation page, run in an empty
//! Debian.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use latchkey_testing::{Folder, Setup, Signal, eventually, program};

use crate::{read, root, text};

/// Release that the tests of this file share.
static RELEASE: LazyLock<(Folder, PathBuf)> = LazyLock::new(|| {
    let folder = Folder::new("release");
    let mut command = Command::new(root().join("scripts/release"));
    let output = command.arg("--program").arg(program()).arg(folder.path()).output().expect("bash starts");
    assert!(output.status.success(), "{}", text(&output));
    let tarball = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    (folder, tarball)
});

/// Runs a command as root: directly, or by sudo.
fn as_root(program: &Path, argument: &Path) -> Output {
    let is_root = Command::new("id").arg("-u").output().expect("id starts").stdout == b"0\n";
    let mut command = if is_root { Command::new(program) } else { Command::new("sudo") };
    if !is_root {
        command.arg(program);
    }
    command.arg(argument).output().expect("the program starts")
}

#[test]
fn a_release_has_its_parts_and_right_checksums() {
    let (folder, tarball) = &*RELEASE;
    let listed = Command::new("tar").arg("--list").arg("--file").arg(tarball).output().expect("tar starts");
    let listed = text(&listed);
    for part in [
        "bin/latchkey\n",
        "man/latchkey.1\n",
        "man/latchkey-key-create.1\n",
        "completions/latchkey.zsh\n",
        "systemd/latchkey.service\n",
        "envoy/paykore.yaml\n",
        "profiles/demo.toml\n",
        "notices/THIRD-PARTY-NOTICES\n",
        "notices/LICENSE\n",
        "notices/sbom.cdx.json\n",
        "INSTALL.md\n",
    ] {
        assert!(listed.contains(part), "{part:?} is missing in {listed}");
    }
    let mut sums = std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.path());
    let sums = sums.find(|path| path.extension().is_some_and(|e| e == "sha256")).expect("checksums");
    let mut check = Command::new("sha256sum");
    let output =
        check.arg("--check").arg(sums).current_dir(folder.path()).output().expect("sha256sum starts");
    assert!(output.status.success() && text(&output).matches(": OK").count() == 2, "{}", text(&output));
}

#[test]
fn the_pages_of_a_release_link_to_files_in_it() {
    let unpacked = Folder::new("release-pages");
    let mut command = Command::new("tar");
    command.arg("--extract").arg("--file").arg(&RELEASE.1).arg("--directory").arg(unpacked.path());
    assert!(command.output().expect("tar starts").status.success());
    let top =
        std::fs::read_dir(unpacked.path()).expect("a folder").flatten().next().expect("a release").path();
    let docs = std::fs::read_dir(top.join("docs")).expect("docs").flatten().map(|entry| entry.path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut links = 0;
    for page in pages.chain([top.join("INSTALL.md"), top.join("CHANGELOG.md")]) {
        let content = std::fs::read_to_string(&page).expect("a page");
        for link in content.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_of_release = !link.is_empty() && !link.contains(':') && !link.contains('`');
            let target = page.parent().expect("a folder").join(link);
            assert!(!is_of_release || target.is_file(), "{} links to {link}", page.display());
            links += usize::from(is_of_release);
        }
    }
    assert!(links > 100, "{links} links were found");
}

#[test]
fn the_page_about_installing_leads_to_a_200_through_envoy_in_an_empty_debian() {
    let (folder, _) = &*RELEASE;
    let run = || as_root(&root().join("scripts/install-tour"), folder.path());
    let mut output = run();
    // On a busy machine, a call can miss the deadline of Envoy's configuration. A fault of the page shows each time.
    for _ in 0..2 {
        if !output.status.success() {
            output = run();
        }
    }
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("200 with the key and 401 without"), "{}", text(&output));
}

#[test]
fn the_page_about_installing_names_files_of_the_unit() {
    let page = read("docs/install.md");
    let unit = read("deploy/systemd/latchkey.service");
    for path in ["/etc/latchkey/root_key", "/etc/latchkey", "/usr/local/bin/"] {
        assert!(page.contains(path) && unit.contains(path), "{path}");
    }
}

#[test]
fn systemd_is_notified_of_readiness_and_of_the_shutdown() {
    let folder = Folder::new("notify");
    let path = folder.path().join("socket");
    let supervisor = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    supervisor.set_nonblocking(true).expect("a mode");
    let receive = |wanted: &str| {
        eventually(wanted, || {
            let mut buffer = [0; 1024];
            let length = supervisor.recv(&mut buffer).ok()?;
            String::from_utf8_lossy(&buffer[..length]).contains(wanted).then_some(())
        });
    };
    let latchkey = Setup::default().environment("NOTIFY_SOCKET", &path.display().to_string()).launch();
    receive("READY=1");
    assert_eq!(latchkey.page("/readyz").status, 200);
    latchkey.signal(Signal::TERM);
    receive("STOPPING=1");
    assert!(latchkey.wait().success());
}
