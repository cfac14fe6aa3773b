//! Options of every command that calls a server: from the command line, from the environment, or from the caller's
//! own file, in this order of precedence.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use latchkey_config::user_config_path;

use super::Secret;
use crate::exit::CliError;
use crate::output::Format;

/// Options as the command line gives them.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Calling a server")]
pub(crate) struct GlobalArgs {
    /// The server to call, http(s)://HOST:PORT or unix:PATH; this machine by default, on port 50051 (`LATCHKEY_SERVER`)
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The credential to call with; its variable (`LATCHKEY_API_KEY`) keeps it out of the shell's history
    #[arg(long, global = true, value_name = "KEY")]
    pub(crate) api_key: Option<Secret>,
    /// A file that holds the credential to call with (`LATCHKEY_API_KEY_FILE`)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The CA of the server's certificate; the system's by default (`LATCHKEY_CA_FILE`)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The client certificate for the server (`LATCHKEY_CERT_FILE`)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) cert_file: Option<PathBuf>,
    /// Private key of the certificate (`LATCHKEY_CERT_KEY_FILE`)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) cert_key_file: Option<PathBuf>,
    /// Format of the output [default: text]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

/// Options in force.
#[derive(Clone, Debug)]
pub(crate) struct Globals {
    pub(crate) server: String,
    pub(crate) api_key: Option<Secret>,
    pub(crate) key_file: Option<PathBuf>,
    /// The credential of the environment, and the file that it names.
    pub(crate) of_environment: (Option<Secret>, Option<PathBuf>),
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) output: Format,
    /// True if the command reads a few rows alone, and waits for no other replica.
    pub(crate) is_short: bool,
}

const SERVER: &str = "http://127.0.0.1:50051";
/// Variables with the caller's credential, and with the path of a file that holds it.
const KEY_VARIABLE: &str = "LATCHKEY_API_KEY";
const KEY_FILE_VARIABLE: &str = "LATCHKEY_API_KEY_FILE";
const KEYS: &str = "server, key_file, ca_file, cert_file, cert_key_file, output";

impl GlobalArgs {
    /// Returns the options, completed by the environment and by the caller's own file, `latchkey/config.toml` in the
    /// XDG folder for configuration.
    pub(crate) fn resolve(self) -> Result<Globals, CliError> {
        let of_environment =
            (text_variable(KEY_VARIABLE)?.map(Secret), variable(KEY_FILE_VARIABLE).map(PathBuf::from));
        let said = self.or_environment()?;
        let said = said.or_credential(of_environment.0.clone(), of_environment.1.clone())?;
        let globals = match user_config_path().map(|path| read(&path)).transpose()?.flatten() {
            Some(file) => said.with_defaults(file)?,
            None => said.with_defaults(Self::default())?,
        };
        Ok(Globals { of_environment, ..globals })
    }

    /// Takes the options from the environment that the command line does not give, except the credential.
    fn or_environment(self) -> Result<Self, CliError> {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let server = match self.server {
            Some(server) => Some(server),
            None => text_variable("LATCHKEY_SERVER")?,
        };
        Ok(Self {
            server,
            ca_file: self.ca_file.or_else(|| path("LATCHKEY_CA_FILE")),
            cert_file: self.cert_file.or_else(|| path("LATCHKEY_CERT_FILE")),
            cert_key_file: self.cert_key_file.or_else(|| path("LATCHKEY_CERT_KEY_FILE")),
            ..self
        })
    }

    /// Takes the credential of the environment if the command line has none.
    fn or_credential(self, key: Option<Secret>, file: Option<PathBuf>) -> Result<Self, CliError> {
        if self.api_key.is_some() || self.key_file.is_some() {
            return Ok(self);
        }
        if key.is_some() && file.is_some() {
            let text = format!("{KEY_VARIABLE} and {KEY_FILE_VARIABLE} are both set: unset one of them");
            return Err(CliError::Usage(text));
        }
        Ok(Self { api_key: key, key_file: file, ..self })
    }

