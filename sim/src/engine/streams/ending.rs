//! Letting go.

use super::super::events::Event;
use super::super::slots::Id;
use super::super::world::World;
use super::{Owner, Payload, Phase, Stream};

impl World {
    /// The program lets go of its end, or dies. Unread data makes it a reset, as Linux does
    /// (RFC 2525 section 2.17); else what was written is still delivered, and a FIN behind it.
    pub(crate) fn close_stream(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.is_orphan() {
            return;
        }
        let is_read = stream.inbox_bytes == 0 && !stream.is_abortive;
        let is_clean = stream.phase == Phase::Open && is_read;
        if !is_clean {
            return self.reset_stream(id);
        }
        stream.owner = Owner::Kernel;
        (stream.reader, stream.writer) = (None, None);
        if !stream.is_finished {
            stream.is_finished = true;
            self.send_segment(id, Payload::Finish);
        } else if stream.pipe.is_empty() {
            self.network.streams.remove(id);
        }
    }

    /// Frees this end, and tells the other by a reset, behind what is under way to it. What has been
    /// sent in vain is not sent again.
    pub(super) fn reset_stream(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        let is_under_way = !stream.pipe.is_empty() && stream.stalled_since_ns.is_none();
        if is_under_way && stream.phase == Phase::Open {
            stream.let_go();
            return self.send_segment(id, Payload::Reset);
        }
        let Some(stream) = self.network.streams.remove(id) else {
            return;
        };
        let is_known_to_peer = stream.phase != Phase::Broken;
        if let Some(peer) = stream.peer.filter(|_| is_known_to_peer) {
            self.send_control(stream.node, stream.remote_node, Event::Reset(peer), 0);
        }
    }

    /// Makes letting go of an end a reset (`SO_LINGER` of zero seconds).
    pub(crate) fn tcp_set_zero_linger(&mut self, id: Id) {
        if let Some(stream) = self.network.streams.get_mut(id) {
            stream.is_abortive = true;
        }
    }

    /// Resets all connections that a node's listeners have not accepted, as Linux does when their
    /// process ends (`inet_csk_listen_stop`).
    pub(in crate::engine) fn reset_unaccepted(&mut self, node: u32) {
        let listeners = self.network.listeners.ids_where(|it| it.node == node);
        for listener in listeners {
            let listener = self.network.listeners.get_mut(listener);
            let backlog = listener.map(|listener| std::mem::take(&mut listener.backlog));
            for stream in backlog.into_iter().flatten() {
                self.reset_stream(stream);
            }
        }
    }

    /// The machine loses power: what has left it arrives, nothing follows.
    pub(in crate::engine) fn silence_stream(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.pipe.is_empty() || stream.stalled_since_ns.is_some() {
            self.network.streams.remove(id);
            return;
        }
        stream.let_go();
    }
}

impl Stream {
    /// Leaves to itself what is under way.
    fn let_go(&mut self) {
        self.owner = Owner::Nobody;
        (self.reader, self.writer) = (None, None);
        self.inbox.clear();
        self.inbox_bytes = 0;
    }
}
