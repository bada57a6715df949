//! Reading and writing.

use std::io;
use std::task::{Context, Poll};

use super::super::events::Event;
use super::super::network::{Links, Route};
use super::super::slots::Id;
use super::super::waker::Waiter;
use super::super::world::World;
use super::{Payload, Phase, Segment, Stream, errno};

/// What one segment carries at the most, as with segmentation offload.
const SEGMENT_BYTES_MAX: usize = 64 * 1024;

impl World {
    pub(crate) fn tcp_poll_write(
        &mut self,
        id: Id,
        bytes: &[u8],
        context: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.trace_bytes(bytes);
        let window_bytes = self.config.network.window_bytes;
        let Some(stream) = self.network.streams.get_mut(id) else {
            return Poll::Ready(Err(errno(libc::EPIPE)));
        };
        if stream.is_finished || stream.phase == Phase::Broken {
            let code = stream.error.take().unwrap_or(libc::EPIPE);
            return Poll::Ready(Err(errno(code)));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = window_bytes.saturating_sub(stream.unread_bytes);
        if room == 0 {
            stream.writer = Some(Waiter::of(context));
            return Poll::Pending;
        }
        let mut length = bytes.len().min(room).min(SEGMENT_BYTES_MAX);
        let route = stream.outgoing();
        if self.network.links.is_harmed(&route) {
            length = chop(&mut self.network.links, stream, &route, length);
        }
        stream.unread_bytes += length;
        let mut buffer = self.network.buffers.take();
        buffer.extend_from_slice(&bytes[..length]);
        self.send_segment(id, Payload::Bytes(buffer));
        Poll::Ready(Ok(length))
    }

    pub(crate) fn tcp_poll_read(
        &mut self,
        id: Id,
        buffer: &mut [u8],
        context: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return Poll::Ready(Err(errno(libc::EBADF)));
        };
        if stream.inbox_bytes == 0 {
            if stream.has_seen_finish {
                return Poll::Ready(Ok(0));
            }
            if stream.phase == Phase::Broken {
                return Poll::Ready(stream.error.take().map_or(Ok(0), |code| Err(errno(code))));
            }
            stream.reader = Some(Waiter::of(context));
            return Poll::Pending;
        }
        let route = stream.incoming();
        let mut length = buffer.len().min(stream.inbox_bytes);
        if self.network.links.is_harmed(&route) {
            length = chop(&mut self.network.links, stream, &route, length);
        }
        Poll::Ready(Ok(self.read_inbox(id, &mut buffer[..length])))
    }

    fn read_inbox(&mut self, id: Id, buffer: &mut [u8]) -> usize {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return 0;
        };
        let mut read = 0;
        while read < buffer.len()
            && let Some(head) = stream.inbox.front()
        {
            let unread = &head[stream.inbox_offset..];
            let length = unread.len().min(buffer.len() - read);
            buffer[read..read + length].copy_from_slice(&unread[..length]);
            read += length;
            stream.inbox_offset += length;
            if stream.inbox_offset == head.len() {
                stream.inbox_offset = 0;
                if let Some(spent) = stream.inbox.pop_front() {
                    self.network.buffers.keep(spent);
                }
            }
        }
        stream.inbox_bytes -= read;
        let (node, remote_node, peer) = (stream.node, stream.remote_node, stream.peer);
        if let Some(peer_id) = peer
            && let Some(peer) = self.network.streams.get_mut(peer_id)
        {
            peer.unread_bytes -= read;
            if peer.writer.is_some() && !peer.is_window_update_due {
                peer.is_window_update_due = true;
                self.send_control(node, remote_node, Event::Window(peer_id), 0);
            }
        }
        read
    }

    pub(in crate::engine) fn window_opens(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get(id) else {
            return;
        };
        let route = stream.incoming();
        if self.hold_if_late(&route, Event::Window(id)) {
            return;
        }
        if !self.control_passes(&route, Event::Window(id)) {
            let wait_ns = self.config.network.retransmit_ns_min;
            return self.send_control(route.from, route.to, Event::Window(id), wait_ns);
        }
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        stream.is_window_update_due = false;
        if let Some(writer) = stream.writer.take() {
            self.wake(writer);
        }
    }

    /// Ends the sending half.
    pub(crate) fn tcp_finish(&mut self, id: Id) -> io::Result<()> {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return Err(errno(libc::ENOTCONN));
        };
        if !stream.is_finished && stream.phase != Phase::Broken {
            stream.is_finished = true;
            self.send_segment(id, Payload::Finish);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn send_segment(&mut self, id: Id, payload: Payload) {
        let now_ns = self.now_ns;
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        let links = &mut self.network.links;
        let bytes = payload.wire_bytes();
        let passage = links.depart(stream.node, stream.remote_node, bytes, now_ns);
        let under_way_ns = match passage.is_dropped {
            true => self.config.network.retransmit_ns_min,
            false => passage.latency_ns,
        };
        let arrives_ns = (now_ns.saturating_add(under_way_ns)).max(stream.last_arrival_ns);
        stream.last_arrival_ns = arrives_ns;
        stream.pipe.push_back(Segment {
            arrives_ns,
            key: passage.key,
            payload,
            is_dropped: passage.is_dropped,
        });
        if !stream.is_scheduled {
            stream.is_scheduled = true;
            self.schedule(arrives_ns, passage.key, Event::Segment(id));
        }
    }
}

/// What a fault of the link leaves of a read or write of this length.
#[cold]
fn chop(links: &mut Links, stream: &mut Stream, route: &Route, length: usize) -> usize {
    stream.chops += 1;
    let ports = u64::from(route.from_port) << 16 | u64::from(route.to_port);
    let side = u64::from(stream.node == route.from);
    let ordinal = stream.chops;
    links.chop(route, length, |link| {
        link.label("chop").with(ports).with(side).with(ordinal)
    })
}