    fn with_defaults(self, file: Self) -> Result<Globals, CliError> {
        let certificate = match (self.cert_file.or(file.cert_file), self.cert_key_file.or(file.cert_key_file))
        {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(CliError::Usage("give --cert-file and --cert-key-file together".to_owned())),
        };
        // A key of the command line or the environment wins over a key file that the caller's own file names.
        let key_file = self.key_file.or_else(|| self.api_key.is_none().then_some(file.key_file)?);
        Ok(Globals {
            server: self.server.or(file.server).unwrap_or_else(|| SERVER.to_owned()),
            api_key: self.api_key,
            key_file,
            of_environment: (None, None),
            ca_file: self.ca_file.or(file.ca_file),
            certificate,
            output: self.output.or(file.output).unwrap_or(Format::Text),
            is_short: false,
        })
    }
}

/// Returns a variable of the environment. An empty one counts as unset, since Docker Compose passes unset variables as
/// empty ones.
pub(super) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn text_variable(name: &str) -> Result<Option<String>, CliError> {
    let text = variable(name).map(OsString::into_string).transpose();
    text.map_err(|_| CliError::Usage(format!("{name} is not valid UTF-8")))
}

/// Reads the caller's own file; `None` if there is none, or if its folder is closed to the caller. One that is there and
/// can't be read is an error, since it may name another server.
fn read(path: &Path) -> Result<Option<GlobalArgs>, CliError> {
    let wrong = |what: &str| CliError::Usage(format!("{}: {what}", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text).map(Some).map_err(|what| wrong(&what)),
        Err(_) if path.symlink_metadata().is_err() => Ok(None),
        Err(error) => Err(wrong(&format!("can't be read: {error}"))),
    }
}

fn parse(text: &str) -> Result<GlobalArgs, String> {
    let table: toml::Table = text.parse().map_err(|_| "it is not TOML".to_owned())?;
    let mut file = GlobalArgs::default();
    for (key, value) in &table {
        let value = value.as_str().ok_or_else(|| format!("{key} must be a text"))?;
        if value.is_empty() {
            return Err(format!("{key} is empty: write a value, or leave it out"));
        }
        let place = Some(PathBuf::from(value));
        match key.as_str() {
            "server" => file.server = Some(value.to_owned()),
            "key_file" => file.key_file = place,
            "ca_file" => file.ca_file = place,
            "cert_file" => file.cert_file = place,
            "cert_key_file" => file.cert_key_file = place,
            "output" => {
                let format = <Format as clap::ValueEnum>::from_str(value, false);
                file.output = Some(format.map_err(|_| "output is text or json".to_owned())?);
            }
            // `api_key` is not permitted here: a key belongs in a file of its own.
            _ => return Err(format!("{key} is none of {KEYS}")),
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_win_over_the_users_file() {
        let file = "server = 'https://a:1'\nkey_file = '/k'\noutput = 'json'\n";
        let said = GlobalArgs { server: Some("b:2".to_owned()), ..GlobalArgs::default() };
        let globals = said.with_defaults(parse(file).unwrap()).unwrap();
        assert_eq!((globals.server.as_str(), globals.output), ("b:2", Format::Json));
        assert_eq!(globals.key_file, Some(PathBuf::from("/k")));
        let said = GlobalArgs { api_key: Some(Secret("k".to_owned())), ..GlobalArgs::default() };
        assert_eq!(said.with_defaults(parse(file).unwrap()).unwrap().key_file, None);
    }

    #[test]
    fn a_credential_of_the_command_line_wins_over_the_environment() {
        let (key, file) = (|| Some(Secret("k".to_owned())), || Some(PathBuf::from("/k")));
        let said =
            GlobalArgs { key_file: file(), ..GlobalArgs::default() }.or_credential(key(), None).unwrap();
        assert!(said.api_key.is_none() && said.key_file == file());
        let said = GlobalArgs::default().or_credential(key(), None).unwrap();
        assert!(said.api_key.is_some() && said.key_file.is_none());
        assert!(GlobalArgs::default().or_credential(key(), file()).is_err());
    }

    #[test]
    fn an_error_of_the_users_file_quotes_none_of_its_values() {
        for empty in ["server = ''", "key_file = ''", "output = ''"] {
            assert!(parse(empty).unwrap_err().contains("is empty"), "{empty}");
        }
        for text in ["api_key = 'canary'", "server = 1", "output = 'canary'", "canary"] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
        let half = GlobalArgs { cert_file: Some("/c".into()), ..GlobalArgs::default() };
        assert!(half.with_defaults(GlobalArgs::default()).is_err());
    }
}
