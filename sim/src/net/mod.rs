//! Sockets.

mod address;
mod tcp;
mod udp;

pub use self::address::{Host, ToSocketAddrs, lookup_host};
pub use self::tcp::{OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream};
pub use self::udp::UdpSocket;
