//! The operator's file: its models and MCP servers, and what it asks of every run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pawl_core::operator::Operator;
use pawl_core::source::operator;
use pawl_engine::{EngineConfig, EngineError, read_text};
use pawl_mcp::{Hub, Servers};
use pawl_models::{ModelsError, Profiles};

use super::engine_config;
use crate::fault::Fault;
use crate::place::Place;

/// The engine's settings for a data folder, with what the operator names and asks. No MCP server is started by this.
pub(crate) fn configured(place: &Place) -> Result<EngineConfig, Fault> {
    let (operator, folder) = read(place)?;
    let models = Arc::new(Profiles::new(&operator, &folder, read_text)?);
    let mcp = hub(&operator, &folder)?;
    let config = engine_config(place);
    let policy_file =
        place.config().map_or_else(|| config.policy_file.clone(), |path| path.display().to_string());
    Ok(EngineConfig {
        models: Some(models),
        mcp: Some(mcp),
        offers: Arc::new(operator.plugins),
        policy: operator.policy,
        policy_file,
        ..config
    })
}

/// The MCP servers that the operator names; none where there is no file. None of them is started by this.
pub(crate) fn servers(place: &Place) -> Result<Arc<dyn Servers>, Fault> {
    let (operator, folder) = read(place)?;
    hub(&operator, &folder)
}

/// The engine's settings where nothing is run: with the servers, and with what plugins shall be taken for.
pub(crate) fn unasked(place: &Place) -> Result<EngineConfig, Fault> {
    let (operator, folder) = read(place)?;
    let mcp = Some(hub(&operator, &folder)?);
    Ok(EngineConfig { mcp, offers: Arc::new(operator.plugins), ..engine_config(place) })
}

fn hub(operator: &Operator, folder: &Path) -> Result<Arc<dyn Servers>, Fault> {
    let hub = Hub::new(operator, folder).map_err(|error| Fault::usage(error.to_string()))?;
    Ok(Arc::new(hub))
}

/// The operator's file and its folder.
fn read(place: &Place) -> Result<(Operator, PathBuf), Fault> {
    let Some(path) = place.config() else { return Ok((Operator::default(), PathBuf::new())) };
    let file = path.display().to_string();
    let text = read_text(&path).map_err(|error| {
        Fault::usage(format!("cannot read {file}, the operator's file: {error}"))
            .hint("name another with --config FILE, or make this one readable")
    })?;
    let operator = operator::load(&file, &text).map_err(EngineError::from)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    Ok((operator, folder.to_owned()))
}

impl From<ModelsError> for Fault {
    fn from(error: ModelsError) -> Self {
        let text = error.to_string();
        match error {
            ModelsError::Script(problems) => EngineError::Definition(problems).into(),
            ModelsError::Unreadable { .. } => {
                Self::usage(text).hint("check `script` in pawl.yaml: it is relative to that file")
            }
            ModelsError::Address { .. } => Self::usage(text),
        }
    }
}
