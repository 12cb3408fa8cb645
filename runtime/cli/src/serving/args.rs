//! What the command line can say of the server, and how its texts are read; those of the environment are read alike.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pawl_core::Duration;
use pawl_core::language::Shape;
use pawl_core::language::operator::SERVER_LIMITS;
use pawl_core::operator::{IdentitySetting, is_host, is_origin};
use pawl_core::source::operator::TOKEN_REQUESTS_PER_SECOND_TOP;

/// How the server listens and ends, who may use it, and what it takes at most.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServingArgs {
    /// Where to listen; port 0 takes a free one (default: `$PAWL_LISTEN`, else `server.listen` in pawl.yaml,
    /// else 127.0.0.1:8917)
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen)]
    pub(super) listen: Option<SocketAddr>,
    /// How long steps that are under way may take to end when it is stopped: 30s, 5m (default: `$PAWL_DRAIN`, else
    /// `server.drain` in pawl.yaml, else 30s)
    #[arg(long, value_name = "TIME", value_parser = drain)]
    pub(super) drain: Option<Duration>,
    /// Whether who asks must say who they are (default: `$PAWL_IDENTITY`, else `server.identity` in pawl.yaml, else
    /// required, but on loopback without `identity` in pawl.yaml)
    #[arg(long, value_name = "MODE")]
    pub(super) identity: Option<Mode>,
    /// Serve over TLS with this certificate, PEM; it is read anew when it changes (default: `$PAWL_TLS_CERT`, else
    /// `server.tls_cert` in pawl.yaml)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's key, PEM (default: `$PAWL_TLS_KEY`, else `server.tls_key` in pawl.yaml)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,
    /// A name of this server; requests to any other are refused. May be repeated (default: `$PAWL_HOSTS`, else
    /// `server.hosts` in pawl.yaml, else on loopback, its names)
    #[arg(long = "host", value_name = "NAME", value_parser = host)]
    pub(super) hosts: Vec<String>,
    /// A page elsewhere that may ask, as `https://console.example.com`; may be repeated (default:
    /// `$PAWL_ALLOW_ORIGINS`, else `server.allow_origins` in pawl.yaml)
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = origin)]
    pub(super) origins: Vec<String>,
    /// What signed links begin with (default: `$PAWL_PUBLIC_URL`, else `server.public_url` in pawl.yaml, else the
    /// address)
    #[arg(long, value_name = "URL", value_parser = origin)]
    pub(super) public_url: Option<String>,
    /// The requests of one token or user in a second (default: `$PAWL_TOKEN_REQUESTS_MAX`, else
    /// `server.token_requests_max` in pawl.yaml, else 200)
    #[arg(long, value_name = "N", value_parser = token_requests)]
    pub(super) token_requests_max: Option<u32>,
    /// What the server takes at most, by the names of `server.limits` in pawl.yaml; may be repeated (default:
    /// `$PAWL_LIMITS`, else `server.limits` in pawl.yaml)
    #[arg(long = "limit", value_name = "NAME=N", value_parser = limit)]
    pub(super) limits: Vec<(&'static str, u32)>,
}

/// Whether who asks must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Whoever asks needs a token
    Required,
    /// Whoever asks is the operator; on loopback alone
    Off,
}

impl From<IdentitySetting> for Mode {
    fn from(setting: IdentitySetting) -> Self {
        match setting {
            IdentitySetting::Required => Self::Required,
            IdentitySetting::Off => Self::Off,
        }
    }
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "it is no address and port; write 127.0.0.1:8917 or [::1]:8917, with 0 for a free port".to_owned()
    })
}

pub(super) fn drain(text: &str) -> Result<Duration, String> {
    text.parse().map_err(|_| "it is no duration; write 30s, or 5m".to_owned())
}

pub(super) fn mode(text: &str) -> Result<Mode, String> {
    Mode::from_str(text, false).map_err(|_| "write required, or off".to_owned())
}

pub(super) fn host(text: &str) -> Result<String, String> {
    let good = is_host(text).then(|| text.to_owned());
    good.ok_or_else(|| "write a name alone: pawl.example.com".to_owned())
}

/// Scheme, host and port, and nothing behind.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let good = is_origin(text).then(|| text.to_owned());
    good.ok_or_else(|| "write scheme and host: https://console.example.com".to_owned())
}

pub(super) fn token_requests(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=TOKEN_REQUESTS_PER_SECOND_TOP).contains(number));
    number.ok_or_else(|| format!("write a whole number from 1 to {TOKEN_REQUESTS_PER_SECOND_TOP}"))
}

/// `NAME=NUMBER`, of a limit that there is, within its range.
pub(super) fn limit(text: &str) -> Result<(&'static str, u32), String> {
    let (name, number) = text.split_once('=').ok_or("write NAME=NUMBER, such as requests_at_once_max=64")?;
    let Some(key) = SERVER_LIMITS.key(name.trim()) else {
        let names: Vec<&str> = SERVER_LIMITS.keys().map(|key| key.name).collect();
        return Err(format!("there is no limit '{}'; there are {}", name.trim(), names.join(", ")));
    };
    let Shape::Whole(from, to) = key.shape else { return Err("it cannot be set".to_owned()) };
    let number = number.trim().parse().ok().filter(|number| (from..=to).contains(number));
    number
        .map(|number| (key.name, number))
        .ok_or_else(|| format!("{} is a whole number from {from} to {to}", key.name))
}

/// Several of them, with commas between.
pub(super) fn several<T>(one: impl Fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<Vec<T>, String> {
    move |text| text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(&one).collect()
}
