//! Media type and coding of a body (RFC 9110 section 8).

use crate::request::Request;

/// Returns true if a body is declared to be JSON in UTF-8 and not compressed. A body without a media type may be JSON.
pub(super) fn is_plain_json(request: &Request<'_>) -> bool {
    let encoded = |coding: &[u8]| !matches!(&*coding.trim_ascii().to_ascii_lowercase(), b"" | b"identity");
    if request.spelled_values("content-encoding").any(encoded) {
        return false;
    }
    let mut types = request.spelled_values("content-type");
    match (types.next(), types.next()) {
        (None, _) => true,
        (Some(text), None) => std::str::from_utf8(text).is_ok_and(is_json),
        (Some(_), Some(_)) => false,
    }
}

fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let structured = name.strip_prefix("application/").is_some_and(|name| name.ends_with("+json"));
    let json = matches!(&*name, "application/json" | "text/json") || structured;
    // A parameter that names a charset twice, or in a way that only some readers understand, is not one of UTF-8.
    let mut charsets = parts.filter(|part| part.to_ascii_lowercase().contains("charset"));
    let utf8 = |part: &str| {
        let value = part.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
        let value = value.map(|(_, value)| value.trim_matches('"').to_ascii_lowercase());
        matches!(value.as_deref(), Some("utf-8" | "utf8" | "us-ascii"))
    };
    json && !name.contains(',') && charsets.next().is_none_or(utf8) && charsets.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_in_utf8_is_readable() {
        for text in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/vnd.api+json; version=1",
            "text/json",
        ] {
            assert!(is_json(text), "{text}");
        }
        for text in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json; charset*=utf-8",
            "application/json, application/x-www-form-urlencoded",
            "application/jsonp",
            "x+json",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }
}
