//! Text for people: kept short.

/// At most `limit` characters of a text. A text that does not fit ends with `…`, which counts.
pub fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => {
            let end = text.char_indices().nth(limit.saturating_sub(1)).map_or(0, |(at, _)| at);
            format!("{}…", &text[..end])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn a_text_is_cut_by_characters_and_says_so() {
        for (text, limit, expected) in
            [("", 0, ""), ("añb", 3, "añb"), ("añbc", 3, "añ…"), ("abc", 1, "…"), ("ñññ", 2, "ñ…")]
        {
            assert_eq!(shorten(text, limit), expected, "{text} to {limit}");
        }
    }
}
