//! Registries, as the OCI distribution specification has them: what is fetched from them and what is put there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use pawl_core::Digest;
use pawl_core::oci::Reference;
use pawl_core::operator::Registry;

use crate::RegistryError;
use crate::cache::Cache;
use crate::challenge::{Challenge, encoded};
use crate::http::{Answer, Server};
use crate::login::Credentials;
use crate::package::{Layer, Layers, MANIFEST_TYPE, Package, REGISTRY_MANIFEST_MAX_BYTES};

/// How often a blob may be elsewhere.
pub const REGISTRY_REDIRECTS_MAX: usize = 3;
/// What a registry may say beside what it was asked for, in bytes: errors, tokens.
const WORDS_MAX_BYTES: usize = 64 << 10;
/// How much of a registry's own words stands in an error, in characters.
const SAID_MAX_CHARS: usize = 200;

/// The registries that can be asked, and what was fetched before.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    known: BTreeMap<String, Registry>,
    /// What files with passwords are relative to.
    folder: PathBuf,
    cache: Cache,
}

impl Registries {
    /// With what the operator says of some of them; paths are relative to a folder. What is fetched is kept in
    /// another, where there is one.
    pub fn new(known: BTreeMap<String, Registry>, folder: PathBuf, cache: Option<PathBuf>) -> Self {
        Self { known, folder, cache: Cache(cache) }
    }

    /// The digest that a tag stands for now.
    pub async fn resolve(&self, reference: &Reference) -> Result<Digest, RegistryError> {
        let tagged = Reference { digest: None, ..reference.clone() };
        Ok(Digest::of(&self.session(reference)?.manifest(&tagged).await?))
    }

    /// Fetches a plugin, by its digest where there is one. Every byte is what its digest says.
    pub async fn pull(
        &self,
        reference: &Reference,
        component_max_bytes: u64,
    ) -> Result<Package, RegistryError> {
        let mut session = self.session(reference)?;
        let manifest = self.manifest(&mut session, reference).await?;
        let no_plugin = |reason| RegistryError::NoPlugin { reference: reference.to_string(), reason };
        let layers = Layers::parse(&manifest, component_max_bytes).map_err(no_plugin)?;
        let component = self.layer(&mut session, reference, layers.component).await?;
        let mut texts = [None, None];
        for (text, layer) in texts.iter_mut().zip([layers.manifest, layers.signature]) {
            if let Some(layer) = layer {
                let bytes = self.layer(&mut session, reference, layer).await?;
                let read =
                    String::from_utf8(bytes).map_err(|_| no_plugin("a layer is no text".to_owned()))?;
                *text = Some(read);
            }
        }
        let [manifest, signature] = texts;
        Ok(Package { component, manifest, signature })
    }

    /// Puts a plugin under a tag; gives the digest that it has from now on.
    pub async fn push(&self, reference: &Reference, package: &Package) -> Result<Digest, RegistryError> {
        let mut session = self.session(reference)?;
        for blob in package.blobs() {
            session.upload(reference, blob).await?;
        }
        let manifest = package.image_manifest();
        let digest = Digest::of(&manifest);
        let path = format!("/v2/{}/manifests/{}", reference.repository, reference.selector());
        let answer =
            session.ask(Method::PUT, &path, MANIFEST_TYPE, Bytes::from(manifest), WORDS_MAX_BYTES).await?;
        session.expect(reference, &answer, &[StatusCode::CREATED])?;
        Ok(digest)
    }

    async fn manifest(&self, session: &mut Session, reference: &Reference) -> Result<Vec<u8>, RegistryError> {
        let Some(digest) = &reference.digest else { return Ok(session.manifest(reference).await?.to_vec()) };
        if let Some(kept) = self.cache.get(digest, REGISTRY_MANIFEST_MAX_BYTES as u64) {
            return Ok(kept);
        }
        let bytes = session.manifest(reference).await?;
        checked(reference, digest, &bytes)?;
        self.cache.put(digest, &bytes);
        Ok(bytes.to_vec())
    }

    async fn layer(
        &self,
        session: &mut Session,
        reference: &Reference,
        layer: Layer,
    ) -> Result<Vec<u8>, RegistryError> {
        if let Some(kept) = self.cache.get(&layer.digest, layer.size) {
            return Ok(kept);
        }
        let bytes = session.blob(reference, layer).await?;
        checked(reference, &layer.digest, &bytes)?;
        self.cache.put(&layer.digest, &bytes);
        Ok(bytes.to_vec())
    }

