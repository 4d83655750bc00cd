//! Devices of people: enrolled and asked for in flows, as the executor walks through them.

mod lab;
mod messages;
mod one_time;
mod passkeys;
