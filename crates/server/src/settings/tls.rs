//! The files of each port, by the settings that name them.

use std::path::PathBuf;

use latchkey_config::catalogue::{self, Setting};
use latchkey_config::{Problem, Tls};

use latchkey_transport::tls::{self as transport, Clients, Files, Named, TlsProblem};

/// Files of the gRPC port.
pub(crate) fn grpc(tls: &Tls) -> Files {
    let crl = named(tls.client_crl.as_ref(), &catalogue::TLS_CLIENT_CRL);
    files(tls, named(tls.client_ca.as_ref(), &catalogue::TLS_CLIENT_CA), crl)
}

/// Files of the management port.
pub(crate) fn management(tls: &Tls) -> Files {
    let own = tls.management_client_ca != tls.client_ca;
    let ca = if own { &catalogue::MANAGEMENT_TLS_CLIENT_CA } else { &catalogue::TLS_CLIENT_CA };
    let own = tls.management_client_crl != tls.client_crl;
    let crl = if own { &catalogue::MANAGEMENT_TLS_CLIENT_CRL } else { &catalogue::TLS_CLIENT_CRL };
    let crl = named(tls.management_client_crl.as_ref(), crl);
    files(tls, named(tls.management_client_ca.as_ref(), ca), crl)
}

/// Files of the HTTP port, which asks for no client certificate.
pub(crate) fn side(tls: &Tls) -> Files {
    files(tls, None, None)
}

/// Returns everything that is wrong with the files, each error once.
pub(super) fn check(tls: &Tls) -> Vec<Problem> {
    let mut wrong = transport::check(&grpc(tls));
    let others: Vec<_> =
        transport::check(&management(tls)).into_iter().filter(|one| !wrong.contains(one)).collect();
    wrong.extend(others);
    wrong.into_iter().map(problem).collect()
}

/// A problem with a file as one with a setting.
pub(crate) fn problem(TlsProblem { setting, place, remedy }: TlsProblem) -> Problem {
    Problem::new(setting, place, remedy)
}

fn files(tls: &Tls, ca: Option<Named>, crl: Option<Named>) -> Files {
    let file = |path: &PathBuf, setting: &Setting| Named { path: path.clone(), setting: setting.key };
    Files {
        cert: file(&tls.cert, &catalogue::TLS_CERT),
        key: file(&tls.key, &catalogue::TLS_KEY),
        clients: ca.map(|ca| Clients { ca, crl }),
    }
}

fn named(path: Option<&PathBuf>, setting: &Setting) -> Option<Named> {
    Some(Named { path: path?.clone(), setting: setting.key })
}
