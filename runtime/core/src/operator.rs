//! What the operator says in `pawl.yaml`: which models and MCP servers there are and how they are reached, what routes
//! shall take plugins for, whose plugins are trusted, and the registries that they come from.
//!
//! It is read by [`source::operator`](crate::source::operator) and cannot be wrong in itself. It
//! holds no key: only where one is.

mod notify;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use notify::{Notify, NotifyOn, NotifyTool, NotifyWay};
pub use server::{IdentitySetting, ServerSetting, is_host, is_origin};

use crate::budget::Price;
use crate::chat::Sampling;
use crate::guard::Policy;
use crate::oci::Reference;
use crate::plugin::{Ceiling, EffectClass, Folders, Hosts};
use crate::route::OfferSetting;
use crate::{Duration, Namespace, PublicKey};

/// The highest price of a million tokens.
pub const PRICE_MAX: u32 = 1_000_000;

/// The operator's file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Operator {
    /// The models, by the names that workflows grant.
    pub models: BTreeMap<String, Profile>,
    /// The MCP servers, by the names that stand behind `mcp.` in workflows.
    pub mcp: BTreeMap<String, McpServer>,
    /// What is said of plugins instead of what they say themselves, by their names.
    pub plugins: BTreeMap<String, OfferSetting>,
    /// Where plugins are that the operator gives to every workflow, by their names.
    pub sources: BTreeMap<String, PluginSource>,
    /// What is asked of every run.
    pub policy: Policy,
    /// What tools may send and never see, by the names that workflows grant.
    pub secrets: BTreeMap<String, Secret>,
    /// The folders that tools may be granted, relative to the operator's file.
    pub files: Folders,
    /// What the runs of namespaces may be granted.
    pub namespaces: BTreeMap<Namespace, NamespaceGrants>,
    /// Whether a plugin is held whose name was never used before.
    pub hold_new_plugins: bool,
    /// Whose plugins are used, by the names that people give them; everybody's, when there is none.
    pub trusted_keys: BTreeMap<String, TrustedKey>,
    /// What is to know of registries, by their hosts.
    pub registries: BTreeMap<String, Registry>,
    /// How the server listens and ends, who may use it, and what it takes at most.
    pub server: ServerSetting,
    /// Which runs that are over are kept.
    pub retention: KeepSetting,
    /// Whose tokens the server takes, beside pawl's own.
    pub identity: Option<Identity>,
    /// Where spans of runs go.
    pub telemetry: TelemetrySetting,
    /// Who is told of approvals, by the names that people give them.
    pub notify: BTreeMap<String, Notify>,
}

impl Operator {
    /// Everything that is kept elsewhere: what it is for, and where it is.
    pub fn kept(&self) -> Vec<(String, &KeyPlace)> {
        let models = self.models.iter().filter_map(|(name, profile)| match &profile.provider {
            Provider::Remote(remote) => Some((format!("the key of model '{name}'"), remote.key.as_ref()?)),
            Provider::Scripted { .. } => None,
        });
        let servers = self.mcp.iter().flat_map(|(name, server)| {
            let values: Vec<&KeptValue> = match &server.reached {
                McpReached::Program { env, .. } => {
                    let kept = env.values().filter_map(|value| match value {
                        McpValue::Kept(kept) => Some(kept),
                        McpValue::Plain(_) => None,
                    });
                    kept.collect()
                }
                McpReached::Http { headers, .. } => headers.values().collect(),
            };
            values.into_iter().map(move |kept| (format!("a value of MCP server '{name}'"), &kept.place))
        });
        let logins = self.registries.iter().filter_map(|(host, registry)| {
            Some((format!("the password of {host}"), &registry.login.as_ref()?.password))
        });
        let spans = self.telemetry.headers.iter();
        let spans = spans.map(|(name, kept)| (format!("the header '{name}' of `telemetry`"), &kept.place));
        let hooks = self.notify.iter().filter_map(|(name, notify)| match &notify.told {
            NotifyWay::Hook { secret, .. } => Some((format!("the secret of notify '{name}'"), secret)),
            NotifyWay::Tool(_) => None,
        });
        let secrets =
            self.secrets.iter().map(|(name, secret)| (format!("the secret '{name}'"), &secret.place));
        models.chain(servers).chain(logins).chain(spans).chain(hooks).chain(secrets).collect()
    }
}

