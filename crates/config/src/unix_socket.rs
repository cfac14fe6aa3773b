//! Permissions of the files of Unix sockets.

use std::fs;
use std::path::Path;

use super::definitions;
use super::listen_address::ListenAddress;
use super::reader::SettingsReader;
use super::values::ParseResult;

/// Permissions without a group: the user of the process.
const OWNER_MODE: u32 = 0o600;
/// Permissions with a group.
const GROUP_MODE: u32 = 0o660;
/// File of the groups of this machine.
const GROUPS: &str = "/etc/group";

/// Permissions of the files of Unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixSocketSettings {
    /// Mode of the file; connecting needs the permission to write.
    pub mode: u32,
    /// Number of the group; `None` for the group of the process.
    pub group: Option<u32>,
}

impl SettingsReader<'_> {
    /// Reads the permissions. By default, they are given to the group only if one is named.
    pub(super) fn unix_socket(&mut self, addresses: &[Option<&ListenAddress>]) -> Option<UnixSocketSettings> {
        let before = self.errors.len();
        let group = self.read(&definitions::UNIX_SOCKET_GROUP, |text| group(text, Path::new(GROUPS)));
        let mode = self.read(&definitions::UNIX_SOCKET_MODE, mode);
        if self.errors.len() > before {
            return None;
        }
        let default = if group.is_some() { GROUP_MODE } else { OWNER_MODE };
        let settings = UnixSocketSettings { mode: mode.unwrap_or(default), group };
        if !addresses.iter().flatten().any(|address| address.unix_path().is_some()) {
            for setting in [&definitions::UNIX_SOCKET_MODE, &definitions::UNIX_SOCKET_GROUP] {
                if self.is_given(setting) {
                    let remedy = "it applies only to Unix sockets, and no address is one: give grpc_addr as unix:PATH, or \
                                  remove this setting";
                    self.add_error(super::ConfigError::new(setting.key, "given alone", remedy));
                }
            }
        }
        Some(settings)
    }
}

/// Parses permissions in octal digits, as chmod(1) takes them.
fn mode(text: &str) -> ParseResult<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    let mode = u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| octal && *mode & !0o777 == 0 && mode & 0o600 == 0o600);
    mode.ok_or_else(|| {
        format!(
            "{text:?} is not the mode of a socket: write 0600 (the user of the process), 0660 (its group too) or 0666 \
             (everyone on this machine)"
        )
    })
}

/// Returns the number of a group, which is given by its name or number.
fn group(text: &str, groups: &Path) -> ParseResult<u32> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let file = fs::read_to_string(groups).map_err(|error| {
        format!("{} cannot be read ({error}): give the number of the group", groups.display())
    })?;
    let number = file.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == text).then(|| fields.nth(1)?.parse().ok())?
    });
    number.ok_or_else(|| {
        format!(
            "there is no group {text:?} in {}: create it (groupadd), or give the number of a group",
            groups.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use super::*;

    #[test]
    fn a_mode_is_octal_and_lets_the_process_itself_connect() {
        assert_eq!((mode("0600"), mode("660"), mode("0o666")), (Ok(0o600), Ok(0o660), Ok(0o666)));
        for bad in ["", "6", "0060", "0400", "1777", "rw-rw----", "0888", "+660"] {
            assert!(mode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_group_is_a_number_or_a_name_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("group");
        fs::write(&file, "root:x:0:\nenvoy:x:123:a,b\nbroken\n").unwrap();
        assert_eq!((group("envoy", &file), group("7", &file)), (Ok(123), Ok(7)));
        for bad in ["nobody-here", "broken", "-1", ""] {
            assert!(group(bad, &file).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_group_gets_permissions_only_if_it_is_named() {
        let address = ("grpc_addr", "unix:/run/grpc.sock");
        let mode =
            |more: &[(&str, &str)]| load(&[&[address], more].concat(), &[]).unwrap().listen.unix_socket.mode;
        assert_eq!((mode(&[]), mode(&[("unix_socket_group", "0")])), (0o600, 0o660));
        assert_eq!(mode(&[("unix_socket_mode", "0666")]), 0o666);
        let alone = load(&[("unix_socket_mode", "0660")], &[]).unwrap_err().to_string();
        assert!(alone.contains("unix_socket_mode") && alone.contains("grpc_addr"), "{alone}");
    }

    #[test]
    fn a_unix_socket_is_local_and_asks_for_no_certificate() {
        let grpc = ("grpc_addr", "unix:/run/grpc.sock");
        assert!(load(&[grpc, ("http_addr", "unix:/run/http.sock")], &[]).is_ok());
        let tls = [("tls_cert", "c"), ("tls_key", "k"), ("tls_client_ca", "a")];
        let error = load(&[&[grpc], &tls[..]].concat(), &[]).unwrap_err().to_string();
        assert!(error.contains("tls_client_ca"), "{error}");
        let management = ("management_addr", "127.0.0.1:1");
        assert!(load(&[&[grpc, management], &tls[..]].concat(), &[]).is_ok());
        let certificate = [grpc, management, ("check_auth", "certificate")];
        let error = load(&[&certificate, &tls[..]].concat(), &[]).unwrap_err().to_string();
        assert!(error.contains("check_auth"), "{error}");
        let same = load(&[grpc, ("management_addr", "unix:///run/grpc.sock")], &[]).unwrap_err().to_string();
        assert!(same.contains("management_addr"), "{same}");
    }
}
