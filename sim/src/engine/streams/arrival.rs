//! Arriving, or not.

use super::super::events::Event;
use super::super::network::Network;
use super::super::slots::Id;
use super::super::world::World;
use super::{Owner, Payload, Phase, Segment, Stream};

impl World {
    pub(in crate::engine) fn segment_arrives(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        let (route, peer) = (stream.outgoing(), stream.peer);
        if stream.pipe.front().is_some_and(|head| head.is_dropped) {
            return self.send_dropped(id);
        }
        if self.hold_if_late(&route, Event::Segment(id)) {
            return self.limit_patience(id, self.config.network.give_up_ns);
        }
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        stream.is_scheduled = false;
        let Some(head) = stream.pipe.front() else {
            return;
        };
        let key = head.key.with(u64::from(stream.attempts));
        self.note(key.word() ^ self.now_ns);
        if !self.network.links.passes(&route, key) || !self.nodes[route.to as usize].powered {
            return self.stall(id);
        }
        let reader = peer.and_then(|peer| self.network.streams.get(peer));
        if reader.is_none_or(Stream::is_orphan) {
            return self.meet_nobody(id);
        }
        self.deliver_due_segments(id);
    }

    fn deliver_due_segments(&mut self, id: Id) {
        let now_ns = self.now_ns;
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        (stream.attempts, stream.stalled_since_ns) = (0, None);
        stream.gives_up_ns = None;
        let Some(peer_id) = stream.peer else { return };
        while let Some(segment) = self.network.pop_due(id, now_ns) {
            let Some(peer) = self.network.streams.get_mut(peer_id) else {
                break;
            };
            match segment.payload {
                Payload::Bytes(bytes) => {
                    peer.inbox_bytes += bytes.len();
                    peer.inbox.push_back(bytes);
                }
                Payload::Finish => peer.has_seen_finish = true,
                Payload::Reset => return self.deliver_reset(id, peer_id),
            }
            self.counters.packets_delivered += 1;
        }
        let Some(peer) = self.network.streams.get_mut(peer_id) else {
            return;
        };
        let reader = peer.reader.take();
        // Data may overtake the SYN-ACK where that is sent again; it says as much.
        let is_early = peer.phase == Phase::Connecting;
        if let Some(reader) = reader {
            self.wake(reader);
        }
        if is_early {
            self.open_stream(peer_id);
        }
        self.schedule_head(id);
    }

    /// The head found its link's queue full, and is sent again; if the queue is full still, after a
    /// longer time-out.
    fn send_dropped(&mut self, id: Id) {
        let now_ns = self.now_ns;
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        stream.is_scheduled = false;
        if stream.owner == Owner::Nobody {
            self.network.streams.remove(id);
            return;
        }
        let Some(head) = stream.pipe.front_mut() else {
            return;
        };
        let links = &mut self.network.links;
        let bytes = head.payload.wire_bytes();
        let passage = links.depart(stream.node, stream.remote_node, bytes, now_ns);
        if passage.is_dropped {
            return self.stall(id);
        }
        self.counters.retransmissions += 1;
        (head.is_dropped, head.key) = (false, passage.key);
        head.arrives_ns = now_ns.saturating_add(passage.latency_ns);
        stream.last_arrival_ns = stream.last_arrival_ns.max(head.arrives_ns);
        self.schedule_head(id);
    }

    /// Schedules the arrival of the pipe's head; frees an end that has nothing left to send.
    fn schedule_head(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if let Some(head) = stream.pipe.front() {
            let (arrives_ns, key) = (head.arrives_ns, head.key);
            stream.is_scheduled = true;
            self.schedule(arrives_ns, key, Event::Segment(id));
        } else if stream.is_orphan() {
            self.network.streams.remove(id);
        }
    }