    fn session(&self, reference: &Reference) -> Result<Session, RegistryError> {
        let known = self.known.get(&reference.host);
        let mut server = Server { tls: true, authority: reference.host.clone() };
        server.tls = !known.and_then(|known| known.insecure).unwrap_or_else(|| server.is_loopback());
        let login = known.and_then(|known| known.login.as_ref());
        let login = login.map(|login| Credentials::read(login, &self.folder)).transpose()?;
        Ok(Session { server, login, authorization: None })
    }
}

fn checked(reference: &Reference, expected: &Digest, bytes: &[u8]) -> Result<(), RegistryError> {
    let found = Digest::of(bytes);
    if found == *expected {
        return Ok(());
    }
    Err(RegistryError::OtherBytes { reference: reference.to_string(), expected: *expected, found })
}

/// One conversation with a registry, with what it takes to be answered.
#[derive(Debug)]
struct Session {
    server: Server,
    login: Option<Credentials>,
    /// What was asked for by the answer before.
    authorization: Option<HeaderValue>,
}

impl Session {
    async fn manifest(&mut self, reference: &Reference) -> Result<Bytes, RegistryError> {
        let path = format!("/v2/{}/manifests/{}", reference.repository, reference.selector());
        let answer = self.ask(Method::GET, &path, "", Bytes::new(), REGISTRY_MANIFEST_MAX_BYTES).await?;
        self.expect(reference, &answer, &[StatusCode::OK])?;
        Ok(answer.body)
    }

    async fn blob(&mut self, reference: &Reference, layer: Layer) -> Result<Bytes, RegistryError> {
        let path = format!("/v2/{}/blobs/sha256:{}", reference.repository, layer.digest);
        let max_bytes = usize::try_from(layer.size).unwrap_or(usize::MAX).max(WORDS_MAX_BYTES);
        let mut answer = self.ask(Method::GET, &path, "", Bytes::new(), max_bytes).await?;
        for _ in 0..REGISTRY_REDIRECTS_MAX {
            if !answer.status.is_redirection() {
                break;
            }
            let (server, path) = self.elsewhere(reference, &answer)?;
            // Whoever has the bytes gets no password and no token: what it sends is compared anyway.
            let request = request(Method::GET, &path, "", Bytes::new());
            answer =
                server.send(request.map_err(|error| self.strange(reference, &error))?, max_bytes).await?;
        }
        self.expect(reference, &answer, &[StatusCode::OK])?;
        Ok(answer.body)
    }

    /// Where else it is.
    fn elsewhere(&self, reference: &Reference, answer: &Answer) -> Result<(Server, String), RegistryError> {
        let location = answer.header(header::LOCATION).unwrap_or_default();
        if is_path(location) {
            return Ok((self.server.clone(), location.to_owned()));
        }
        let found = location.parse::<Uri>().ok().and_then(|uri| Server::of(&uri));
        found
            .filter(|(server, _)| server.tls || !self.server.tls)
            .ok_or_else(|| self.strange(reference, &"it leads elsewhere, to an address that is not asked"))
    }

    /// Puts bytes there, if they are not there yet.
    async fn upload(&mut self, reference: &Reference, blob: &[u8]) -> Result<(), RegistryError> {
        let digest = Digest::of(blob);
        let repository = &reference.repository;
        let path = format!("/v2/{repository}/blobs/sha256:{digest}");
        if self.ask(Method::HEAD, &path, "", Bytes::new(), 0).await?.status == StatusCode::OK {
            return Ok(());
        }
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.ask(Method::POST, &path, "", Bytes::new(), WORDS_MAX_BYTES).await?;
        self.expect(reference, &begun, &[StatusCode::ACCEPTED])?;
        let location = begun.header(header::LOCATION).unwrap_or_default();
        let path = if is_path(location) {
            location.to_owned()
        } else {
            // Behind a proxy the scheme may be another; what is sent goes where it was meant to go.
            let own = location.parse::<Uri>().ok().and_then(|uri| Server::of(&uri));
            let own = own.filter(|(server, _)| server.authority == self.server.authority);
            own.ok_or_else(|| self.strange(reference, &"it wants the upload to go to another host"))?.1
        };
        let and = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{and}digest={}", encoded(&format!("sha256:{digest}")));
        let kind = "application/octet-stream";
        let body = Bytes::copy_from_slice(blob);
        let put = self.ask(Method::PUT, &path, kind, body, WORDS_MAX_BYTES).await?;
        self.expect(reference, &put, &[StatusCode::CREATED])
    }

