//! Spans of runs, sent to the collector that the environment names.

use pawl_engine::Engine;
use pawl_telemetry::{Settings, Telemetry};

use super::operator;
use crate::fault::Fault;
use crate::place::Place;

/// The file beside the store that says how far runs were sent.
const FILE: &str = "spans.sent";

/// Where spans go; nothing where no collector is named.
pub(super) fn settings(place: &Place) -> Result<Option<Settings>, Fault> {
    let settings = Settings::read(|name| std::env::var(name).ok());
    let settings = settings.map_err(|error| Fault::usage(error.to_string()))?;
    let Some(mut settings) = settings else { return Ok(None) };
    settings.providers = operator::providers(place)?;
    Ok(Some(settings))
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