/// Where a plugin is that the operator gives to every workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// A component, relative to the operator's file.
    File(String),
    /// In a registry, with the digest that says which it is.
    Registry(Reference),
}

impl fmt::Display for PluginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}

/// Which runs that are over are kept; all, where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeepSetting {
    /// Not those that ended longer ago.
    pub keep_for: Option<Duration>,
    /// But the newest, so many of them.
    pub keep_runs: Option<u64>,
}

/// What the runs of a namespace may be granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceGrants {
    /// The most, within what every run may be granted.
    pub grants: Ceiling,
    /// Its folders, which are not those of others.
    pub files: Folders,
}

impl NamespaceGrants {
    /// What holds for the runs of a namespace, of what the operator asks of every run. Secrets and folders are those
    /// that were given to it, and no others.
    #[must_use]
    pub fn policy(&self, operator: &Policy) -> Policy {
        let own =
            Ceiling { secrets: Some(self.grants.secrets.clone().unwrap_or_default()), ..self.grants.clone() };
        Policy { grants: operator.grants.within(&own), files: self.files.clone(), ..operator.clone() }
    }
}

/// Where spans of runs go, and what is in them; what is absent is as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TelemetrySetting {
    /// The collector's address, without the path of traces.
    pub endpoint: Option<String>,
    /// What each request has with it.
    pub headers: BTreeMap<String, KeptValue>,
    /// What this pawl calls itself.
    pub service: Option<String>,
    /// How long the collector may take to answer.
    pub timeout: Option<Duration>,
    /// What of that which is said is in spans.
    pub content: Content,
}

/// What of that which is said is in spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    #[default]
    None,
    /// Arguments and results of tools.
    Tools,
    /// Messages to and from models.
    Models,
    /// Both.
    All,
}

impl Content {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Tools, Self::Models, Self::All];

    /// The name as it stands in `pawl.yaml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tools => "tools",
            Self::Models => "models",
            Self::All => "all",
        }
    }

    /// Whether what tools are given and give is in spans.
    pub const fn tools(self) -> bool {
        matches!(self, Self::Tools | Self::All)
    }

    /// Whether what is said to and by models is in spans.
    pub const fn models(self) -> bool {
        matches!(self, Self::Models | Self::All)
    }
}

/// An issuer of tokens (OIDC), and what their claims mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must have in it.
    pub audience: String,
    /// Where its keys are.
    pub jwks: JwksPlace,
    /// How its tokens may be signed: `RS256`, `ES256`, `EdDSA`.
    pub algorithms: Vec<String>,
    /// Which claims say who somebody is.
    pub claims: IdentityClaims,
    /// What it calls the roles, beside their own names.
    pub roles: BTreeMap<String, String>,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksPlace {
    /// At an address.
    Url(String),
    /// In a file, relative to the operator's.
    File(String),
}

/// Which claims say who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityClaims {
    /// Their name.
    pub name: String,
    /// Their roles.
    pub roles: String,
    /// Their groups.
    pub groups: String,
    /// The namespace that they are bound to; nothing where no claim says it.
    pub namespace: Option<String>,
}

impl Default for IdentityClaims {
    fn default() -> Self {
        Self {
            name: "sub".to_owned(),
            roles: "roles".to_owned(),
            groups: "groups".to_owned(),
            namespace: None,
        }
    }
}

/// A value that the host puts into requests of tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Where it is.
    pub place: KeyPlace,
    /// Where it may go.
    pub hosts: Hosts,
}

