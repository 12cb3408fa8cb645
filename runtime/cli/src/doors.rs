//! Who may use the server: what the command line and `pawl.yaml` say of it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pawl_server::{IdentityMode, ServerConfig, TlsFiles};

use crate::backend;
use crate::fault::Fault;
use crate::place::Place;

/// Who may use the server.
#[derive(Debug, Args)]
pub(crate) struct DoorArgs {
    /// Whether who asks must say who they are (default: required, but on loopback without `identity` in pawl.yaml)
    #[arg(long, value_name = "MODE")]
    identity: Option<Mode>,
    /// Serve over TLS with this certificate, PEM; it is read anew when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A name of this server; requests to any other are refused. May be repeated (default: on loopback, its names)
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// A page elsewhere that may ask, as `https://console.example.com`; may be repeated
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = origin)]
    origins: Vec<String>,
    /// What signed links begin with (default: the address)
    #[arg(long, value_name = "URL", value_parser = origin)]
    public_url: Option<String>,
    /// The requests of one token or user in a second (default: 200)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    token_requests_max: Option<u32>,
}

/// Whether who asks must say who they are.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Whoever asks needs a token
    Required,
    /// Whoever asks is the operator; on loopback alone
    Off,
}

/// Scheme, host and port, and nothing behind.
fn origin(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let fits = !rest.is_empty() && !rest.contains(['/', '?', '#', '@', '*', ' ']);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("write scheme and host: https://console.example.com".to_owned())
    }
}

impl DoorArgs {
    /// A server's settings with these.
    pub(crate) fn apply(&self, config: ServerConfig, place: &Place) -> Result<ServerConfig, Fault> {
        let tls = self.tls_cert.clone().zip(self.tls_key.clone());
        Ok(ServerConfig {
            identity: match self.identity {
                None => IdentityMode::Usual,
                Some(Mode::Required) => IdentityMode::Required,
                Some(Mode::Off) => IdentityMode::Off,
            },
            issuer: backend::issuer(place)?,
            tls: tls.map(|(cert, key)| TlsFiles { cert, key }),
            hosts: self.hosts.clone(),
            origins: self.origins.clone(),
            public_url: self.public_url.clone(),
            link_key: (!place.ephemeral).then(|| place.link_key()),
            token_requests_per_second_max: self
                .token_requests_max
                .unwrap_or(config.token_requests_per_second_max),
            ..config
        })
    }

    /// Whether tokens go over the network as they are.
    pub(crate) const fn is_plain(&self) -> bool {
        self.tls_cert.is_none()
    }
}
