//! Where this program may connect to on behalf of what is declared in blueprints and kept in the database.
//!
//! Whoever may write a source, a webhook or a provider's address could otherwise have the server ask machines that only
//! the server reaches: its own loopback, the private network, the metadata service of a cloud. So every such connection
//! goes through an [`Egress`]: the host's spelling is checked, it is looked up once, every address found is checked, and
//! only these addresses are connected to, so that a second answer of the name server cannot lead elsewhere. One bad address
//! among good ones refuses the host.
//!
//! * For HTTP, [`Egress::client`] makes a [`Client`] that does this for each request and each redirect.
//! * Anything else connects to what [`Egress::resolve`] or [`Egress::resolve_blocking`] gives, and never to the name.
//!
//! What the operator wrote himself (configuration, command line, the database's url) is trusted: it either does not go
//! through this at all, or is named by [`Egress::trusting`], when what is reached could lead on to other places.

mod host;
mod http;
mod network;
mod special;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

pub use self::network::Network;
use self::{host::Host, special::Special};

pub use self::http::{Client, Redirects};

/// Longest time that a look-up of a name may take.
pub const LOOK_UP: Duration = Duration::from_secs(10);

/// Looks names up. There is one besides the system's only where tests need it.
pub trait Names: Send + Sync {
    /// The addresses of a host, in the order in which to try them. May block.
    ///
    /// # Errors
    /// When the host is not known or the name server does not answer.
    fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's way: its files and name servers.
struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

/// What may be reached. Cheap to clone. The default allows the public internet and nothing else.
#[derive(Clone)]
pub struct Egress {
    rules: Arc<Rules>,
    trusted: Vec<Host>,
    names: Arc<dyn Names>,
}

#[derive(Debug, Default)]
struct Rules {
    networks: Vec<Network>,
    /// Patterns of names, in small letters.
    hosts: Vec<String>,
    only: bool,
}

impl Default for Egress {
    fn default() -> Self {
        Egress { rules: Arc::default(), trusted: Vec::new(), names: Arc::new(SystemNames) }
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("rules", &self.rules).field("trusted", &self.trusted).finish_non_exhaustive()
    }
}

/// An entry of a list of what is allowed that means nothing.
#[derive(Debug, thiserror::Error)]
#[error("{entry:?} is neither a network such as 10.0.0.0/8 nor a host such as git.example.org or *.example.org: {why}")]
pub struct RuleError {
    entry: String,
    why: String,
}

impl Egress {
    /// Allows the networks and hosts of `allow` besides the public internet, or instead of it when `only` is set.
    ///
    /// An entry is a network (`10.0.0.0/8`, `fd00::/8`), an address, or a host, in which `*` stands for any letters
    /// (`*.example.org` is every host below that domain). A host that is allowed may have private and loopback
    /// addresses, but link-local, multicast and reserved ones are reached only where a network allows them.
    ///
    /// # Errors
    /// For the first entry that means nothing.
    pub fn new<T: AsRef<str>>(allow: &[T], only: bool) -> Result<Egress, RuleError> {
        let mut rules = Rules { only, ..Rules::default() };
        for entry in allow.iter().map(AsRef::as_ref) {
            let wrong = |why: &str| RuleError { entry: entry.to_owned(), why: why.to_owned() };
            let text = entry.trim();
            if text.contains([':', '/']) || host::ends_in_a_number(text) {
                rules.networks.push(text.parse().map_err(|why: String| wrong(&why))?);
                continue;
            }
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*');
            if text.is_empty() || !text.bytes().all(is_fine) {
                return Err(wrong("a host has letters, digits, dots and hyphens"));
            }
            rules.hosts.push(text.trim_end_matches('.').to_ascii_lowercase());
        }
        Ok(Egress { rules: Arc::new(rules), ..Egress::default() })
    }

    /// The same, and this host as well, wherever it leads: for what the operator himself wrote. A host that cannot be
    /// read changes nothing and is refused later.
    #[must_use]
    pub fn trusting(mut self, host: &str) -> Egress {
        self.trusted.extend(Host::read(host));
        self
    }

    /// The same with another way to look names up.
    #[must_use]
    pub fn looking_up(mut self, names: Arc<dyn Names>) -> Egress {
        self.names = names;
        self
    }

