//! From bytes to a plugin: check, compile, find the world, link, describe.
//!
//! A component is compiled once for its digest, in memory and, with `cache_dir`, on disk. Nothing
//! precompiled is ever accepted from outside.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use pawl_core::plugin::{AgentDescription, Description, EffectClass, Hosts, PluginKind, ToolDescription};
use pawl_core::{Digest, Failure, FailureKind, Rank, Timestamp};
use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, LinkerInstance, ResourceType};

use crate::bindings::agent::{Agent, AgentPre};
use crate::bindings::host::types::Effect;
use crate::bindings::tool::{Tool, ToolPre};
use crate::bindings::{agent_guest, tool_guest};
use crate::entry::Entry;
use crate::error::SandboxError;
use crate::fault::{Fault, explain};
use crate::imports::Need;
use crate::json;
use crate::plugin::{LoadedPlugin, World};
use crate::sandbox::Sandbox;
use crate::state::{HostState, Role};
use crate::words::{cut_name, listed};

const TOOL_EXPORT: &str = "pawl:plugin/tool-guest@0.1.";
const AGENT_EXPORT: &str = "pawl:plugin/agent-guest@0.1.";
/// All text of a description together, with something for each tool and capability.
const DESCRIPTION_MAX_BYTES: usize = 256 << 10;
/// What a tool or a capability costs beside its text.
const DESCRIBED_COST_BYTES: usize = 64;
/// Items of interfaces that pawl does not have; each gets something in its place that tells of it.
const STUBS_MAX: usize = 2_000;
/// How many exports an error names.
const EXPORTS_SHOWN: usize = 10;

impl Sandbox {
    /// Compiles a component, or takes it from memory or disk, and asks it to describe itself.
    pub async fn load(&self, bytes: &[u8]) -> Result<Arc<LoadedPlugin>, SandboxError> {
        let digest = Digest::of(bytes);
        let slot = self.slot(digest);
        slot.get_or_try_init(|| self.load_anew(digest, bytes)).await.cloned()
    }

    async fn load_anew(&self, digest: Digest, bytes: &[u8]) -> Result<Arc<LoadedPlugin>, SandboxError> {
        // What is wrong with the file itself is told without a copy of it.
        crate::component::check(bytes, self.config().component.component_max_bytes)?;
        let component =
            self.compilers().compile(self.engine(), self.config(), digest, bytes.to_vec()).await?;
        let ty = component.component_type();
        let exports: Vec<_> = ty.exports(self.engine()).map(|(name, _)| name.to_owned()).collect();
        let imports: Vec<_> = ty.imports(self.engine()).map(|(name, _)| name.to_owned()).collect();
        let kind = kind(&exports)?;
        let mismatch = |error| SandboxError::Mismatch { reason: format!("{error:#}") };
        let pre = self.link(&component, kind).map_err(mismatch)?;
        let world = match kind {
            PluginKind::Tool => World::Tool(ToolPre::new(pre).map_err(mismatch)?),
            PluginKind::Agent => World::Agent(AgentPre::new(pre).map_err(mismatch)?),
        };
        let description = self.describe(&world).await?;
        Ok(Arc::new(LoadedPlugin { digest, description, imports, world }))
    }

    /// Imports that pawl does not have become traps: the plugin can still describe itself, and no
    /// attempt starts.
    fn link(&self, component: &Component, kind: PluginKind) -> wasmtime::Result<InstancePre<HostState>> {
        let ty = component.component_type();
        let mut linker = self.linker().clone();
        let mut left = STUBS_MAX;
        for (import, item) in ty.imports(self.engine()) {
            if Need::of(kind, import).is_linked() {
                continue;
            }
            match item.ty {
                ComponentItem::ComponentInstance(instance) => {
                    let mut stubs = linker.instance(import)?;
                    for (name, item) in instance.exports(self.engine()) {
                        count(&mut left)?;
                        stub(&mut stubs, import, name, &item.ty)?;
                    }
                }
                other => {
                    count(&mut left)?;
                    stub(&mut linker.root(), import, import, &other)?;
                }
            }
        }
        linker.instantiate_pre(component)
    }

    async fn describe(&self, world: &World) -> Result<Description, SandboxError> {
        let _turn = self.turn(PluginKind::Tool, Rank::FIRST).await;
        let limits = self.config().describe.clone();
        let active = self.activate();
        let state = HostState::new(Role::Describe, limits, Timestamp(0), [0; 32], &Hosts::default(), active);
        let (state, said) = self.enter(world, state).await;
        match said {
            Ok(said) if said.bytes() > DESCRIPTION_MAX_BYTES => {
                let message = format!(
                    "it has more than DESCRIPTION_MAX_BYTES ({DESCRIPTION_MAX_BYTES}) of text, of which each tool \
                     and capability counts {DESCRIBED_COST_BYTES}"
                );
                Err(SandboxError::Description(message))
            }
            Ok(Said::Tools(tools)) => self::tools(tools),
            Ok(Said::Agent(agent)) => self::agent(agent),
            Err(error) => {
                Err(SandboxError::Describe(match explain(&error, &state, self.stack_max_bytes()) {
                    Fault::Failed(failure) => failure,
                    Fault::Suspended => Failure::new(FailureKind::Trap, "`describe` cannot be suspended"),
                }))
            }
        }
    }
}

fn count(left: &mut usize) -> wasmtime::Result<()> {
    *left = left.checked_sub(1).ok_or_else(|| {
        wasmtime::Error::msg(format!(
            "it imports more than STUBS_MAX ({STUBS_MAX}) items of interfaces that pawl does not have"
        ))
    })?;
    Ok(())
}

