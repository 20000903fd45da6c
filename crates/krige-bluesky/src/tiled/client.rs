//! One request to Tiled: address, key, time-outs, and what its statuses mean.

use std::fmt;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;

use super::error::TiledError;

/// The environment variable that holds the API key, unless another is named.
pub const API_KEY_VARIABLE: &str = "TILED_API_KEY";

const API: &str = "/api/v1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Far above any answer in JSON: what a broken server can make us hold.
const LARGEST_JSON: u64 = 1 << 28;

/// All but the characters that RFC 3986 (section 2.3) calls unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client of one Tiled server; blocking, and cheap to clone.
///
/// All paths are relative to the [prefix](Self::prefix), with `/` between the keys; the empty path is the folder of runs.
/// Every method returns within the [time-out](Self::timeout) for each request that it makes, and says how many these are
/// where there may be more than one.
///
/// Data are public on some servers: without a key, requests are made without one.
#[derive(Clone)]
pub struct TiledClient {
    agent: Agent,
    /// Address of the server, without `/api/v1`.
    url: String,
    prefix: String,
    key: Option<String>,
    key_source: KeySource,
    timeout: Duration,
}

#[derive(Clone)]
enum KeySource {
    Variable(String),
    Given,
}

impl TiledClient {
    /// Makes a client of the server at `url`: `http` or `https`, with or without `/api/v1`. The API key is that in the
    /// environment variable [`API_KEY_VARIABLE`], if it is set. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TiledError::Address`], also for a URL with a key in it.
    pub fn new(url: &str) -> Result<Self, TiledError> {
        let config = Agent::config_builder().http_status_as_error(false);
        let agent = Agent::new_with_config(config.build());
        let key_source = KeySource::Variable(String::new());
        let (prefix, url) = (String::new(), address(url)?);
        let client = Self { agent, url, prefix, key: None, key_source, timeout: TIMEOUT };
        Ok(client.api_key_from(API_KEY_VARIABLE))
    }

    /// Says below which path the runs are mounted; the root, unless said.
    #[must_use]
    pub fn prefix(mut self, path: &str) -> Self {
        path.clone_into(&mut self.prefix);
        self
    }

    /// Takes the API key from an environment variable, now.
    #[must_use]
    pub fn api_key_from(mut self, variable: &str) -> Self {
        self.key = std::env::var(variable).ok().filter(|key| !key.is_empty());
        self.key_source = KeySource::Variable(variable.to_owned());
        self
    }

