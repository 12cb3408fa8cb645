//! A plugin as a registry holds it: an OCI image manifest whose layers are its files.

use pawl_core::Digest;
use serde::{Deserialize, Serialize};

use crate::SIGNATURE_MAX_BYTES;

/// The longest manifest of a registry, in bytes.
pub const REGISTRY_MANIFEST_MAX_BYTES: usize = 64 << 10;
/// The most layers of one.
pub const REGISTRY_LAYERS_MAX: usize = 16;
/// The longest `plugin.toml`, in bytes.
const PLUGIN_TOML_MAX_BYTES: u64 = 64 << 10;

/// How an image manifest is called.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// What kind of thing the manifest is of.
const ARTIFACT_TYPE: &str = "application/vnd.pawl.plugin.v1";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// What stands where there is no configuration.
pub(crate) const EMPTY: &[u8] = b"{}";
const COMPONENT_TYPE: &str = "application/wasm";
const PLUGIN_TOML_TYPE: &str = "application/vnd.pawl.plugin.manifest.v1+toml";
const SIGNATURE_TYPE: &str = "application/vnd.pawl.plugin.signature.v1+json";

/// A plugin's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The component.
    pub component: Vec<u8>,
    /// Its `plugin.toml`.
    pub manifest: Option<String>,
    /// Who signed it.
    pub signature: Option<String>,
}

/// Something in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

/// An image manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageManifest {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// A layer that is to be fetched, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// The layers of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layers {
    pub(crate) component: Layer,
    pub(crate) manifest: Option<Layer>,
    pub(crate) signature: Option<Layer>,
}

impl Descriptor {
    fn of(media_type: &str, bytes: &[u8]) -> Self {
        let digest = format!("sha256:{}", Digest::of(bytes));
        Self { media_type: media_type.to_owned(), digest, size: bytes.len() as u64 }
    }
}

impl Package {
    /// The manifest that stands for it. The same files give the same bytes.
    pub(crate) fn image_manifest(&self) -> Vec<u8> {
        let mut layers = vec![Descriptor::of(COMPONENT_TYPE, &self.component)];
        let texts = [(PLUGIN_TOML_TYPE, &self.manifest), (SIGNATURE_TYPE, &self.signature)];
        for (media_type, text) in texts {
            layers.extend(text.as_ref().map(|text| Descriptor::of(media_type, text.as_bytes())));
        }
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            artifact_type: ARTIFACT_TYPE.to_owned(),
            config: Descriptor::of(EMPTY_TYPE, EMPTY),
            layers,
        };
        serde_json::to_vec(&manifest).unwrap_or_default()
    }

    /// What the manifest names.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &[u8]> {
        let texts = [self.manifest.as_deref(), self.signature.as_deref()];
        [EMPTY, self.component.as_slice()].into_iter().chain(texts.into_iter().flatten().map(str::as_bytes))
    }
}

impl Layers {
    /// Reads a manifest; says why it is not that of a plugin.
    pub(crate) fn parse(bytes: &[u8], component_max_bytes: u64) -> Result<Self, String> {
        let manifest: ImageManifest = serde_json::from_slice(bytes)
            .map_err(|error| format!("its manifest is none of an image: {error}"))?;
        if manifest.schema_version != 2 || ![MANIFEST_TYPE, ""].contains(&manifest.media_type.as_str()) {
            return Err(format!("it is a '{}', and no image manifest", manifest.media_type));
        }
        if manifest.layers.len() > REGISTRY_LAYERS_MAX {
            let count = manifest.layers.len();
            return Err(format!("it has {count} layers; registry_layers_max is {REGISTRY_LAYERS_MAX}"));
        }
        let layer = |media_type: &str, max_bytes: u64, limit: &str| {
            let mut found = manifest.layers.iter().filter(|layer| layer.media_type == media_type);
            let Some(one) = found.next() else { return Ok(None) };
            if found.next().is_some() {
                return Err(format!("it has more than one layer of the type {media_type}"));
            }
            if one.size > max_bytes {
                return Err(format!("its layer {media_type} has {} bytes; {limit} is {max_bytes}", one.size));
            }
            let digest = one.digest.strip_prefix("sha256:").and_then(|digits| digits.parse().ok());
            let digest = digest.ok_or_else(|| format!("its layer {media_type} has no digest of SHA-256"))?;
            Ok(Some(Layer { digest, size: one.size }))
        };
        let component = layer(COMPONENT_TYPE, component_max_bytes, "component_max_bytes")?;
        Ok(Self {
            component: component.ok_or_else(|| format!("it has no layer of the type {COMPONENT_TYPE}"))?,
            manifest: layer(PLUGIN_TOML_TYPE, PLUGIN_TOML_MAX_BYTES, "manifest_max_bytes")?,
            signature: layer(SIGNATURE_TYPE, SIGNATURE_MAX_BYTES as u64, "signature_max_bytes")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Package {
        let (manifest, signature) = (Some("m".to_owned()), Some("s".to_owned()));
        Package { component: b"wasm".to_vec(), manifest, signature }
    }

    #[test]
    fn a_manifest_names_the_files_of_a_plugin() {
        let bytes = package().image_manifest();
        assert_eq!(package().image_manifest(), bytes, "the same files give the same bytes");
        let layers = Layers::parse(&bytes, 4).unwrap();
        assert_eq!(layers.component, Layer { digest: Digest::of(b"wasm"), size: 4 });
        assert_eq!(layers.signature, Some(Layer { digest: Digest::of(b"s"), size: 1 }));
        let digests: Vec<_> = package().blobs().map(Digest::of).collect();
        assert_eq!(digests.len(), 4);
        assert!(digests.contains(&layers.manifest.unwrap().digest));
    }

    #[test]
    fn what_is_no_plugin_says_why() {
        let text = String::from_utf8(package().image_manifest()).unwrap();
        let many = format!("{},", serde_json::to_string(&Descriptor::of("x", b"x")).unwrap());
        let many = text.replace("\"layers\":[", &format!("\"layers\":[{}", many.repeat(REGISTRY_LAYERS_MAX)));
        for (text, part) in [
            ("{}".to_owned(), "none of an image"),
            ("[".repeat(10_000), "none of an image"),
            (text.replace("image.manifest.v1", "image.index.v1"), "no image manifest"),
            (text.replace("application/wasm", "application/x"), "no layer of the type application/wasm"),
            (text.replace(SIGNATURE_TYPE, PLUGIN_TOML_TYPE), "more than one layer"),
            (text.replace("sha256:", "sha512:"), "no digest of SHA-256"),
            (text.replace("\"size\":4", "\"size\":5"), "component_max_bytes is 4"),
            (text.replace("\"size\":1", "\"size\":999999"), "manifest_max_bytes is 65536"),
            (many, "registry_layers_max is 16"),
        ] {
            let refused = Layers::parse(text.as_bytes(), 4).unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
