//! The operator's file, and the models and MCP servers in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pawl_core::operator::Operator;
use pawl_core::route::OfferSetting;
use pawl_core::source::operator;
use pawl_engine::{EngineError, read_text};
use pawl_mcp::{Hub, Servers};
use pawl_models::{Models, ModelsError, Profiles};

use crate::fault::Fault;
use crate::place::Place;

/// The models that the operator names; none where there is no file.
pub(crate) fn models(place: &Place) -> Result<Arc<dyn Models>, Fault> {
    let (operator, folder) = read(place)?;
    Ok(Arc::new(Profiles::new(&operator, &folder, read_text)?))
}

/// The MCP servers that the operator names; none where there is no file. None of them is started by this.
pub(crate) fn servers(place: &Place) -> Result<Arc<dyn Servers>, Fault> {
    let (operator, folder) = read(place)?;
    let hub = Hub::new(&operator, &folder).map_err(|error| Fault::usage(error.to_string()))?;
    Ok(Arc::new(hub))
}

/// What the operator says of plugins.
pub(crate) fn offers(place: &Place) -> Result<Arc<BTreeMap<String, OfferSetting>>, Fault> {
    Ok(Arc::new(read(place)?.0.plugins))
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
