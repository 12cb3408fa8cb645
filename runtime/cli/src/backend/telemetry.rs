//! Spans of runs, sent to the collector that the command line, the environment or `telemetry` in `pawl.yaml` names.

use std::path::Path;
use std::sync::PoisonError;

use pawl_core::operator::{KeptValue, KeyPlace, Operator};
use pawl_engine::{Engine, read_text};
use pawl_telemetry::{Given, Settings, Telemetry};

use super::{Service, operator};
use crate::fault::Fault;
use crate::place::Place;

/// The file beside the store that says how far runs were sent.
const FILE: &str = "spans.sent";
/// What takes the place of all headers of the file.
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// Where spans go, for a process that begins; nothing where no collector is named. Without the collector's key this
/// process sends none: they wait for one that has it, and nobody else is kept from the runs.
pub(super) fn settings(place: &Place) -> Result<Option<Settings>, Fault> {
    let (operator, folder) = operator::read(place)?;
    match given(&operator, &folder) {
        Ok(file) => layered(place, &operator, &file),
        Err(fault) => {
            tracing::warn!("this process sends no spans: {}", fault.text());
            Ok(None)
        }
    }
}

/// The same by an operator's file that is read anew.
pub(super) fn settings_of(
    place: &Place,
    operator: &Operator,
    folder: &Path,
) -> Result<Option<Settings>, Fault> {
    layered(place, operator, &given(operator, folder)?)
}

fn layered(place: &Place, operator: &Operator, file: &Given) -> Result<Option<Settings>, Fault> {
    let spans = place.spans();
    let flags =
        Given { endpoint: spans.endpoint.clone(), service: spans.service.clone(), ..Given::default() };
    let settings = Settings::layered(&flags, |name| std::env::var(name).ok(), file);
    let settings = settings.map_err(|error| Fault::usage(error.to_string()))?;
    let Some(mut settings) = settings else { return Ok(None) };
    settings.providers = operator::providers(operator);
    Ok(Some(settings))
}

/// What the operator's file says.
fn given(operator: &Operator, folder: &Path) -> Result<Given, Fault> {
    let says = &operator.telemetry;
    let is_set = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    let headers = if HEADERS.into_iter().any(is_set) {
        Vec::new()
    } else {
        let all = says.headers.iter();
        all.map(|(name, kept)| Ok((name.clone(), value(name, kept, folder)?)))
            .collect::<Result<_, Fault>>()?
    };
    Ok(Given {
        endpoint: says.endpoint.clone(),
        headers,
        service: says.service.clone(),
        timeout_ms: says.timeout.map(|timeout| timeout.0),
        content: says.content,
    })
}

/// A header's value, from where it is kept.
fn value(name: &str, kept: &KeptValue, folder: &Path) -> Result<String, Fault> {
    let (text, place) = match &kept.place {
        KeyPlace::Env(variable) => {
            (std::env::var(variable).map_err(|error| error.to_string()), format!("the variable {variable}"))
        }
        KeyPlace::File(path) => {
            let path = folder.join(path);
            (read_text(&path).map_err(|error| error.to_string()), format!("the file {}", path.display()))
        }
    };
    let unusable = |why: &str| {
        Fault::usage(format!("{place}, which `telemetry.headers` in pawl.yaml names for '{name}', {why}"))
            .hint("put the value there and nothing else")
    };
    let text = text.map_err(|reason| unusable(&format!("cannot be read: {reason}")))?;
    match text.trim() {
        "" => Err(unusable("is empty")),
        value => Ok(format!("{}{value}", kept.prefix)),
    }
}

/// Begins to send them.
pub(super) fn start(engine: &Engine, settings: Settings, place: &Place) -> Result<Telemetry, Fault> {
    let file = (!place.ephemeral).then(|| place.store_folder().join(FILE));
    Telemetry::start(engine, settings, file.as_deref()).map_err(|error| {
        let file = file.unwrap_or_default();
        Fault::unusable(format!("cannot use {}, which says how far spans were sent: {error}", file.display()))
            .hint("make the file usable, or remove it: then spans of runs that are over are not sent again")
    })
}

impl Service {
    /// Reads the operator's file anew, and has it hold from now on. One that cannot be used changes nothing.
    pub(crate) async fn reload(&self, place: &Place, before: &Operator) -> Result<Operator, Fault> {
        let (operator, says, spans) = operator::reloaded(place, before, self.engine().servers())?;
        self.send_to(spans, place)?;
        self.engine().reload(says).await;
        Ok(operator)
    }

    /// From now on spans go where these say. What is not sent when they go nowhere any more waits in the journals.
    fn send_to(&self, settings: Option<Settings>, place: &Place) -> Result<(), Fault> {
        let mut sending = self.telemetry.lock().unwrap_or_else(PoisonError::into_inner);
        match (sending.as_ref(), settings) {
            (Some(telemetry), Some(settings)) => telemetry.reload(settings),
            (None, Some(settings)) => *sending = Some(start(self.engine(), settings, place)?),
            (_, None) => *sending = None,
        }
        Ok(())
    }
}