    /// The head was sent in vain: it is sent again after a time-out.
    fn stall(&mut self, id: Id) {
        let now_ns = self.now_ns;
        let (min_ns, max_ns) = (
            self.config.network.retransmit_ns_min,
            self.config.network.retransmit_ns_max,
        );
        let give_up_ns = self.config.network.give_up_ns;
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.owner == Owner::Nobody {
            self.network.streams.remove(id);
            return;
        }
        let since_ns = *stream.stalled_since_ns.get_or_insert(now_ns);
        if now_ns - since_ns >= give_up_ns {
            return self.break_stream(id, libc::ETIMEDOUT);
        }
        let wait_ns = (min_ns << stream.attempts.min(20)).min(max_ns);
        stream.attempts += 1;
        let arrives_ns = now_ns + wait_ns;
        stream.last_arrival_ns = stream.last_arrival_ns.max(arrives_ns);
        stream.is_scheduled = true;
        let key = stream
            .pipe
            .front()
            .map_or(self.key, |head| head.key)
            .with(u64::from(stream.attempts));
        self.counters.retransmissions += 1;
        self.schedule(arrives_ns, key, Event::Segment(id));
    }

    /// Bytes reached a machine that knows no such connection: it answers with a reset.
    fn meet_nobody(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        let is_last_goodbye = stream.has_seen_finish
            && matches!(
                stream.pipe.front(),
                Some(Segment {
                    payload: Payload::Finish,
                    ..
                })
            );
        stream.pipe.clear();
        let (from, to) = (stream.node, stream.remote_node);
        match stream.owner {
            // The other end has said goodbye and gone; this one's goodbye offends nobody.
            Owner::Program if is_last_goodbye => {}
            Owner::Program => self.send_control(to, from, Event::Reset(id), 0),
            Owner::Kernel | Owner::Nobody => drop(self.network.streams.remove(id)),
        }
    }

    pub(in crate::engine) fn reset_arrives(&mut self, id: Id) {
        let Some(stream) = self.network.streams.get(id) else {
            return;
        };
        let (route, code) = (stream.incoming(), stream.code_of_reset());
        if self.hold_if_late(&route, Event::Reset(id)) {
            return;
        }
        if self.control_passes(&route, Event::Reset(id)) {
            self.break_stream(id, code);
        }
    }

    /// A reset has come in its place behind what was sent before it.
    fn deliver_reset(&mut self, from: Id, to: Id) {
        self.network.streams.remove(from);
        if let Some(stream) = self.network.streams.get(to) {
            let code = stream.code_of_reset();
            self.break_stream(to, code);
        }
    }

    /// Lets an end give up by itself if nothing has come of what it waits for after this time.
    pub(super) fn limit_patience(&mut self, id: Id, patience_ns: u64) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.gives_up_ns.is_some() {
            return;
        }
        let gives_up_ns = self.now_ns.saturating_add(patience_ns);
        stream.gives_up_ns = Some(gives_up_ns);
        let who = self.key.label("patience").with(u64::from(stream.node));
        let key = who.with(u64::from(stream.local.port()));
        self.schedule(gives_up_ns, key, Event::GiveUp(id));
    }

    pub(in crate::engine) fn patience_ends(&mut self, id: Id) {
        let stream = self.network.streams.get(id);
        let gives_up_ns = stream.and_then(|stream| stream.gives_up_ns);
        if gives_up_ns.is_some_and(|at_ns| at_ns <= self.now_ns) {
            self.break_stream(id, libc::ETIMEDOUT);
        }
    }

    /// Ends a connection with an error, at this end.
    pub(super) fn break_stream(&mut self, id: Id, code: i32) {
        let Some(stream) = self.network.streams.get_mut(id) else {
            return;
        };
        if stream.is_orphan() {
            self.network.streams.remove(id);
            return;
        }
        if stream.phase == Phase::Broken {
            return;
        }
        stream.phase = Phase::Broken;
        stream.error = Some(code);
        stream.pipe.clear();
        let wakers = [stream.reader.take(), stream.writer.take()];
        wakers
            .into_iter()
            .flatten()
            .for_each(|waker| self.wake(waker));
    }
}

impl Stream {
    /// What a reset means to this end. To one that has heard the goodbye it says that nobody reads any
    /// more: Linux's `tcp_reset`.
    fn code_of_reset(&self) -> i32 {
        match self.has_seen_finish {
            true => libc::EPIPE,
            false => libc::ECONNRESET,
        }
    }
}

impl Network {
    fn pop_due(&mut self, id: Id, now_ns: u64) -> Option<Segment> {
        let stream = self.streams.get_mut(id)?;
        let is_due = stream
            .pipe
            .front()
            .is_some_and(|head| head.arrives_ns <= now_ns && !head.is_dropped);
        if is_due {
            stream.pipe.pop_front()
        } else {
            None
        }
    }
}
