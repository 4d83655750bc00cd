//! Section `[log]`, and the set-up of `tracing` from it: events go to standard error.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::Problem;

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How events are written.
    pub format: Format,
    /// Least severe level that is written (`error`, `warn`, `info`, `debug`, `trace`, `off`), or a filter such as
    /// `info,gatewright::blueprint=debug`.
    pub level: String,
}

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// A line of text for each event.
    Text,
    /// A JSON object for each event.
    Json,
}

/// Names of levels, as a filter has them.
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

impl Default for Log {
    fn default() -> Self {
        Log { format: Format::Auto, level: "info".into() }
    }
}

impl Log {
    pub(super) fn check(&self) -> Vec<Problem> {
        filter(&self.level).err().map(|reason| Problem::new("log.level", reason)).into_iter().collect()
    }
}

/// Reads a filter. A part without `=` must be a level: the filter's own grammar would take a mistyped level for the
/// name of a module and let everything of it through. Filters with span fields have a grammar of their own.
fn filter(level: &str) -> Result<EnvFilter, String> {
    for part in level.split(',').map(str::trim) {
        let known = LEVELS.iter().any(|known| known.eq_ignore_ascii_case(part));
        if !known && !level.contains('{') && !part.contains(['=', '[']) {
            return Err(format!("knows no level `{part}`; levels are {}", LEVELS.join(", ")));
        }
    }
    EnvFilter::builder().parse(level).map_err(|error| format!("is not a filter: {error}"))
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` does not parse.
    #[error("log.level {0}")]
    Level(String),
    /// Something else in the process has set up a log before.
    #[error("the log is already set up")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Sends the events of the whole process to standard error. `terminal` says whether that is one, `colour` whether
/// text may be coloured.
///
/// # Errors
/// When the level is not a filter, or a log is set up already.
pub fn init(log: &Log, terminal: bool, colour: bool) -> Result<(), LogError> {
    Ok(tracing::subscriber::set_global_default(subscriber(log, terminal, colour, std::io::stderr)?)?)
}

fn subscriber<W>(
    log: &Log,
    terminal: bool,
    colour: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = filter(&log.level).map_err(LogError::Level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(writer);
    Ok(match (log.format, terminal) {
        (Format::Text, _) | (Format::Auto, true) => Box::new(builder.finish()),
        (Format::Json, _) | (Format::Auto, false) => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, terminal: bool) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let log = Log { format, level: "warn,gatewright=info".into() };
        let subscriber = subscriber(&log, terminal, false, move || writer.clone()).expect("the level is a filter");
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "gatewright::store", rows = 3, "committed");
            tracing::info!(target: "sqlx", "not shown");
        });
        let bytes = buffer.0.lock().expect("one thread").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_terminal_gets_text_and_a_pipe_json() {
        for (format, terminal, json) in [
            (Format::Auto, true, false),
            (Format::Auto, false, true),
            (Format::Text, false, false),
            (Format::Json, true, true),
        ] {
            let written = written(format, terminal);
            assert_eq!(written.lines().count(), 1, "{written}");
            assert_eq!(written.contains(r#""message":"committed","rows":3"#), json, "{format:?} {terminal} {written}");
            assert_eq!(written.contains("INFO gatewright::store: committed rows=3"), !json, "{written}");
        }
    }
}
