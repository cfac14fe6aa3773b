//! Tests of the URL's parts, none of which connects.

use super::*;

fn refused(url: &str) -> Option<InvalidUrl> {
    parse(url).err()
}

fn mode(query: &str) -> String {
    format!("{:?}", parse(&format!("postgres://u@db/d?{query}")).unwrap()[0].options.get_ssl_mode())
}

#[test]
fn several_hosts_have_their_own_ports_and_share_the_rest() {
    let hosts = parse("postgres://u:p%40q@h1:5432,h2:5433,h3/db?target_session_attrs=read-write").unwrap();
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["h1:5432", "h2:5433", "h3:5432"]);
    let all = |check: fn(&PgConnectOptions) -> bool| hosts.iter().all(|host| check(&host.options));
    assert!(all(|options| options.get_username() == "u" && options.get_database() == Some("db")));
}

#[test]
fn attributes_of_sessions_that_cannot_write_are_refused() {
    for attributes in ["read-only", "standby", "prefer-standby", ""] {
        let url = format!("postgres://u@h/db?target_session_attrs={attributes}");
        assert_eq!(refused(&url), Some(InvalidUrl::SessionAttributes), "{url}");
    }
}

#[test]
fn a_parameter_that_would_be_ignored_is_refused() {
    for (query, words) in [
        ("pasword=canary", "number 1 (did you mean password?);"),
        ("ssl=canary", "number 1 (ssl);"),
        ("sslmode=require&connect_timeout=canary", "number 2 (connect_timeout);"),
        ("password=one&canary", "number 2;"),
        ("canary=canary", "number 1;"),
    ] {
        let error = refused(&format!("postgres://u@h/d?{query}")).unwrap().to_string();
        assert!(error.contains(words) && !error.contains("canary"), "{query}: {error}");
    }
    assert_eq!(refused("postgres://u@h/d?application_name=a&options[geqo]=off&user=v"), None);
}

#[test]
fn the_certificate_is_verified_as_in_libpq() {
    assert_eq!(mode("sslmode=require"), "Require");
    assert_eq!(mode("sslmode=require&sslrootcert=/ca.pem"), "VerifyCa");
    assert_eq!(mode("sslrootcert=system"), "VerifyFull");
    assert_eq!(refused("postgres://u@h/d?sslmode=verify-ca"), Some(InvalidUrl::WeakVerification));
    assert_eq!(
        refused("postgres://u@h/d?sslmode=require&sslrootcert=system"),
        Some(InvalidUrl::WeakVerification)
    );
    assert_eq!(refused("postgres://u@h/d?sslmode=verify_full"), Some(InvalidUrl::SslMode));
}

#[test]
fn the_protection_of_a_connection_is_known() {
    let transport = |url: &str| parse(url).unwrap()[0].transport;
    assert_eq!(transport("postgres://u@127.0.0.1/d"), Transport::Local);
    assert_eq!(transport("postgres://u@localhost/d?host=/run/postgresql"), Transport::Local);
    assert_eq!(transport("postgres://u@db/d"), Transport::Plain);
    assert_eq!(transport("postgres://u@db/d?sslmode=require"), Transport::Unverified);
    assert_eq!(transport("postgres://u@db/d?sslmode=verify-full"), Transport::Verified);
}

#[test]
fn an_ipv6_address_is_connected_to_without_its_brackets() {
    let hosts = parse("postgres://u@[::1]:5433,[2001:db8::7],db/x").unwrap();
    let seen: Vec<_> = hosts.iter().map(|host| (host.options.get_host(), host.name.as_str())).collect();
    let expected = [("::1", "[::1]:5433"), ("2001:db8::7", "[2001:db8::7]:5432"), ("db", "db:5432")];
    assert_eq!(seen, expected);
    assert_eq!(hosts[0].transport, Transport::Local);
    assert_eq!(hosts[1].transport, Transport::Plain);
    for parameter in ["hostaddr=::1", "host=::1", "host=[::1]", "host=fe80::1%25eth0"] {
        let url = format!("postgres://u@db/x?{parameter}");
        let host = parse(&url).unwrap().remove(0);
        assert!(!host.options.get_host().contains('['), "{url}");
        assert!(host.name.starts_with('[') && host.name.ends_with("]:5432"), "{url}: {}", host.name);
    }
    assert!(matches!(refused("postgres://u@[::1/x"), Some(InvalidUrl::Form)));
}

#[test]
fn a_user_is_needed() {
    for url in
        ["postgres://h/d", "postgres://:p@h/d", "postgres:///d?host=/run/postgresql", "postgres://h/d?user="]
    {
        assert_eq!(refused(url), Some(InvalidUrl::User), "{url}");
    }
    assert_eq!(refused("postgres://h/d?user=u"), None);
    assert_eq!(refused("postgres:///d?host=/run/postgresql&user=u"), None);
}

#[test]
fn values_that_the_url_does_not_give_are_libpqs_own_defaults() {
    let options = parse("postgres://u@h").unwrap().remove(0).options;
    assert_eq!((options.get_host(), options.get_port()), ("h", 5432));
    assert_eq!((options.get_username(), options.get_database()), ("u", Some("u")));
    assert_eq!(options.get_application_name(), Some("latchkey"));
    assert!(matches!(options.get_ssl_mode(), PgSslMode::Prefer));
    let options = parse("postgres://h/d?user=u&port=6000&application_name=a").unwrap().remove(0).options;
    assert_eq!((options.get_port(), options.get_application_name()), (6000, Some("a")));
    assert_eq!((options.get_username(), options.get_database()), ("u", Some("d")));
}
