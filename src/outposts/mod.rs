//! Outposts: parts of the server that run elsewhere.