    /// The addresses at which `host` may be connected to, in the order in which to try them. Connect to one of them and
    /// not to the name; what the name proves (a certificate, a host key) is still checked by the name.
    ///
    /// # Errors
    /// When the host may not be reached, is not known, or is not looked up within [`LOOK_UP`].
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let (egress, name) = (self.clone(), host.to_owned());
        // The look-up cannot be broken off; when it hangs, its thread is left behind.
        let work = tokio::task::spawn_blocking(move || egress.resolve_blocking(&name, port));
        match tokio::time::timeout(LOOK_UP, work).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => Err(ResolveError::Unknown { host: host.to_owned(), why: io::Error::other(error) }),
            Err(_) => Err(ResolveError::TimedOut { host: host.to_owned() }),
        }
    }

    /// The same for threads that may wait, without a limit of time.
    ///
    /// # Errors
    /// When the host may not be reached or is not known.
    pub fn resolve_blocking(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let read = self.read(host)?;
        let addresses = match &read {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                self.names.look_up(name).map_err(|why| ResolveError::Unknown { host: name.clone(), why })?
            }
        };
        if addresses.is_empty() {
            let why = io::Error::new(io::ErrorKind::NotFound, "it has no address");
            return Err(ResolveError::Unknown { host: read.to_string(), why });
        }
        for address in &addresses {
            self.judge(&read, *address)?;
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// Checks a host without looking it up: its spelling, and its address when it is one. For connectors that are given
    /// addresses without asking anyone.
    ///
    /// # Errors
    /// When the host can be told to be refused already.
    pub fn check_host(&self, host: &str) -> Result<(), Refused> {
        match self.read(host)? {
            Host::Name(_) => Ok(()),
            read @ Host::Address(address) => self.judge(&read, address),
        }
    }

    fn read(&self, host: &str) -> Result<Host, Refused> {
        // It may come from anywhere, and is shown to people.
        let shown = || host.chars().take(100).map(|c| if c.is_control() { '?' } else { c }).collect();
        Host::read(host).map_err(|odd| Refused { host: shown(), address: None, why: Why::Odd(odd) })
    }

    fn judge(&self, host: &Host, address: IpAddr) -> Result<(), Refused> {
        if self.trusted.contains(host) {
            return Ok(());
        }
        let real = special::canonical(address);
        // Both spellings, so that a network of mapped addresses means something, too.
        if self.rules.networks.iter().any(|network| network.contains(real) || network.contains(address)) {
            return Ok(());
        }
        let named = match host {
            Host::Name(name) => self.rules.hosts.iter().any(|pattern| matches(pattern, name)),
            Host::Address(_) => false,
        };
        let why = match special::special_of(real) {
            Some(special) if !(named && special.by_name) => Why::Special(special),
            None if self.rules.only && !named => Why::NotListed,
            _ => return Ok(()),
        };
        Err(Refused { host: host.to_string(), address: Some(address), why })
    }
}

/// Whether `pattern`, in which `*` stands for any letters, is `name`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A host that may not be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    host: String,
    address: Option<IpAddr>,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Odd(&'static str),
    Special(Special),
    NotListed,
}

impl Refused {
    /// The host as it was asked for.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address that is not allowed; none when the host's spelling is refused already.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The refusal among an error's causes, for instance a failed request's.
    pub fn among<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Refused> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Refused>() {
                return Some(found);
            }
            if let Some(ResolveError::Refused(found)) = error.downcast_ref::<ResolveError>() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { host, address, why } = self;
        let address = address.map_or_else(String::new, |address| address.to_string());
        let leads = if address == *host { address.clone() } else { format!("{host} leads to {address}, which") };
        match why {
            Why::Odd(odd) => write!(f, "the host {host:?} {odd}"),
            Why::Special(special) => {
                let or_host = if address == *host || !special.by_name { String::new() } else { format!(" or {host}") };
                write!(
                    f,
                    "{leads} is {}, and what is declared in blueprints may not reach that; if it is meant to, add {address}{or_host} \
                     to `egress.allow` (GATEWRIGHT_EGRESS_ALLOW)",
                    special.what
                )
            }
            Why::NotListed => {
                let or_host = if address == *host { String::new() } else { format!("{host} or ") };
                write!(
                    f,
                    "{leads} is not listed in `egress.allow`, and `egress.only` lets nothing else be reached; if it is \
                     meant to, add {or_host}{address} to `egress.allow` (GATEWRIGHT_EGRESS_ALLOW)"
                )
            }
        }
    }
}

/// Why a host has no address to connect to.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// It may not be reached.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is not known.
    #[error("the address of {host} cannot be found: {why}")]
    Unknown {
        /// The host.
        host: String,
        /// What the system says.
        why: io::Error,
    },
    /// The look-up took too long.
    #[error("the address of {host} was not found within {LOOK_UP:?}")]
    TimedOut {
        /// The host.
        host: String,
    },
}
