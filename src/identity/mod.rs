//! People, groups, applications, brands and what else the server runs on: one kind in one file.
