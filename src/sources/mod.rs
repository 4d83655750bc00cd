//! Sources: where users and groups come from.