/// Defines one item of an interface that pawl does not have.
fn stub(
    stubs: &mut LinkerInstance<'_, HostState>,
    import: &str,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let message = format!("{} was called, and pawl has no such interface", cut_name(import));
            stubs.func_new(name, move |_, _, _, _| Err(wasmtime::Error::msg(message.clone())))
        }
        ComponentItem::Resource(_) => stubs.resource(name, ResourceType::host::<()>(), |_, _| Ok(())),
        _ => Ok(()),
    }
}

/// The instance of either world.
pub(crate) enum Guest {
    Tool(Tool),
    Agent(Agent),
}

/// What a component says of itself.
pub(crate) enum Said {
    Tools(Vec<tool_guest::ToolDescription>),
    Agent(agent_guest::AgentDescription),
}

impl Said {
    /// All its text. It stands in every run's journal, and in memory for as long as it is loaded.
    fn bytes(&self) -> usize {
        match self {
            Self::Tools(tools) => {
                let texts = |tool: &tool_guest::ToolDescription| {
                    DESCRIBED_COST_BYTES
                        + tool.name.len()
                        + tool.summary.len()
                        + tool.input_schema.len()
                        + tool.output_schema.len()
                };
                tools.iter().map(texts).sum()
            }
            Self::Agent(agent) => {
                let capabilities: usize =
                    agent.capabilities.iter().map(|name| DESCRIBED_COST_BYTES + name.len()).sum();
                agent.summary.len() + capabilities + agent.input_schema.len() + agent.output_schema.len()
            }
        }
    }
}

#[async_trait]
impl Entry for World {
    type Guest = Guest;
    type Said = Said;

    async fn instantiate(&self, store: &mut Store<HostState>) -> wasmtime::Result<Guest> {
        Ok(match self {
            Self::Tool(world) => Guest::Tool(world.instantiate_async(store).await?),
            Self::Agent(world) => Guest::Agent(world.instantiate_async(store).await?),
        })
    }

    async fn call(&self, guest: &Guest, store: &mut Store<HostState>) -> wasmtime::Result<Said> {
        Ok(match guest {
            Guest::Tool(guest) => Said::Tools(guest.pawl_plugin_tool_guest().call_describe(store).await?),
            Guest::Agent(guest) => Said::Agent(guest.pawl_plugin_agent_guest().call_describe(store).await?),
        })
    }
}

fn kind(exports: &[String]) -> Result<PluginKind, SandboxError> {
    let has = |prefix: &str| exports.iter().any(|name| name.starts_with(prefix));
    match (has(TOOL_EXPORT), has(AGENT_EXPORT)) {
        (true, false) => Ok(PluginKind::Tool),
        (false, true) => Ok(PluginKind::Agent),
        (true, true) => Err(SandboxError::BothWorlds),
        (false, false) => {
            let exports =
                if exports.is_empty() { "nothing".to_owned() } else { listed(exports, EXPORTS_SHOWN) };
            Err(SandboxError::NoWorld { exports })
        }
    }
}

fn tools(said: Vec<tool_guest::ToolDescription>) -> Result<Description, SandboxError> {
    let mut names = BTreeSet::new();
    let mut tools = Vec::with_capacity(said.len());
    for tool in said {
        if !is_name(&tool.name) {
            let message = format!(
                "the tool name {:?} is not made of letters, digits, `-` and `_`, at most {NAME_MAX_BYTES} of them",
                tool.name
            );
            return Err(SandboxError::Description(message));
        }
        if !names.insert(tool.name.clone()) {
            return Err(SandboxError::Description(format!("two tools are named `{}`", tool.name)));
        }
        let of = format!("of the tool `{}`", tool.name);
        tools.push(ToolDescription {
            input_schema: schema(&format!("the input schema {of}"), &tool.input_schema)?,
            output_schema: schema(&format!("the output schema {of}"), &tool.output_schema)?,
            name: tool.name,
            summary: tool.summary,
            effect: match tool.effect {
                Effect::Pure => EffectClass::Pure,
                Effect::Idempotent => EffectClass::Idempotent,
                Effect::AtMostOnce => EffectClass::AtMostOnce,
            },
        });
    }
    if tools.is_empty() {
        return Err(SandboxError::Description("it lists no tool".into()));
    }
    Ok(Description::Tools(tools))
}

fn agent(said: agent_guest::AgentDescription) -> Result<Description, SandboxError> {
    Ok(Description::Agent(AgentDescription {
        input_schema: schema("the agent's input schema", &said.input_schema)?,
        output_schema: schema("the agent's output schema", &said.output_schema)?,
        summary: said.summary,
        capabilities: said.capabilities,
    }))
}

/// The longest name of a plugin or tool.
pub(crate) const NAME_MAX_BYTES: usize = 64;

/// Whether a text can name a plugin or a tool: it stands in `plugin.tool` and in expressions.
pub(crate) fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= NAME_MAX_BYTES && text.chars().all(is_part)
}

/// A JSON Schema is an object, or `true` or `false`.
fn schema(what: &str, text: &str) -> Result<Value, SandboxError> {
    match json::read(text) {
        Ok(schema @ (Value::Object(_) | Value::Bool(_))) => Ok(schema),
        Ok(_) => Err(SandboxError::Description(format!("{what} is neither an object nor a boolean"))),
        Err(reason) => Err(SandboxError::Description(format!("{what} {reason}"))),
    }
}
