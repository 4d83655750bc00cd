//! Where a flow may send somebody afterwards.
//!
//! `next` comes from the query, so anybody can write it: it must stay on this server. It is judged as a browser would read
//! it, by parsing, and everything that browsers and parsers read differently is refused.

/// The name of the stage that sends somebody elsewhere.
pub const PASSING_REDIRECT: &str = "gatewright.redirect";

/// A `next` that stays on this server, as path, query and fragment; nothing when it leads elsewhere or could be taken to.
pub fn within(next: &str) -> Option<&str> {
    // Browsers drop tabs and line ends and take a backslash for a slash; neither is part of any address of this server.
    let plain = next.chars().all(|letter| !letter.is_control() && letter != '\\' && !letter.is_whitespace());
    if !plain || next.starts_with("//") {
        return None;
    }
    if next.starts_with('/') {
        return Some(next);
    }
    // Without a leading slash it is a relative reference, or begins with a scheme. Those of one path segment or with a
    // query only are the former; a colon before the first slash, `?` or `#` makes it the latter.
    let head = next.split(['/', '?', '#']).next().unwrap_or_default();
    (!head.contains(':') && !next.is_empty()).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn only_this_server_is_within() {
        for next in
            ["/", "/apps", "/if/user/#/settings;%7B%22page%22%3A%22page-details%22%7D", "apps?x=http://evil/", "?a=b"]
        {
            assert_eq!(within(next), Some(next));
        }
        for next in [
            "",
            "//evil.example/",
            "https://evil.example/",
            "http:evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "\\\\evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "\u{1}javascript:alert(1)",
            " //evil.example",
            "java\nscript:alert(1)",
            "///evil.example",
            "mailto:a@b",
            "evil.example:80/x",
            "/ /evil",
        ] {
            assert_eq!(within(next), None, "{next:?}");
        }
    }
}
