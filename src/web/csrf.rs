//! Requests that change something with the rights of a session come from this server's own pages, or from a program that
//! knows the session's secret.

use subtle::ConstantTimeEq;

use crate::identity::visit::Visit;

/// Whether a request may change something in a session whose secret this is.
///
/// Browsers say where a request comes from in `Sec-Fetch-Site`, older ones in `Origin`; another site's page can set
/// neither. Programs that are no browsers repeat the secret of the cookie `authentik_csrf` in a header.
///
/// # Errors
/// What is wrong, as the reference says it.
pub fn check(visit: &Visit, secret: &str) -> Result<(), &'static str> {
    if matches!(visit.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE") {
        return Ok(());
    }
    if matches!(visit.header("sec-fetch-site"), Some("same-origin" | "none")) {
        return Ok(());
    }
    let origin = visit.header("origin");
    if visit.header("sec-fetch-site").is_none() && origin.is_some_and(|origin| same(origin, &visit.origin())) {
        return Ok(());
    }
    match visit.header("x-authentik-csrf") {
        Some(shown) if !secret.is_empty() && bool::from(shown.as_bytes().ct_eq(secret.as_bytes())) => Ok(()),
        Some(_) => Err("CSRF Failed: CSRF token from the 'X-Authentik-Csrf' HTTP header incorrect."),
        None => Err("CSRF Failed: CSRF token missing."),
    }
}

/// Whether two origins are one: a browser leaves the scheme's own port out.
fn same(left: &str, right: &str) -> bool {
    let plain = |origin: &str| {
        let origin = origin.to_ascii_lowercase();
        let port = if origin.starts_with("https:") { ":443" } else { ":80" };
        origin.strip_suffix(port).map(str::to_owned).unwrap_or(origin)
    };
    plain(left) == plain(right)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn only_own_pages_and_who_knows_the_secret_change_something() {
        let missing = Err("CSRF Failed: CSRF token missing.");
        let wrong = Err("CSRF Failed: CSRF token from the 'X-Authentik-Csrf' HTTP header incorrect.");
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Result<(), &'a str>);
        let table: &[Case<'_>] = &[
            ("GET", &[("sec-fetch-site", "cross-site")], Ok(())),
            ("HEAD", &[], Ok(())),
            ("POST", &[], missing),
            ("DELETE", &[], missing),
            ("POST", &[("sec-fetch-site", "same-origin")], Ok(())),
            ("POST", &[("sec-fetch-site", "none")], Ok(())),
            ("POST", &[("sec-fetch-site", "same-site")], missing),
            ("POST", &[("sec-fetch-site", "cross-site")], missing),
            ("POST", &[("sec-fetch-site", "cross-site"), ("origin", "https://id.example.org")], missing),
            ("POST", &[("origin", "https://id.example.org")], Ok(())),
            ("POST", &[("origin", "https://ID.example.org:443")], Ok(())),
            ("POST", &[("origin", "http://id.example.org")], missing),
            ("POST", &[("origin", "https://id.example.org.evil.example")], missing),
            ("POST", &[("origin", "https://evil.example")], missing),
            ("POST", &[("origin", "null")], missing),
            ("POST", &[("referer", "https://id.example.org/")], missing),
            ("POST", &[("x-authentik-csrf", "secret")], Ok(())),
            ("POST", &[("x-authentik-csrf", "secre")], wrong),
            ("POST", &[("x-authentik-csrf", "")], wrong),
        ];
        for (method, headers, expected) in table {
            let visit = Visit {
                id: uuid::Uuid::nil(),
                method: (*method).to_owned(),
                path: "/".to_owned(),
                query: String::new(),
                host: "id.example.org".to_owned(),
                secure: true,
                headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
                client: Ipv4Addr::LOCALHOST.into(),
                outpost: None,
                brand: None,
            };
            assert_eq!(check(&visit, "secret"), *expected, "{method} {headers:?}");
        }
        // A session without a secret is opened by no header.
        let visit = Visit {
            id: uuid::Uuid::nil(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            host: String::new(),
            secure: true,
            headers: vec![("x-authentik-csrf".to_owned(), String::new())],
            client: Ipv4Addr::LOCALHOST.into(),
            outpost: None,
            brand: None,
        };
        assert_eq!(check(&visit, ""), wrong);
    }
}
