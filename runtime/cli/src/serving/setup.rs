//! What all places together say of the server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pawl_core::operator::ServerSetting;
use pawl_server::{IdentityMode, ServerConfig, ServerError, TlsFiles};

use super::args::{self, Mode, ServingArgs, several};
use super::layers::{Layers, Named, Source};
use crate::fault::Fault;

/// How long steps that are under way may take to end when the server is stopped, in milliseconds, where nothing else is
/// said.
const DRAIN_MS: u64 = 30_000;

const fn named(flag: &'static str, variable: &'static str, key: &'static str) -> Named {
    Named { flag: Some(flag), variable, key }
}

const LISTEN: Named = named("--listen", "PAWL_LISTEN", "server.listen");
const DRAIN: Named = named("--drain", "PAWL_DRAIN", "server.drain");
const IDENTITY: Named = named("--identity", "PAWL_IDENTITY", "server.identity");
const TLS_CERT: Named = named("--tls-cert", "PAWL_TLS_CERT", "server.tls_cert");
const TLS_KEY: Named = named("--tls-key", "PAWL_TLS_KEY", "server.tls_key");
const HOSTS: Named = named("--host", "PAWL_HOSTS", "server.hosts");
const ORIGINS: Named = named("--allow-origin", "PAWL_ALLOW_ORIGINS", "server.allow_origins");
const PUBLIC_URL: Named = named("--public-url", "PAWL_PUBLIC_URL", "server.public_url");
const TOKEN_REQUESTS: Named =
    named("--token-requests-max", "PAWL_TOKEN_REQUESTS_MAX", "server.token_requests_max");
const LIMITS: Named = named("--limit", "PAWL_LIMITS", "server.limits");

/// How the server is set up, and who said so.
#[derive(Debug)]
pub(crate) struct Setup {
    /// All but what is read elsewhere: the issuer, who is told of approvals, and the key of links.
    pub(crate) config: ServerConfig,
    /// How long steps that are under way may take to end when it is stopped.
    pub(crate) drain: Duration,
    listen: Option<Source>,
    identity: Option<Source>,
    tls: Option<Source>,
}

impl Setup {
    /// The command line, else the environment, else the operator's file, else the default. Paths of the file are
    /// relative to its folder.
    pub(crate) fn new(
        args: &ServingArgs,
        layers: &Layers<'_>,
        (file, folder): (&ServerSetting, &Path),
    ) -> Result<Self, Fault> {
        let usual = ServerConfig::default();
        let listen = layers.pick(LISTEN, args.listen, args::listen, file.listen)?;
        let drain = layers.pick(DRAIN, args.drain, args::drain, file.drain)?;
        let mode = layers.pick(IDENTITY, args.identity, args::mode, file.identity.map(Mode::from))?;
        let some = |all: &Vec<String>| (!all.is_empty()).then(|| all.clone());
        let hosts = layers.pick(HOSTS, some(&args.hosts), several(args::host), file.hosts.clone())?;
        let origins =
            layers.pick(ORIGINS, some(&args.origins), several(args::origin), file.allow_origins.clone())?;
        let public_url =
            layers.pick(PUBLIC_URL, args.public_url.clone(), args::origin, file.public_url.clone())?;
        let requests = layers.pick(
            TOKEN_REQUESTS,
            args.token_requests_max,
            args::token_requests,
            file.token_requests_max,
        )?;
        let (tls, tls_source) = tls(args, layers, (file, folder))?.unzip();
        let limits = usual.limits.clone().with(&limits(args, layers, file)?);
        Ok(Self {
            listen: source(listen.as_ref()),
            identity: source(mode.as_ref()),
            tls: tls_source,
            drain: Duration::from_millis(value(drain).map_or(DRAIN_MS, |drain| drain.0)),
            config: ServerConfig {
                listen: value(listen).unwrap_or(usual.listen),
                limits,
                identity: match value(mode) {
                    None => IdentityMode::Usual,
                    Some(Mode::Required) => IdentityMode::Required,
                    Some(Mode::Off) => IdentityMode::Off,
                },
                tls,
                hosts: value(hosts).unwrap_or_default(),
                origins: value(origins).unwrap_or_default(),
                public_url: value(public_url),
                token_requests_per_second_max: value(requests).unwrap_or(usual.token_requests_per_second_max),
                ..usual
            },
        })
    }

    /// Whether somebody says where it listens.
    pub(crate) const fn is_listen_set(&self) -> bool {
        self.listen.is_some()
    }

    /// Why it does not serve, with who said what it cannot do.
    pub(crate) fn fault(&self, error: ServerError) -> Fault {
        let said = match &error {
            ServerError::Listen { .. } => self.listen,
            ServerError::Open(_) => self.identity.or(self.listen),
            ServerError::Tls(_) => self.tls,
            ServerError::Nobody
            | ServerError::Identity(_)
            | ServerError::Store(_)
            | ServerError::LinkKey(_)
            | ServerError::Notify(_)
            | ServerError::Serving(_) => None,
        };
        let fault = Fault::from(error);
        match said {
            Some(source) => Fault { message: format!("{} ({source} says so)", fault.message), ..fault },
            None => fault,
        }
    }
}

fn value<T>(found: Option<(T, Source)>) -> Option<T> {
    found.map(|(value, _)| value)
}

fn source<T>(found: Option<&(T, Source)>) -> Option<Source> {
    found.map(|(_, source)| *source)
}

/// Certificate and key: each for itself, and both or neither.
fn tls(
    args: &ServingArgs,
    layers: &Layers<'_>,
    (file, folder): (&ServerSetting, &Path),
) -> Result<Option<(TlsFiles, Source)>, Fault> {
    let path = |text: &str| Ok(PathBuf::from(text));
    let at = |text: &Option<String>| text.as_ref().map(|text| folder.join(text));
    let cert = layers.pick(TLS_CERT, args.tls_cert.clone(), path, at(&file.tls_cert))?;
    let key = layers.pick(TLS_KEY, args.tls_key.clone(), path, at(&file.tls_key))?;
    let half = |what: &str, source: Source, other: &str, named: Named| {
        let (variable, key) = (named.variable, named.key);
        let flag = named.flag.unwrap_or_default();
        Fault::usage(format!("{source} names the {what} of TLS, and nothing names its {other}"))
            .hint(format!("name it with {flag}, {variable}, or {key} in pawl.yaml"))
    };
    match (cert, key) {
        (None, None) => Ok(None),
        (Some((cert, source)), Some((key, _))) => Ok(Some((TlsFiles { cert, key }, source))),
        (Some((_, source)), None) => Err(half("certificate", source, "key", TLS_KEY)),
        (None, Some((_, source))) => Err(half("key", source, "certificate", TLS_CERT)),
    }
}

/// What is set of the limits, each for itself.
fn limits(
    args: &ServingArgs,
    layers: &Layers<'_>,
    file: &ServerSetting,
) -> Result<BTreeMap<&'static str, u32>, Fault> {
    let mut limits = file.limits.clone();
    limits.extend(layers.variable(LIMITS, several(args::limit))?.unwrap_or_default());
    limits.extend(args.limits.iter().copied());
    Ok(limits)
}
