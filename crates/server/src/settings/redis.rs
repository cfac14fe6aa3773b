//! Redis's address and the certificates that it is trusted by. The address may hold a password, so nothing here
//! repeats it.

use latchkey_redis::Address;

use super::catalogue;
use super::problem::Problem;
use super::reader::Reader;

impl Reader<'_> {
    /// Where Redis is; the CA's file is read now, so that a wrong path is told at once.
    pub(super) fn redis(&mut self) -> Option<Address> {
        let ca = self.read(&catalogue::REDIS_CA, |path| {
            std::fs::read(path).map_err(|error| format!("{path:?} can't be read: {error}"))
        });
        let parse =
            |url: &str| Address::parse(url, None).map(|_| url.to_owned()).map_err(|bad| bad.to_string());
        let url = self.read(&catalogue::REDIS_URL, parse);
        let Some(url) = url else {
            if ca.is_some() && !self.has_problem(catalogue::REDIS_URL.key) {
                self.problem(Problem::new(catalogue::REDIS_CA.key, "given", "it needs a redis_url"));
            }
            return None;
        };
        let address = Address::parse(&url, ca);
        address
            .map_err(|bad| self.problem(Problem::new(catalogue::REDIS_CA.key, "given", bad.to_string())))
            .ok()
    }
}
