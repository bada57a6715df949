//! Who hears what: connections, their subscriptions, and the way of a message to them.
//!
//! Pure but for the outboxes that it fills. A message goes to every plain subscription that matches its
//! subject and, of each queue group, to one member, chosen at random for each message.
//! Nothing waits here: an outbox that is full is cut off (see `server/outbox.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use squall_sim::rand;

use super::protocol::{Message, Operation, encode_message};
use super::server::Outbox;
use super::trie::Trie;
use super::{headers, subject};

/// A connection's number: 1 for the first since the start.
pub(crate) type ConnectionId = u64;

/// A subscription: its connection and its number there.
type SubscriptionId = (ConnectionId, u64);

/// What a client said of itself in `CONNECT`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientOptions {
    /// It wants an `+OK` for everything.
    pub(crate) is_verbose: bool,
    /// It does not want to hear itself.
    pub(crate) is_deaf_to_itself: bool,
    /// It understands headers.
    pub(crate) has_headers: bool,
    /// It wants to be told when nobody hears a request.
    pub(crate) wants_no_responders: bool,
}

#[derive(Default)]
pub(crate) struct Router {
    connections: BTreeMap<ConnectionId, Client>,
    interests: Trie<SubscriptionId>,
    /// What is handed to the streams as well.
    captured: BTreeSet<String>,
    last_connection: ConnectionId,
}

struct Client {
    outbox: Arc<Outbox>,
    options: ClientOptions,
    subscriptions: BTreeMap<u64, Subscription>,
    /// The numbers of the subscriptions, by the names that the client gave them.
    by_sid: BTreeMap<String, u64>,
    next_subscription: u64,
}

struct Subscription {
    sid: String,
    filter: String,
    queue: Option<String>,
    delivered: u64,
    /// It ends after so many.
    max: Option<u64>,
}

/// Subscriptions of one connection, at most.
const SUBSCRIPTIONS_MAX: usize = 4_096;

impl Router {
    pub(crate) fn connect(&mut self, outbox: Arc<Outbox>) -> ConnectionId {
        self.last_connection += 1;
        let client = Client {
            outbox,
            options: ClientOptions::default(),
            subscriptions: BTreeMap::new(),
            by_sid: BTreeMap::new(),
            next_subscription: 0,
        };
        self.connections.insert(self.last_connection, client);
        self.last_connection
    }

    pub(crate) fn disconnect(&mut self, id: ConnectionId) {
        let Some(client) = self.connections.remove(&id) else {
            return;
        };
        for (number, subscription) in client.subscriptions {
            self.interests.remove(&subscription.filter, (id, number));
        }
    }

    pub(crate) fn set_options(&mut self, id: ConnectionId, options: ClientOptions) {
        if let Some(client) = self.connections.get_mut(&id) {
            client.options = options;
        }
    }

    /// Messages that match the filter are for the streams as well.
    pub(crate) fn capture(&mut self, filter: String) {
        self.captured.insert(filter);
    }

    pub(crate) fn is_captured(&self, subject: &str) -> bool {
        self.captured
            .iter()
            .any(|filter| subject::matches(filter, subject))
    }

    pub(crate) fn is_heard(&self, subject: &str) -> bool {
        !self.interests.matches(subject).is_empty()
    }