/// One MCP server: how it is reached, and what is believed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer {
    /// How it is spoken to.
    pub reached: McpReached,
    /// The tools that workflows see; all, when absent.
    pub tools: Option<BTreeSet<String>>,
    /// What happens outside when a tool is called, where the operator knows.
    pub effects: BTreeMap<String, EffectClass>,
    /// Whether what the server itself says of that is believed.
    pub trust_annotations: bool,
    /// How long one call may take.
    pub timeout: Duration,
    /// After how long without a call it is closed.
    pub idle: Duration,
    /// Who is asked what it asks; nothing where it may not ask.
    pub elicitation: Option<Elicitation>,
}

/// What becomes of what an MCP server asks people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elicitation {
    /// Users and groups who may answer; empty means anyone.
    pub to: Vec<String>,
    /// How long an answer is waited for, and what is chosen then.
    pub due: Option<(Duration, String)>,
    /// How long a call is kept open in which an answer is waited for.
    pub hold: Duration,
}

/// How an MCP server is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpReached {
    /// A program, over its stdin and stdout.
    Program {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its environment, beside `PATH` and `HOME`.
        env: BTreeMap<String, McpValue>,
        /// Its folder, relative to the operator's file.
        cwd: Option<String>,
    },
    /// Streamable HTTP.
    Http {
        /// Its address.
        url: String,
        /// What each request has with it.
        headers: BTreeMap<String, KeptValue>,
    },
}

/// A value that an MCP server is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpValue {
    /// One that everybody may see.
    Plain(String),
    /// One that is kept elsewhere.
    Kept(KeptValue),
}

/// A value that stands elsewhere, with what comes before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptValue {
    /// What comes before it, `Bearer `.
    pub prefix: String,
    /// Where it is.
    pub place: KeyPlace,
}

/// The public key of somebody who signs plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedKey {
    /// The key.
    Key(PublicKey),
    /// A file with it, relative to the operator's.
    File(String),
}

/// A registry of plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    /// Whether it is spoken to without TLS; loopback hosts are, unless it says otherwise.
    pub insecure: Option<bool>,
    /// Who asks, and where the password is.
    pub login: Option<Login>,
}

/// Who asks a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// Where the password is.
    pub password: KeyPlace,
}

/// One model, and how it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Who has it.
    pub provider: Provider,
    /// How long one try may take.
    pub timeout: Duration,
    /// How often a request that failed for a passing reason is made again.
    pub retries: u32,
    /// No more requests are made in a minute; they wait for their turn.
    pub requests_per_minute: Option<u32>,
    /// How it is asked where a request does not say.
    pub sampling: Sampling,
    /// What a million tokens cost; nothing where the operator does not say.
    pub price: Option<Price>,
    /// The profiles that are asked in turn when this one fails.
    pub fallbacks: Vec<String>,
}

/// Who has a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Provider {
    /// A file with what is said, relative to the operator's.
    Scripted {
        /// The file.
        script: String,
    },
    /// A server.
    Remote(Remote),
}

/// A model on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// The model, as the server calls it.
    pub model: String,
    /// What its addresses begin with.
    pub base_url: String,
    /// Where the key is.
    pub key: Option<KeyPlace>,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Chat completions, as many servers have them.
    OpenAi,
    /// Messages.
    Anthropic,
    /// Ollama's own.
    Ollama,
}

impl Protocol {
    /// The name as it stands in `pawl.yaml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
        }
    }

    /// What addresses begin with where the operator does not say.
    pub const fn base_url(self) -> &'static str {
        match self {
            Self::OpenAi => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com",
            Self::Ollama => "http://127.0.0.1:11434",
        }
    }
}

/// Where a key is; it is read when it is used, and kept nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// A variable of the environment.
    Env(String),
    /// A file, relative to the operator's.
    File(String),
}
