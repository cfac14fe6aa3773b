//! TLS files of each port, with the settings that name them.

use std::path::PathBuf;

use latchkey_config::definitions::{self, Setting};
use latchkey_config::{ConfigError, TlsSettings};

use latchkey_transport::tls::{self as transport, ClientAuthFiles, SettingFile, TlsFileError, TlsFiles};

/// Returns the files of the gRPC port.
pub(crate) fn grpc(tls: &TlsSettings) -> TlsFiles {
    let crl = setting_file(tls.client_crl.as_ref(), &definitions::TLS_CLIENT_CRL);
    files(tls, setting_file(tls.client_ca.as_ref(), &definitions::TLS_CLIENT_CA), crl)
}

/// Returns the files of the management port.
pub(crate) fn management(tls: &TlsSettings) -> TlsFiles {
    let own = tls.management_client_ca != tls.client_ca;
    let ca = if own { &definitions::MANAGEMENT_TLS_CLIENT_CA } else { &definitions::TLS_CLIENT_CA };
    let own = tls.management_client_crl != tls.client_crl;
    let crl = if own { &definitions::MANAGEMENT_TLS_CLIENT_CRL } else { &definitions::TLS_CLIENT_CRL };
    let crl = setting_file(tls.management_client_crl.as_ref(), crl);
    files(tls, setting_file(tls.management_client_ca.as_ref(), ca), crl)
}

/// Returns the files of the HTTP port, which does not ask for client certificates.
pub(crate) fn http_port(tls: &TlsSettings) -> TlsFiles {
    files(tls, None, None)
}

/// Checks all files; returns each error once.
pub(super) fn check(tls: &TlsSettings) -> Vec<ConfigError> {
    let mut errors = transport::check_files(&grpc(tls));
    let others: Vec<_> = transport::check_files(&management(tls))
        .into_iter()
        .filter(|error| !errors.contains(error))
        .collect();
    errors.extend(others);
    errors.into_iter().map(config_error).collect()
}

/// Converts an error of a file to an error of the setting that names it.
pub(crate) fn config_error(TlsFileError { setting, origin, remedy }: TlsFileError) -> ConfigError {
    ConfigError::new(setting, origin, remedy)
}

fn files(tls: &TlsSettings, ca: Option<SettingFile>, crl: Option<SettingFile>) -> TlsFiles {
    let file = |path: &PathBuf, setting: &Setting| SettingFile { path: path.clone(), setting: setting.key };
    TlsFiles {
        cert: file(&tls.cert, &definitions::TLS_CERT),
        key: file(&tls.key, &definitions::TLS_KEY),
        client_auth: ca.map(|ca| ClientAuthFiles { ca, crl }),
    }
}

fn setting_file(path: Option<&PathBuf>, setting: &Setting) -> Option<SettingFile> {
    Some(SettingFile { path: path?.clone(), setting: setting.key })
}