    /// Adds a subscription; `false` if there are too many.
    pub(crate) fn subscribe(
        &mut self,
        id: ConnectionId,
        filter: &str,
        queue: Option<String>,
        sid: String,
    ) -> bool {
        let Some(client) = self.connections.get_mut(&id) else {
            return true;
        };
        if client.by_sid.contains_key(&sid) {
            return true;
        }
        if client.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return false;
        }
        let number = client.next_subscription;
        client.next_subscription += 1;
        client.by_sid.insert(sid.clone(), number);
        let subscription = Subscription {
            sid,
            filter: filter.to_owned(),
            queue,
            delivered: 0,
            max: None,
        };
        client.subscriptions.insert(number, subscription);
        self.interests.insert(filter, (id, number));
        true
    }

    /// Ends a subscription, at once or when it has had `max` messages in all.
    pub(crate) fn unsubscribe(&mut self, id: ConnectionId, sid: &str, max: Option<u64>) {
        let Some(client) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(number) = client.by_sid.get(sid).copied() else {
            return;
        };
        let Some(subscription) = client.subscriptions.get_mut(&number) else {
            return;
        };
        subscription.max = max;
        if max.is_none_or(|max| subscription.delivered >= max) {
            self.remove(id, number);
        }
    }

    fn remove(&mut self, id: ConnectionId, number: u64) {
        let Some(client) = self.connections.get_mut(&id) else {
            return;
        };
        if let Some(subscription) = client.subscriptions.remove(&number) {
            client.by_sid.remove(&subscription.sid);
            self.interests.remove(&subscription.filter, (id, number));
        }
    }

    /// A client publishes a message. If it is a request that nobody hears, the client is told, if it
    /// asked for that.
    pub(crate) fn publish(&mut self, from: ConnectionId, message: &Message) {
        let is_heard = self.send(Some(from), &message.subject, message) > 0;
        if is_heard || self.is_captured(&message.subject) {
            return;
        }
        let wants = self.connections.get(&from);
        let wants =
            wants.is_some_and(|it| it.options.wants_no_responders && it.options.has_headers);
        if let Some(reply) = message.reply.as_ref().filter(|_| wants) {
            let nobody = Message {
                subject: reply.clone(),
                headers: headers::with_status(503, ""),
                ..Message::default()
            };
            self.send(None, reply, &nobody);
        }
    }

    /// Sends a message to those who listen to `to`; answers to how many.
    pub(crate) fn send(
        &mut self,
        from: Option<ConnectionId>,
        to: &str,
        message: &Message,
    ) -> usize {
        let mut receivers = Vec::new();
        let mut groups: BTreeMap<String, Vec<SubscriptionId>> = BTreeMap::new();
        for (connection, number) in self.interests.matches(to) {
            let Some(client) = self.connections.get(&connection) else {
                continue;
            };
            if client.options.is_deaf_to_itself && from == Some(connection) {
                continue;
            }
            match client.subscriptions.get(&number) {
                Some(Subscription {
                    queue: Some(queue), ..
                }) => {
                    let group = groups.entry(queue.clone()).or_default();
                    group.push((connection, number));
                }
                Some(_) => receivers.push((connection, number)),
                None => {}
            }
        }
        for members in groups.into_values() {
            let chosen = rand::below(members.len() as u64) as usize;
            receivers.push(members[chosen]);
        }
        for (connection, number) in &receivers {
            self.deliver(*connection, *number, message);
        }
        receivers.len()
    }

    fn deliver(&mut self, connection: ConnectionId, number: u64, message: &Message) {
        let Some(client) = self.connections.get_mut(&connection) else {
            return;
        };
        let Some(subscription) = client.subscriptions.get_mut(&number) else {
            return;
        };
        let mut bytes = Vec::new();
        match client.options.has_headers || message.headers.is_empty() {
            true => encode_message(Some(&subscription.sid), message, &mut bytes),
            false => {
                let headers = Vec::new();
                let without = Message {
                    headers,
                    ..message.clone()
                };
                encode_message(Some(&subscription.sid), &without, &mut bytes);
            }
        }
        client.outbox.push_message(&bytes);
        subscription.delivered += 1;
        if subscription
            .max
            .is_some_and(|max| subscription.delivered >= max)
        {
            self.remove(connection, number);
        }
    }

    /// Says something to a client.
    pub(crate) fn tell(&self, id: ConnectionId, operation: &Operation) {
        if let Some(client) = self.connections.get(&id) {
            let mut bytes = Vec::new();
            operation.encode(&mut bytes);
            client.outbox.push(&bytes);
        }
    }

    /// Says `+OK`, if the client wants that.
    pub(crate) fn acknowledge(&self, id: ConnectionId) {
        if self
            .connections
            .get(&id)
            .is_some_and(|it| it.options.is_verbose)
        {
            self.tell(id, &Operation::Okay);
        }
    }
}
