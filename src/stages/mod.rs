//! Stages: the steps of a flow, each kind with its behaviour in one file.

pub mod password;
