//! The query of a flow's page: pairs in their order.

/// The pairs of a query.
pub fn parse(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// A query of pairs.
pub fn encode(query: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
}

/// The last value of a key.
pub fn value<'q>(query: &'q [(String, String)], key: &str) -> Option<&'q str> {
    query.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}