    /// Sets the API key.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self.key_source = KeySource::Given;
        self
    }

    /// Says how long one request may take, from looking up the server's name to the last byte of the answer; 30 s unless
    /// said, of which at most 5 s for the connection.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The server's address, without `/api/v1`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn time_limit(&self) -> Duration {
        self.timeout
    }

    pub(super) fn connect_limit(&self) -> Duration {
        self.timeout.min(CONNECT_TIMEOUT)
    }

    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// What stands in the header `Authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("Apikey {key}"))
    }

    /// The address of a node under an endpoint of the API.
    pub(super) fn address_of(&self, endpoint: &str, path: &str) -> String {
        let mut address = format!("{}{API}/{endpoint}/", self.url);
        let keys = self.prefix.split('/').chain(path.split('/')).filter(|key| !key.is_empty());
        for (index, key) in keys.enumerate() {
            if index > 0 {
                address.push('/');
            }
            address.extend(utf8_percent_encode(key, SEGMENT));
        }
        address
    }

    /// What Tiled gives in JSON.
    pub(super) fn get_json<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        path: &str,
        query: &[(String, String)],
        expected: &'static str,
    ) -> Result<T, TiledError> {
        let body = self.get(endpoint, path, query, LARGEST_JSON)?;
        serde_json::from_slice(&body).map_err(|error| TiledError::Protocol {
            path: path.to_owned(),
            expected,
            found: format!("{} ({error})", excerpt(&body)),
        })
    }

    /// What Tiled gives, at most `limit` bytes of it.
    pub(super) fn get(
        &self,
        endpoint: &str,
        path: &str,
        query: &[(String, String)],
        limit: u64,
    ) -> Result<Vec<u8>, TiledError> {
        let mut request = self
            .agent
            .get(self.address_of(endpoint, path))
            .query_pairs(query.iter().map(|(name, value)| (name, value)))
            .config()
            .timeout_global(Some(self.timeout))
            .timeout_connect(Some(self.connect_limit()))
            .build();
        if let Some(authorization) = self.authorization() {
            request = request.header("Authorization", authorization);
        }
        let failed = |error| self.failed(path, error);
        let mut response = request.call().map_err(failed)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(limit).read_to_vec().map_err(failed)?;
        if status == 200 { Ok(body) } else { Err(self.refused(path, status, &body)) }
    }

    /// What a status other than 200 means.
    pub(super) fn refused(&self, path: &str, status: u16, body: &[u8]) -> TiledError {
        let (path, detail) = (path.to_owned(), detail(body));
        match status {
            401 | 403 => self.unauthorized(detail),
            404 => TiledError::NotFound { path, detail },
            406 => TiledError::NotAcceptable { path, detail },
            500.. => TiledError::Server { path, status, detail },
            _ => TiledError::Refused { path, status, detail },
        }
    }

    pub(super) fn unauthorized(&self, detail: String) -> TiledError {
        let scopes = "an API key with the scopes read:metadata and read:data";
        let advice = match (&self.key_source, &self.key) {
            (KeySource::Given, _) => {
                format!("the key that was given is not good for it; give {scopes}")
            }
            (KeySource::Variable(name), Some(_)) => {
                format!("the key in {name} is not good for it; set {name} to {scopes}")
            }
            (KeySource::Variable(name), None) => {
                format!("there is no key, because {name} is not set; set it to {scopes}")
            }
        };
        TiledError::Unauthorized { url: self.url.clone(), detail, advice }
    }

    pub(super) fn timed_out(&self, path: &str) -> TiledError {
        TiledError::Timeout { url: self.url.clone(), path: path.to_owned(), limit: self.timeout }
    }

    pub(super) fn unreachable(&self, source: impl Into<krige_runner::Cause>) -> TiledError {
        TiledError::Unreachable { url: self.url.clone(), source: source.into() }
    }

    fn failed(&self, path: &str, error: ureq::Error) -> TiledError {
        let protocol =
            |expected, found| TiledError::Protocol { path: path.to_owned(), expected, found };
        match error {
            ureq::Error::Timeout(_) => self.timed_out(path),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                self.timed_out(path)
            }
            ureq::Error::BadUri(_) => TiledError::Address { found: "no URL".into() },
            error @ ureq::Error::Protocol(_) => protocol("HTTP/1.1", error.to_string()),
            ureq::Error::BodyExceedsLimit(limit) => {
                protocol("a shorter answer", format!("one of more than {limit} bytes"))
            }
            // An HTTP error is a header that cannot be sent, and the key is the only one that we do not know.
            ureq::Error::Http(_) => self.unauthorized("the key cannot be sent in a header".into()),
            other => self.unreachable(other),
        }
    }
}

impl fmt::Debug for TiledClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match (&self.key_source, &self.key) {
            (KeySource::Given, _) => "given".into(),
            (KeySource::Variable(name), Some(_)) => format!("from {name}"),
            (KeySource::Variable(name), None) => format!("none in {name}"),
        };
        f.debug_struct("TiledClient")
            .field("url", &self.url)
            .field("prefix", &self.prefix)
            .field("api_key", &format_args!("{key}"))
            .field("timeout", &self.timeout)
            .finish()
    }
}

fn address(url: &str) -> Result<String, TiledError> {
    let fail = |found: &str| Err(TiledError::Address { found: found.to_owned() });
    let Some((scheme, rest)) = url.split_once("://") else {
        return fail("no `http://` in front");
    };
    if !matches!(scheme, "http" | "https") {
        return fail("another scheme");
    }
    if rest.contains(['?', '#', '@']) {
        return fail("a query or a user in it; the key stands in an environment variable");
    }
    let rest = rest.trim_end_matches('/');
    let rest = rest.strip_suffix(API).unwrap_or(rest).trim_end_matches('/');
    let url = format!("{scheme}://{rest}");
    match url.parse::<ureq::http::Uri>() {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => Ok(url),
        _ => fail("no host"),
    }
}

/// What Tiled says of an error: the text of `detail`, or whatever else came.
fn detail(body: &[u8]) -> String {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    match parsed.as_ref().and_then(|value| value.get("detail")) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => excerpt(body),
    }
}

/// The beginning of an answer, for a message.
pub(super) fn excerpt(body: &[u8]) -> String {
    const LENGTH: usize = 200;
    let text = String::from_utf8_lossy(&body[..body.len().min(LENGTH)]);
    let more = if body.len() > LENGTH { "…" } else { "" };
    if body.is_empty() { "an empty answer".into() } else { format!("{:?}{more}", text.trim()) }
}
