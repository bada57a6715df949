//! Letting go.

use super::super::events::Event;
use super::super::slots::Id;
use super::super::world::World;
use super::{Owner, Payload, Phase};

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
        let is_clean = stream.phase == Phase::Open && stream.inbox_bytes == 0;
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

    /// Frees this end, and tells the other by a reset.
    pub(super) fn reset_stream(&mut self, id: Id) {
        let Some(stream) = self.network.streams.remove(id) else {
            return;
        };
        let is_known_to_peer = stream.phase != Phase::Broken;
        if let Some(peer) = stream.peer.filter(|_| is_known_to_peer) {
            self.send_control(stream.node, stream.remote_node, Event::Reset(peer), 0);
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
        stream.owner = Owner::Nobody;
        (stream.reader, stream.writer) = (None, None);
        stream.inbox.clear();
        stream.inbox_bytes = 0;
    }
}
