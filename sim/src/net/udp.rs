//! UDP sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::address::{Host, ToSocketAddrs, resolve};
use crate::engine::{self, CrashPoint, Id, world};

/// A socket for datagrams.
pub struct UdpSocket(Inner);

enum Inner {
    Engine { id: Id, local: SocketAddr },
    Tokio(Box<tokio::net::UdpSocket>),
}

impl UdpSocket {
    /// Binds a socket; port 0 asks for a free one.
    ///
    /// # Errors
    /// EADDRINUSE or EADDRNOTAVAIL.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let address = resolve(address).await?;
        if !world::is_running() {
            return Ok(Self(Inner::Tokio(Box::new(
                tokio::net::UdpSocket::bind(address).await?,
            ))));
        }
        let (id, local) = world::with(|world| world.udp_bind(address))?;
        Ok(Self(Inner::Engine { id, local }))
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// As `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Engine { local, .. } => Ok(*local),
            Inner::Tokio(socket) => socket.local_addr(),
        }
    }

    /// Sends a datagram; answers its length. Nobody says whether it arrives.
    ///
    /// # Errors
    /// EMSGSIZE for more than 65,507 bytes; EBADF if the node has died.
    pub async fn send_to(&self, payload: &[u8], to: impl ToSocketAddrs) -> io::Result<usize> {
        let to = match to.to_host() {
            Host::Address(address) => address,
            Host::Name(name) => resolve(name).await?,
        };
        match &self.0 {
            Inner::Engine { id, .. } => {
                let sent = world::with(|world| world.udp_send(*id, payload, to))?;
                engine::pass(CrashPoint::Send);
                Ok(sent)
            }
            Inner::Tokio(socket) => socket.send_to(payload, to).await,
        }
    }

    /// Receives a datagram into the buffer; answers its length and its sender. What does not fit is
    /// lost.
    ///
    /// # Errors
    /// As `recvfrom(2)`.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Inner::Engine { id, .. } => {
                let mut from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
                let received = std::future::poll_fn(|context| {
                    world::with(|world| world.udp_poll_receive(*id, buffer, &mut from, context))
                });
                let length = received.await?;
                Ok((length, from.into()))
            }
            Inner::Tokio(socket) => socket.recv_from(buffer).await,
        }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        if let Inner::Engine { id, .. } = &self.0 {
            world::try_with(|world| world.udp_close(*id));
        }
    }
}
