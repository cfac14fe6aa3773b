//! URL of Sentinels: `redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME`, optionally followed by `/NUMBER` and
//! `?sentinel_user=USER&sentinel_password=PASSWORD`.

use redis::{ConnectionInfo, RedisConnectionInfo};

use super::{InvalidUrl, node};

/// Port of a Sentinel whose URL names none.
const PORT: u16 = 26_379;

/// Name of a primary in Sentinel, and how to log in to it.
#[derive(Clone)]
pub(crate) struct PrimaryOfSentinels {
    pub(crate) name: String,
    /// True if connections use TLS.
    pub(crate) tls: bool,
    /// Credentials and number of the database.
    pub(crate) settings: RedisConnectionInfo,
    /// True if the Sentinels have credentials of their own.
    pub(crate) own_credentials: bool,
}

/// Parses what follows `://`. Returns the Sentinels and their primary.
pub(super) fn parse(
    scheme: &str,
    rest: &str,
) -> Result<(Vec<ConnectionInfo>, PrimaryOfSentinels), InvalidUrl> {
    if rest.contains("#insecure") {
        return Err(InvalidUrl::Insecure);
    }
    if rest.contains('#') {
        return Err(InvalidUrl::Sentinel);
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (format!("{user}@"), rest),
        None => (String::new(), rest),
    };
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, number) = path.split_once('/').unwrap_or((path, ""));
    if hosts.split(',').any(|host| host.trim().is_empty()) {
        return Err(InvalidUrl::Sentinel);
    }
    // Sentinel permits these characters alone ("The valid charset is A-z 0-9 and the three characters .-_").
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) {
        return Err(InvalidUrl::PrimaryName);
    }
    if !number.is_empty() && number.parse::<u32>().is_err() {
        return Err(InvalidUrl::DatabaseNumber);
    }
    let own = own_credentials(query)?;
    let primary = node(&format!("{scheme}://{user}primary/{number}"))?;
    let sentinel = |host: &str| {
        let port = if has_port(host) { String::new() } else { format!(":{PORT}") };
        node(&format!("{scheme}://{own}{host}{port}"))
    };
    let sentinels = hosts.split(',').map(|host| sentinel(host.trim())).collect::<Result<_, _>>();
    let primary = PrimaryOfSentinels {
        name: name.to_owned(),
        tls: scheme == "rediss",
        settings: primary.redis_settings().clone(),
        own_credentials: !own.is_empty(),
    };
    Ok((sentinels.map_err(|_| InvalidUrl::Sentinel)?, primary))
}

/// Returns the Sentinels' own credentials as they are written in a URL.
fn own_credentials(query: &str) -> Result<String, InvalidUrl> {
    let (mut user, mut password) = ("", None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sentinel_user", given)) => user = given,
            Some(("sentinel_password", given)) => password = Some(given),
            _ => return Err(InvalidUrl::SentinelParameter),
        }
    }
    match password {
        Some(password) if !password.is_empty() && !password.contains([':', '@', '/']) => {
            Ok(format!("{user}:{password}@"))
        }
        None if user.is_empty() => Ok(String::new()),
        _ => Err(InvalidUrl::SentinelParameter),
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(before, _)| !before.starts_with('[') || before.ends_with(']'))
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    #[test]
    fn sentinels_their_primary_and_both_credentials_are_read() {
        let url =
            "ada:can%40ary@a:1,b, [::1]:3,[::2]/my-primary.1/2?sentinel_user=eve&sentinel_password=s%3Aecret";
        let (nodes, primary) = parse("redis", url).unwrap();
        let hosts: Vec<_> = nodes.iter().map(|node| node.addr().to_string()).collect();
        assert_eq!(hosts, ["a:1", "b:26379", "::1:3", "::2:26379"]);
        assert_eq!(
            (primary.name.as_str(), primary.tls, primary.own_credentials),
            ("my-primary.1", false, true)
        );
        assert_eq!(
            (primary.settings.username(), primary.settings.password()),
            (Some("ada"), Some("can@ary"))
        );
        assert_eq!(primary.settings.db(), 2);
        for node in &nodes {
            assert_eq!(node.redis_settings().username(), Some("eve"));
            assert_eq!((node.redis_settings().password(), node.redis_settings().db()), (Some("s:ecret"), 0));
        }
        let (nodes, primary) = parse("rediss", "ada:canary@a/x").unwrap();
        assert!(matches!(nodes[0].addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        assert_eq!(nodes[0].redis_settings().password(), None, "Redis's password is not sent to a Sentinel");
        assert!(primary.tls && !primary.own_credentials);
    }

    #[test]
    fn a_wrong_url_is_answered_with_the_right_form() {
        for (rest, error) in [
            ("a:1,b:2", InvalidUrl::PrimaryName),
            ("a:1,b:2/", InvalidUrl::PrimaryName),
            ("a:1/my primary", InvalidUrl::PrimaryName),
            ("a:1,/x", InvalidUrl::Sentinel),
            ("/x", InvalidUrl::Sentinel),
            ("", InvalidUrl::Sentinel),
            ("a:port/x", InvalidUrl::Sentinel),
            ("a:1#x", InvalidUrl::Sentinel),
            ("a:1/x#insecure", InvalidUrl::Insecure),
            ("a:1/x/y", InvalidUrl::DatabaseNumber),
            ("a:1/x/-1", InvalidUrl::DatabaseNumber),
            ("a:1/x/1/2", InvalidUrl::DatabaseNumber),
            ("a:1/x?db=1", InvalidUrl::SentinelParameter),
            ("a:1/x?sentinel_user=eve", InvalidUrl::SentinelParameter),
            ("a:1/x?sentinel_password=", InvalidUrl::SentinelParameter),
            ("a:1/x?sentinel_password=a@b", InvalidUrl::SentinelParameter),
        ] {
            assert_eq!(parse("redis", rest).map(|_| ()).unwrap_err(), error, "{rest}");
        }
        for url in ["redis-sentinel://a:1/x", "sentinel://a:1", "unix+sentinel:///x", "redis+sentinels://a/x"]
        {
            assert_eq!(crate::Address::parse(url, None).unwrap_err(), InvalidUrl::Sentinel, "{url}");
        }
    }
}
