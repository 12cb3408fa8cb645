//! Plugins that the operator's file gives to every workflow, each from a path or a registry.
//!
//! None is fetched before somebody needs it, so a registry that cannot be reached keeps nothing else from going on.
//! Who looks through all of them waits for a registry only so long, and does not ask again at once where it failed;
//! who names one of them waits as long as a registry may take, and is told why it cannot be had.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use pawl_core::operator::PluginSource;
use pawl_core::plugin::PluginOrigin;
use pawl_registry::Package;
use tokio::time::Instant;

use super::settle::settled;
use super::{Catalog, PluginEntry};
use crate::EngineError;

/// How long who looks through all plugins waits for one in a registry, in milliseconds.
pub(crate) const PLUGIN_LOOK_MAX_MS: u64 = 30_000;
/// How long one that could not be had is not asked for again by who looks through all of them, in milliseconds.
pub(crate) const PLUGIN_BROKEN_MS: u64 = 60_000;

/// What the operator's file gives.
#[derive(Debug, Clone, Default)]
struct Given {
    /// The operator's file, for messages.
    file: String,
    sources: Arc<BTreeMap<String, PluginSource>>,
}

/// What the operator's file gives now, and what of it could not be had of late.
#[derive(Debug, Default)]
pub(super) struct Supply {
    given: RwLock<Given>,
    broken: Mutex<HashMap<String, (Instant, String)>>,
}

impl Supply {
    /// From now on it is this. What could not be had may be had now.
    pub(super) fn replace(&self, file: &str, sources: &Arc<BTreeMap<String, PluginSource>>) {
        let given = Given { file: file.to_owned(), sources: Arc::clone(sources) };
        *self.given.write().unwrap_or_else(PoisonError::into_inner) = given;
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn now(&self) -> Given {
        self.given.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why a source could not be had, if that was only just now.
    fn broken(&self, source: &str, now: Instant) -> Option<String> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, why) = broken.get(source)?;
        (now.duration_since(*since) < Duration::from_millis(PLUGIN_BROKEN_MS)).then(|| why.clone())
    }

    fn learn(&self, source: &str, why: Option<&str>) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => broken.insert(source.to_owned(), (Instant::now(), why.to_owned())),
            None => broken.remove(source),
        };
    }
}

impl Catalog {
    /// From now on the operator's file gives these plugins.
    pub(crate) fn replace_sources(&self, file: &str, sources: &Arc<BTreeMap<String, PluginSource>>) {
        self.supply.replace(file, sources);
    }

    /// The plugins that the operator's file gives, by their names.
    pub(crate) fn sources(&self) -> Arc<BTreeMap<String, PluginSource>> {
        self.supply.now().sources
    }

    /// The plugin that the operator's file gives under this name, where it gives one.
    pub(super) async fn supplied(&self, name: &str) -> Option<Result<PluginEntry, EngineError>> {
        let Given { file, sources } = self.supply.now();
        let source = sources.get(name)?;
        let had = self.had(name, source).await;
        self.supply.learn(&source.to_string(), had.as_ref().err().map(String::as_str));
        Some(had.map_err(|why| unavailable(name, source, &file, &why)))
    }

    /// The same for who looks through all plugins.
    pub(crate) async fn looked_at(&self, name: &str) -> Option<Result<PluginEntry, EngineError>> {
        self.looked_within(name, PLUGIN_LOOK_MAX_MS).await
    }

    async fn looked_within(&self, name: &str, max_ms: u64) -> Option<Result<PluginEntry, EngineError>> {
        let Given { file, sources } = self.supply.now();
        let source = sources.get(name)?;
        let failed = |why: &str| Some(Err(unavailable(name, source, &file, why)));
        if matches!(source, PluginSource::File(_)) {
            return self.supplied(name).await;
        }
        if let Some(why) = self.supply.broken(&source.to_string(), Instant::now()) {
            return failed(&why);
        }
        let had = tokio::time::timeout(Duration::from_millis(max_ms), self.had(name, source));
        let had =
            had.await.unwrap_or_else(|_| Err(format!("it takes longer than plugin_look_max_ms ({max_ms})")));
        self.supply.learn(&source.to_string(), had.as_ref().err().map(String::as_str));
        match had {
            Ok(entry) => Some(Ok(entry)),
            Err(why) => failed(&why),
        }
    }

    async fn had(&self, name: &str, source: &PluginSource) -> Result<PluginEntry, String> {
        let origin = PluginOrigin::Operator(source.to_string());
        match source {
            PluginSource::File(path) => {
                settled(Path::new(path)).await;
                self.read_file(name, Path::new(path), origin).map_err(|error| error.to_string())
            }
            PluginSource::Registry(reference) => {
                let pulled = self.registries().pull(reference, self.sandbox().component_max_bytes()).await;
                let Package { component, manifest, signature } = pulled.map_err(|error| error.to_string())?;
                Ok(PluginEntry {
                    name: name.to_owned(),
                    origin,
                    bytes: component.into(),
                    manifest,
                    signature,
                })
            }
        }
    }
}

fn unavailable(name: &str, source: &PluginSource, file: &str, why: &str) -> EngineError {
    EngineError::Supply {
        name: name.into(),
        from: source.to_string().into(),
        file: file.into(),
        reason: why.into(),
        is_far: matches!(source, PluginSource::Registry(_)),
    }
}

#[cfg(test)]
mod tests {
    use pawl_sandbox::{Sandbox, SandboxConfig};

    use super::*;
    use crate::EngineConfig;

    fn sources(host: &str) -> Arc<BTreeMap<String, PluginSource>> {
        let reference = format!("oci://{host}/team/far@sha256:{}", "0".repeat(64));
        let source = PluginSource::Registry(reference.parse().unwrap());
        Arc::new(BTreeMap::from([("far".to_owned(), source)]))
    }

    #[tokio::test]
    async fn a_registry_that_does_not_answer_is_waited_for_only_so_long() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config = SandboxConfig { agents_max: 1, tools_max: 1, ..SandboxConfig::default() };
        let sources = sources(&silent.local_addr().unwrap().to_string());
        let settings = EngineConfig { sources, ..EngineConfig::default() };
        let catalog = Catalog::new(Sandbox::new(config).unwrap(), &settings);
        let error = catalog.looked_within("far", 50).await.unwrap().unwrap_err().to_string();
        assert!(error.contains("plugin_look_max_ms (50)"), "{error}");
        // It is not waited for again at once: where that took so long, this would not end.
        let again = catalog.looked_within("far", u64::MAX).await;
        assert!(again.unwrap().unwrap_err().to_string().contains("plugin_look_max_ms (50)"));
        assert!(catalog.looked_at("near").await.is_none());
    }

    #[test]
    fn what_could_not_be_had_is_asked_for_again_after_a_while() {
        let (supply, now) = (Supply::default(), Instant::now);
        let after = |ms| Instant::now() + Duration::from_millis(ms);
        supply.learn("there", Some("nobody answers"));
        assert_eq!(supply.broken("there", now()).as_deref(), Some("nobody answers"));
        assert_eq!(supply.broken("there", after(PLUGIN_BROKEN_MS)), None);
        // What is had meanwhile, and what the operator's file says anew, is not broken any more.
        supply.learn("there", Some("nobody answers"));
        supply.learn("there", None);
        assert_eq!(supply.broken("there", now()), None);
        supply.learn("there", Some("nobody answers"));
        supply.replace("pawl.yaml", &sources("there.example.com"));
        assert_eq!(supply.broken("there", now()), None);
    }
}
