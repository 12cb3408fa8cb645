//! What `pawl serve` would need here: its settings, its address, TLS, the issuer's keys, the key of links, and the secrets
//! of those who are told. Only what is set is tried, and nothing is changed.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use pawl_server::identity::keys_there;
use pawl_server::{LINK_KEY_BYTES, ServerError};

use super::Finding;
use crate::backend;
use crate::fault::Fault;
use crate::place::Place;
use crate::serving::{Layers, ServingArgs, Setup};

/// What others may do with a file, of its mode.
const OTHERS: u32 = 0o077;

/// All of it. `holder` is the process that holds the folder, where another one does: its server may have the address.
pub(super) async fn look(place: &Place, holder: Option<u32>) -> Vec<Finding> {
    let setup = backend::read_operator(place).and_then(|(operator, folder)| {
        Setup::new(&ServingArgs::default(), &Layers::of_process(), (&operator.server, &folder))
    });
    let setup = match setup {
        Ok(setup) => setup,
        Err(fault) => return vec![Finding { what: "server", outcome: Err(fault) }],
    };
    let mut findings = vec![Finding { what: "server", outcome: address(&setup, holder) }];
    let mut add = |what, outcome| findings.push(Finding { what, outcome });
    if let Some(files) = &setup.config.tls {
        let tried = files.check().map(|()| format!("{} and its key fit", files.cert.display()));
        add("tls", tried.map_err(|why| setup.fault(ServerError::Tls(why))));
    }
    match backend::issuer(place) {
        Ok(None) => {}
        Ok(Some(issuer)) => add("issuer", keys(&issuer.issuer, issuer.keys).await),
        Err(fault) => add("issuer", Err(fault)),
    }
    let key = place.link_key();
    if key.exists() {
        add("link key", link_key(&key));
    }
    match backend::notifying(place) {
        Ok(notify) if notify.told.is_empty() => {}
        Ok(notify) => {
            let tried = notify.check(setup.config.public_url.as_deref());
            let found = format!("{} can be told", notify.told.len());
            add("notify", tried.map(|()| found).map_err(|error| ServerError::from(error).into()));
        }
        Err(fault) => add("notify", Err(fault)),
    }
    findings
}

/// Whether the address is free. The usual one may be another server's: that is no fault of this folder.
fn address(setup: &Setup, holder: Option<u32>) -> Result<String, Fault> {
    let listen = setup.config.listen;
    let Err(source) = TcpListener::bind(listen) else { return Ok(format!("{listen} is free")) };
    if source.kind() == ErrorKind::AddrInUse {
        if let Some(pid) = holder {
            return Ok(format!("{listen} is taken, perhaps by process {pid}, which holds the data folder"));
        }
        if !setup.is_listen_set() {
            return Ok(format!("{listen} is taken; `pawl serve` needs another, with --listen ADDRESS:PORT"));
        }
    }
    Err(setup.fault(ServerError::Listen { address: listen, source }))
}

/// Whether the issuer's keys can be had, and there are any.
async fn keys(issuer: &str, source: pawl_server::identity::KeySource) -> Result<String, Fault> {
    let hint = "check `jwks_url` or `jwks_file` of `identity` in pawl.yaml";
    let there = keys_there(source).await;
    match there.map_err(|error| Fault::failed(format!("the keys of {issuer}: {error}")).hint(hint))? {
        0 => {
            let message = format!("the keys of {issuer}: there is none that can be used");
            Err(Fault::failed(message).hint(hint))
        }
        count => Ok(format!("{issuer} has {count} keys")),
    }
}

/// Whoever reads it can answer any approval.
fn link_key(path: &Path) -> Result<String, Fault> {
    let shown = path.display();
    let about = std::fs::metadata(path)
        .map_err(|error| Fault::failed(format!("{shown}: {error}")).hint("make it readable for you"))?;
    if about.len() != LINK_KEY_BYTES as u64 {
        let message = format!("{shown} has {} bytes and not {LINK_KEY_BYTES}", about.len());
        return Err(
            Fault::failed(message).hint("remove it; a new one is made, and links that were sent are void")
        );
    }
    if about.mode() & OTHERS != 0 {
        let message = format!("{shown} has mode {:03o}: others can read or write it", about.mode() & 0o777);
        let hint = format!(
            "chmod 600 {shown}; where others may have read it, remove it: links that were sent are void"
        );
        return Err(Fault::failed(message).hint(hint));
    }
    Ok(format!("{shown} is yours alone"))
}
