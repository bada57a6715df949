//! UDP sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::address::{Host, ToSocketAddrs, resolve};
use crate::engine::{self, CrashPoint, Id, world};

/// A socket for datagrams.
pub struct UdpSocket(Inner);

enum Inner {
    Engine { id: Id },
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
        let id = world::with(|world| world.udp_bind(address))?;
        Ok(Self(Inner::Engine { id }))
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// As `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Engine { id } => world::with(|world| world.udp_local(*id)),
            Inner::Tokio(socket) => socket.local_addr(),
        }
    }

    /// Connects the socket to a peer: [`Self::send`] sends to it, and nobody else is heard.
    ///
    /// # Errors
    /// If the name has no address.
    pub async fn connect(&self, to: impl ToSocketAddrs) -> io::Result<()> {
        let to = resolve(to).await?;
        match &self.0 {
            Inner::Engine { id } => world::with(|world| world.udp_connect(*id, to)),
            Inner::Tokio(socket) => socket.connect(to).await,
        }
    }

    /// The peer that the socket is connected to.
    ///
    /// # Errors
    /// ENOTCONN if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Inner::Engine { id } => world::with(|world| world.udp_peer(*id))?
                .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOTCONN)),
            Inner::Tokio(socket) => socket.peer_addr(),
        }
    }

    /// Sends a datagram to the peer; answers its length.
    ///
    /// # Errors
    /// EDESTADDRREQ if the socket is not connected; ECONNREFUSED if an earlier datagram met nobody;
    /// EMSGSIZE for more than 65,507 bytes.
    pub async fn send(&self, payload: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Engine { id } => {
                let peer = world::with(|world| world.udp_peer(*id))?;
                let peer = peer.ok_or_else(|| io::Error::from_raw_os_error(libc::EDESTADDRREQ))?;
                self.send_to(payload, peer).await
            }
            Inner::Tokio(socket) => socket.send(payload).await,
        }
    }

    /// Receives a datagram into the buffer; answers its length.
    ///
    /// # Errors
    /// ECONNREFUSED if the socket is connected, and a datagram of its own met nobody.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Inner::Engine { .. } => Ok(self.recv_from(buffer).await?.0),
            Inner::Tokio(socket) => socket.recv(buffer).await,
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
            Inner::Engine { id } => {
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
            Inner::Engine { id } => {
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
        if let Inner::Engine { id } = &self.0 {
            world::try_with(|world| world.udp_close(*id));
        }
    }
}