    /// Asks, and once more with what the registry wants to see.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
        max_bytes: usize,
    ) -> Result<Answer, RegistryError> {
        let mut challenged = false;
        loop {
            let wrong = |error: http::Error| RegistryError::Unreachable {
                host: self.server.authority.clone(),
                reason: error.to_string(),
            };
            let mut request = request(method.clone(), path, kind, body.clone()).map_err(wrong)?;
            if let Some(value) = &self.authorization {
                request.headers_mut().insert(header::AUTHORIZATION, value.clone());
            }
            // An error may be longer than what was asked for.
            let answer = self.server.send(request, max_bytes.max(WORDS_MAX_BYTES)).await?;
            if answer.status != StatusCode::UNAUTHORIZED || challenged {
                return Ok(answer);
            }
            challenged = true;
            self.authorization = match answer.header(header::WWW_AUTHENTICATE).and_then(Challenge::parse) {
                Some(Challenge::Basic) => self.login.as_ref().and_then(Credentials::basic),
                Some(Challenge::Bearer { realm, query }) => self.token(&realm, &query).await?,
                None => None,
            };
            if self.authorization.is_none() {
                return Ok(answer);
            }
        }
    }

    /// A token, from where the registry says that one is given. The password goes there if that is as safe a place
    /// as the registry itself.
    async fn token(&self, realm: &str, query: &str) -> Result<Option<HeaderValue>, RegistryError> {
        let refused =
            |reason: String| RegistryError::Unauthorized { host: self.server.authority.clone(), reason };
        let place = realm.parse::<Uri>().ok().and_then(|uri| Server::of(&uri));
        let Some((server, path)) = place.filter(|(server, _)| server.tls || !self.server.tls) else {
            return Err(refused("it names no address at which a token could be asked for safely".to_owned()));
        };
        let and = if path.contains('?') { '&' } else { '?' };
        let request = request(Method::GET, &format!("{path}{and}{query}"), "", Bytes::new());
        let mut request = request.map_err(|error| refused(error.to_string()))?;
        if let Some(value) = self.login.as_ref().and_then(Credentials::basic) {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let answer = server.send(request, WORDS_MAX_BYTES).await?;
        if answer.status != StatusCode::OK {
            return Err(refused(format!("{} gives no token: {}", server.authority, self.said(&answer))));
        }
        let read: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let token =
            read.as_ref().and_then(|read| read.get("token").or_else(|| read.get("access_token"))?.as_str());
        let value = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        let mut value = value.ok_or_else(|| refused(format!("{} gives no token", server.authority)))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn expect(
        &self,
        reference: &Reference,
        answer: &Answer,
        good: &[StatusCode],
    ) -> Result<(), RegistryError> {
        if good.contains(&answer.status) {
            return Ok(());
        }
        let host = self.server.authority.clone();
        Err(match answer.status {
            StatusCode::NOT_FOUND => RegistryError::Missing(reference.to_string()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                RegistryError::Unauthorized { host, reason: self.said(answer) }
            }
            _ => RegistryError::Refused { host, reason: self.said(answer) },
        })
    }

    fn strange(&self, reference: &Reference, reason: &dyn std::fmt::Display) -> RegistryError {
        RegistryError::Refused {
            host: self.server.authority.clone(),
            reason: format!("of {reference}: {reason}"),
        }
    }

    /// The registry's own words, as far as they are for people, without the password.
    fn said(&self, answer: &Answer) -> String {
        let read: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let words = read.as_ref().and_then(|read| read.get("errors")?.get(0)?.get("message")?.as_str());
        let words = words.unwrap_or_default();
        let words = self.login.as_ref().map_or_else(|| words.to_owned(), |login| login.out_of(words));
        let words: String = words.chars().take(SAID_MAX_CHARS).collect();
        let parts = [answer.status.to_string(), words];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a location is on the same server.
fn is_path(location: &str) -> bool {
    location.starts_with('/') && !location.starts_with("//")
}

fn request(method: Method, path: &str, kind: &str, body: Bytes) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, MANIFEST_TYPE);
    if !kind.is_empty() {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    request.body(Full::new(body))
}
