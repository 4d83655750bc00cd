//! Hash maps for keys that are looked up all the time.
//!
//! The standard library's hasher resists keys that an attacker chooses and times, and is slow for short ones. The keys
//! here are ids, indexes, names of fields and natural identifiers of a person's own documents; this hasher is still
//! seeded anew in every process, so the order of iteration says nothing.

/// The hasher of maps that are in one piece.
pub type Fast = foldhash::fast::RandomState;

/// The hasher of maps that take a few bits of the hash at a time, and need all of them to be good.
pub type Even = foldhash::quality::RandomState;

/// A map by hash.
pub type FastMap<K, V> = std::collections::HashMap<K, V, Fast>;

/// A set by hash.
pub type FastSet<K> = std::collections::HashSet<K, Fast>;

/// A map by hash that keeps the order of insertion.
pub type FastIndexMap<K, V> = indexmap::IndexMap<K, V, Fast>;
