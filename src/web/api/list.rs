//! Lists: one page of them, in the envelope that clients know.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use crate::{
    flows::query,
    web::refusal::{Refusal, json_answer},
};

/// Items of a page when the request does not say.
const PAGE: usize = 20;
/// The most items of a page.
const LARGEST: usize = 100;

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// As the query says: `page` and `page_size`. A size that is no number, or zero, is the usual one.
    ///
    /// # Errors
    /// When the page is no number from 1 on.
    pub fn of(query: &str) -> Result<Page, Refusal> {
        let query = query::parse(query);
        let value = |name: &str| query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let size = value("page_size").and_then(|size| size.parse().ok()).filter(|size| *size > 0).unwrap_or(PAGE);
        let number = match value("page") {
            None => 1,
            Some(number) => number.parse().ok().filter(|number| *number > 0).ok_or(Refusal::NoPage)?,
        };
        Ok(Page { number, size: size.min(LARGEST) })
    }

    /// The page of a list that has been read whole.
    ///
    /// # Errors
    /// When the list is not that long.
    pub fn cut<T>(self, items: &[T]) -> Result<(&[T], Value), Refusal> {
        let count = items.len();
        let pages = count.div_ceil(self.size).max(1);
        if self.number > pages {
            return Err(Refusal::NoPage);
        }
        let first = (self.number - 1) * self.size;
        let last = (first + self.size).min(count);
        let pagination = json!({
            "next": if self.number < pages { self.number + 1 } else { 0 },
            "previous": self.number - 1,
            "count": count,
            "current": self.number,
            "total_pages": pages,
            "start_index": if count == 0 { 0 } else { first + 1 },
            "end_index": last,
        });
        Ok((&items[first..last], pagination))
    }
}

/// A list of which a page is shown.
///
/// # Errors
/// When there is no such page.
pub fn answer<T>(query: &str, items: &[T], show: impl Fn(&T) -> Value) -> Result<Response, Refusal> {
    let (shown, pagination) = Page::of(query)?.cut(items)?;
    let results: Vec<Value> = shown.iter().map(show).collect();
    Ok(json_answer(StatusCode::OK, &json!({ "pagination": pagination, "results": results })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_as_clients_expect() {
        let items: Vec<usize> = (1..=13).collect();
        // Query; next, previous, count, current, total_pages, start_index, end_index.
        let table: &[(&str, [usize; 7])] = &[
            ("page_size=3&page=2", [3, 1, 13, 2, 5, 4, 6]),
            ("page_size=0", [0, 0, 13, 1, 1, 1, 13]),
            ("", [0, 0, 13, 1, 1, 1, 13]),
            ("page_size=5&page=3", [0, 2, 13, 3, 3, 11, 13]),
            ("page_size=many", [0, 0, 13, 1, 1, 1, 13]),
        ];
        for (query, expected) in table {
            let (_, found) = Page::of(query).and_then(|page| page.cut(&items)).expect("a page");
            let found: Vec<u64> = found.as_object().expect("a mapping").values().filter_map(Value::as_u64).collect();
            assert_eq!(found, expected.map(|number| number as u64), "{query}");
        }
        for query in ["page=abc", "page=0", "page=-1", "page_size=3&page=999"] {
            assert!(matches!(Page::of(query).and_then(|page| page.cut(&items)), Err(Refusal::NoPage)), "{query}");
        }
        let (none, found) = Page::of("").and_then(|page| page.cut(&items[..0])).expect("the first page of nothing");
        assert!(none.is_empty());
        assert_eq!((&found["total_pages"], &found["start_index"]), (&json!(1), &json!(0)));
    }
}
