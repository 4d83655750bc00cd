//! Providers: the protocols by which applications use the identities.
