//! The log on stderr: as text, or one JSON object an entry (`PAWL_LOG_FORMAT`).

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use pawl_engine::{Clock as _, SystemClock};

use crate::fault::Fault;
use crate::output;

/// The variable that says how the log is written.
const FORMAT: &str = "PAWL_LOG_FORMAT";

/// Begins to write the log.
pub(crate) fn begin(verbose: u8) -> Result<(), Fault> {
    let is_json = is_json(std::env::var(FORMAT).ok().as_deref())?;
    let filter = match verbose {
        // What passes between pawl and MCP servers is in nobody's log.
        0 => "warn,rmcp=off",
        1 => {
            "warn,rmcp=off,pawl=info,pawl_engine=info,pawl_mcp=info,pawl_models=info,pawl_store=info,\
             pawl_sandbox=info,pawl_telemetry=info"
        }
        _ => {
            "info,rmcp=off,pawl=debug,pawl_engine=debug,pawl_mcp=debug,pawl_models=debug,pawl_store=debug,\
             pawl_sandbox=debug,pawl_telemetry=debug"
        }
    };
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(|| output::Log);
    if is_json {
        log.fmt_fields(JsonFields).event_format(Json).init();
    } else {
        log.with_ansi(false).with_target(verbose > 0).without_time().init();
    }
    Ok(())
}

fn is_json(format: Option<&str>) -> Result<bool, Fault> {
    match format.unwrap_or_default() {
        "" | "text" => Ok(false),
        "json" => Ok(true),
        other => Err(Fault::usage(format!("{FORMAT} is '{other}', which is no format of the log"))
            .hint("write text or json, or unset it")),
    }
}

/// Fields as a JSON object.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

/// What spans keep of their fields until an entry is written.
#[derive(Debug)]
struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut kept = Fields::default();
        fields.record(&mut kept);
        write!(writer, "{}", Value::Object(kept.0))
    }
}

/// One JSON object an entry, on a line of its own.
#[derive(Debug)]
struct Json;

impl<S> FormatEvent<S, JsonFields> for Json
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut entry = Fields::default();
        // What stands around the entry first: its own fields say more.
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            let extensions = span.extensions();
            let kept = extensions.get::<FormattedFields<JsonFields>>();
            if let Some(Ok(Value::Object(fields))) = kept.map(|kept| serde_json::from_str(&kept.fields)) {
                entry.0.extend(fields);
            }
        }
        event.record(&mut entry);
        let about = event.metadata();
        entry.0.insert("time".to_owned(), SystemClock.now().to_string().into());
        entry.0.insert("level".to_owned(), about.level().as_str().to_ascii_lowercase().into());
        entry.0.insert("target".to_owned(), about.target().into());
        writeln!(writer, "{}", Value::Object(entry.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Debug, Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_entry_is_one_object_with_the_run_and_step_around_it() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields)
            .event_format(Json)
            .finish();
        tracing::subscriber::with_default(log, || {
            let span = tracing::error_span!("attempt", run = %"r-1", step = %"think", attempt = 2_u32);
            span.in_scope(|| tracing::warn!(wait_ms = 7_u64, "asked \"again\"\nand again"));
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let entry: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&entry["run"], &entry["step"], &entry["attempt"]),
            (&"r-1".into(), &"think".into(), &2.into())
        );
        assert_eq!((&entry["level"], &entry["wait_ms"]), (&"warn".into(), &7.into()));
        assert_eq!(entry["message"], "asked \"again\"\nand again");
        assert!(entry["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_format_that_is_none_is_refused() {
        assert_eq!([None, Some(""), Some("text")].map(|format| is_json(format).unwrap()), [false; 3]);
        assert!(is_json(Some("json")).unwrap());
        assert!(is_json(Some("xml")).unwrap_err().message.contains("PAWL_LOG_FORMAT is 'xml'"));
    }
}
