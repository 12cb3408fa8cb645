//! What lies in a plugin folder: `plugin.toml`, and the component before it is compiled.

use pawl_sandbox::{ComponentLimits, Limits, Manifest, check_component};

pub(super) fn manifest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Manifest::parse(&text) {
        Err(error) => assert!(error.to_string().starts_with("plugin.toml, line "), "{error}"),
        Ok(manifest) => {
            let _ = manifest.limits_within(&Limits::default());
            assert!(!manifest.name.is_empty() && manifest.name.len() <= 64, "{manifest:?}");
        }
    }
}

pub(super) fn component(bytes: &[u8]) {
    let limits = ComponentLimits::default();
    if let Err(error) = check_component(bytes, &limits) {
        assert!(!error.to_string().is_empty());
    }
}
