//! What a client program says that it is, for people who look at their sessions. A guess: nothing depends on it.

use serde_json::{Value, json};

/// Browsers by the token that names them, the more special ones first: they carry the names of the others as well.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome Mobile iOS"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("curl/", "curl"),
];
/// Systems likewise.
const SYSTEMS: [(&str, &str); 6] = [
    ("Windows NT ", "Windows"),
    ("Android ", "Android"),
    ("CPU iPhone OS ", "iOS"),
    ("CPU OS ", "iOS"),
    ("Mac OS X ", "Mac OS X"),
    ("Linux", "Linux"),
];

/// Browser, system and device of a `User-Agent`.
pub fn describe(text: &str) -> Value {
    let (browser, [major, minor, patch, _]) = find(text, &BROWSERS);
    let (system, [os_major, os_minor, os_patch, os_patch_minor]) = find(text, &SYSTEMS);
    let device = match system {
        "iOS" if text.contains("iPhone") => json!({ "family": "iPhone", "brand": "Apple", "model": "iPhone" }),
        "iOS" => json!({ "family": "iPad", "brand": "Apple", "model": "iPad" }),
        "Mac OS X" => json!({ "family": "Mac", "brand": "Apple", "model": "Mac" }),
        _ => json!({ "family": "Other", "brand": null, "model": null }),
    };
    json!({
        "string": text,
        "user_agent": { "family": browser, "major": major, "minor": minor, "patch": patch },
        "os": {
            "family": system,
            "major": os_major,
            "minor": os_minor,
            "patch": os_patch,
            "patch_minor": os_patch_minor,
        },
        "device": device,
    })
}

/// The first known name, and the numbers that follow its token.
fn find<'t>(text: &'t str, known: &[(&str, &'static str)]) -> (&'static str, [Option<&'t str>; 4]) {
    for (token, name) in known {
        let Some((_, rest)) = text.split_once(token) else { continue };
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && !matches!(letter, '.' | '_'));
        let mut numbers = rest[..end.unwrap_or(rest.len())].split(['.', '_']).filter(|number| !number.is_empty());
        return (name, std::array::from_fn(|_| numbers.next()));
    }
    ("Other", [None; 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_clients_are_recognised() {
        let table = [
            ("python-httpx/0.27.0", "Other", None, "Other", "Other"),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox",
                Some("128"),
                "Linux",
                "Other",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 \
                 Safari/537.36 Edg/126.0.0.0",
                "Edge",
                Some("126"),
                "Windows",
                "Other",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari",
                Some("17"),
                "iOS",
                "iPhone",
            ),
            ("", "Other", None, "Other", "Other"),
        ];
        for (text, browser, major, system, device) in table {
            let found = describe(text);
            assert_eq!(found["user_agent"]["family"], browser, "{text}");
            assert_eq!(found["user_agent"]["major"].as_str(), major, "{text}");
            assert_eq!(found["os"]["family"], system, "{text}");
            assert_eq!(found["device"]["family"], device, "{text}");
        }
    }
}
