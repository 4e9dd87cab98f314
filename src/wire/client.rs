//! One HTTP client for every call that leaves the program, with limits on everything. It blocks: threads only.

use super::transport::Gathering;
use std::collections::HashMap;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout, RustlsConnector, TcpConnector};

/// Time to connect (Reliability sheet §4).
const CONNECT: Duration = Duration::from_secs(3);
/// Idle connections older than this are not used again: common servers close theirs after five seconds.
const IDLE: Duration = Duration::from_secs(3);
/// Longest answer read, bytes, unless the caller says otherwise.
const ANSWER: u64 = 2 << 20;

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds, given as a number or as a date.
    pub retry_after_s: Option<u64>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }
}

/// No answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing can have been done: refused, unknown host, could not connect.
    #[error("{0}")]
    SurelyNot(&'static str),
    /// The request left; nobody knows what became of it.
    #[error("{0}")]
    Unknown(&'static str),
}

/// The shared client; clones share the connections. Threads are dealt over a few pools, since a pool is one lock and
/// looks at every idle connection at each call.
#[derive(Clone)]
pub struct Http(Arc<[ureq::Agent; POOLS]>);

/// Pools of idle connections.
const POOLS: usize = 8;
static NEXT_POOL: AtomicUsize = AtomicUsize::new(0);
thread_local! { static POOL: usize = NEXT_POOL.fetch_add(1, Ordering::Relaxed) % POOLS; }

impl Default for Http {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Self::agent())))
    }
}

impl Http {
    fn agent() -> ureq::Agent {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .max_idle_connections(8)
            .max_idle_connections_per_host(8)
            .max_idle_age(IDLE)
            .user_agent(concat!("kafilah/", env!("CARGO_PKG_VERSION")))
            .build();
        let connector = TcpConnector::default().chain(Gathering).chain(RustlsConnector::default());
        ureq::Agent::with_parts(config, connector, RememberingResolver::default())
    }

    fn pool(&self) -> &ureq::Agent {
        &self.0[POOL.with(|pool| *pool)]
    }
}

/// How long an address found for a name is used again.
const REMEMBER: Duration = Duration::from_secs(30);

/// Addresses by host and port. The default resolver starts a thread for every call, to be able to give up on it;
/// a numeric address needs none, and a name not with every message.
#[derive(Debug, Default)]
struct RememberingResolver {
    inner: DefaultResolver,
    known: Mutex<HashMap<String, (Instant, Vec<SocketAddr>)>>,
}

impl Resolver for RememberingResolver {
    fn resolve(&self, uri: &ureq::http::Uri, config: &ureq::config::Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let host = uri.host().unwrap_or("");
        let mut found = self.empty();
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            found.push(SocketAddr::new(ip, port));
            return Ok(found);
        }
        let name = format!("{host}:{port}");
        if let Some((at, addresses)) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&name)
            && at.elapsed() < REMEMBER
        {
            addresses.iter().for_each(|address| found.push(*address));
            return Ok(found);
        }
        let fresh = self.inner.resolve(uri, config, timeout)?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name, (Instant::now(), fresh.iter().copied().collect()));
        Ok(fresh)
    }
}

/// A call to make.
pub struct Call<'a> {
    /// GET, POST, PUT or DELETE.
    pub method: &'a str,
    /// Where.
    pub url: &'a str,
    /// Extra headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// JSON body.
    pub body: Option<&'a [u8]>,
    /// Everything together may take this long.
    pub timeout: Duration,
    /// Most bytes of answer to read.
    pub limit: u64,
}

impl<'a> Call<'a> {
    /// A call with the usual answer limit.
    pub fn new(method: &'a str, url: &'a str, headers: &'a [(&'a str, &'a str)], body: Option<&'a [u8]>, timeout: Duration) -> Self {
        Self { method, url, headers, body, timeout, limit: ANSWER }
    }
}

impl Http {
    /// Makes the call and reads the whole answer.
    pub fn call(&self, call: &Call<'_>) -> Result<Answer, NoAnswer> {
        let mut request = ureq::http::Request::builder().method(call.method).uri(call.url);
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        if call.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let agent = self.pool();
        let sent = match call.body {
            Some(body) => {
                let request = request.body(body).map_err(|_| NoAnswer::SurelyNot("bad_address"))?;
                agent.run(agent.configure_request(request).timeout_global(Some(call.timeout)).build())
            }
            None => {
                let request = request.body(()).map_err(|_| NoAnswer::SurelyNot("bad_address"))?;
                agent.run(agent.configure_request(request).timeout_global(Some(call.timeout)).build())
            }
        };
        let response = sent.map_err(|error| name(&error))?;
        let (parts, body) = response.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after_s = header("retry-after").and_then(retry_after);
        let content_type = header("content-type").map(str::to_owned);
        let mut bytes = Vec::new();
        let mut reader = body.into_reader().take(call.limit + 1);
        match reader.read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > call.limit => return Err(NoAnswer::Unknown("answer_too_long")),
            Ok(_) => {}
            // the status is known; a body that breaks off only loses particulars
            Err(_) if parts.status.as_u16() >= 400 => {}
            Err(_) => return Err(NoAnswer::Unknown("answer_cut")),
        }
        Ok(Answer { status: parts.status.as_u16(), retry_after_s, content_type, body: bytes })
    }
}

/// `Retry-After` in seconds: a number, or a date (RFC 9110 §10.2.3).
fn retry_after(value: &str) -> Option<u64> {
    let date = || chrono::DateTime::parse_from_rfc2822(value.trim()).ok().map(|at| (at.timestamp() - chrono::Utc::now().timestamp()).max(0).unsigned_abs());
    value.trim().parse().ok().or_else(date)
}

/// The failure's name, and whether the request may have been acted on.
fn name(error: &ureq::Error) -> NoAnswer {
    use std::io::ErrorKind as Kind;
    match error {
        ureq::Error::HostNotFound => NoAnswer::SurelyNot("host_not_found"),
        ureq::Error::ConnectionFailed => NoAnswer::SurelyNot("refused"),
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => NoAnswer::SurelyNot("connect_timed_out"),
        ureq::Error::Timeout(_) => NoAnswer::Unknown("timed_out"),
        ureq::Error::BadUri(_) => NoAnswer::SurelyNot("bad_address"),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => NoAnswer::SurelyNot("tls_failed"),
        ureq::Error::Io(io) if matches!(io.kind(), Kind::ConnectionRefused | Kind::AddrNotAvailable | Kind::NetworkUnreachable | Kind::HostUnreachable) => {
            NoAnswer::SurelyNot("refused")
        }
        ureq::Error::Io(io) if io.kind() == Kind::TimedOut => NoAnswer::Unknown("timed_out"),
        _ => NoAnswer::Unknown("connection_lost"),
    }
}
