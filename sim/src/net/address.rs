//! Addresses and names of hosts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::engine::{Answer, world};
use crate::time::{Duration, sleep};

/// What names a socket's address: an address, or `host:port`.
pub trait ToSocketAddrs {
    /// The address or the name.
    fn to_host(&self) -> Host;
}

/// An address, or a name that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    Address(SocketAddr),
    /// `host:port`.
    Name(String),
}

impl ToSocketAddrs for SocketAddr {
    #[inline]
    fn to_host(&self) -> Host {
        Host::Address(*self)
    }
}

impl ToSocketAddrs for SocketAddrV4 {
    #[inline]
    fn to_host(&self) -> Host {
        Host::Address(SocketAddr::V4(*self))
    }
}

impl ToSocketAddrs for (IpAddr, u16) {
    #[inline]
    fn to_host(&self) -> Host {
        Host::Address((*self).into())
    }
}

impl ToSocketAddrs for (Ipv4Addr, u16) {
    #[inline]
    fn to_host(&self) -> Host {
        Host::Address((*self).into())
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn to_host(&self) -> Host {
        format!("{}:{}", self.0, self.1).to_host()
    }
}

impl ToSocketAddrs for str {
    fn to_host(&self) -> Host {
        self.parse()
            .map_or_else(|_| Host::Name(self.to_owned()), Host::Address)
    }
}

impl ToSocketAddrs for String {
    fn to_host(&self) -> Host {
        self.as_str().to_host()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    #[inline]
    fn to_host(&self) -> Host {
        (**self).to_host()
    }
}

/// The addresses of a host. In the engine, nodes are known by their names.
///
/// # Errors
/// If the text is not `host:port`, the name is unknown, or nobody answers, as getaddrinfo(3).
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    let name = match host.to_host() {
        Host::Address(address) => return Ok(vec![address]),
        Host::Name(name) => name,
    };
    if !world::is_running() {
        return Ok(tokio::net::lookup_host(name).await?.collect());
    }
    let Some((host, port)) = name
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
    else {
        let problem = format!("`{name}` is not an address: expected host:port");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    };
    let Answer { after_ns, address } = world::with(|world| world.look_up(host));
    if after_ns > 0 {
        sleep(Duration::from_nanos(after_ns)).await;
    }
    match address {
        Ok(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        Err(unresolved) => Err(io::Error::other(format!("{unresolved}: `{host}`"))),
    }
}

/// The first address of a host.
pub(super) async fn resolve(host: impl ToSocketAddrs) -> io::Result<SocketAddr> {
    let addresses = lookup_host(host).await?;
    addresses
        .first()
        .copied()
        .ok_or_else(|| io::Error::other("the name has no address"))
}
