//! What operations do: a function of the store, a draft of writes, and the operation.

use super::command::{NOT_AN_INTEGER, Operation, Refusal, integer, too_long};
use super::limits::Limits;
use super::resp::Frame;
use super::store::{Draft, Key, Store, Value};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

/// Carries an operation out on a draft, wholly or not at all; answers what the client is told.
pub(super) fn execute(
    store: &Store,
    draft: &mut Draft,
    operation: Operation,
    limits: &Limits,
) -> Frame {
    let answer = match operation {
        Operation::Ping(None) => Ok(Frame::Simple("PONG".to_owned())),
        Operation::Ping(text) => Ok(Frame::Bulk(text)),
        Operation::Get(key) => get(store, draft, &key),
        Operation::GetMany(keys) => Ok(get_many(store, draft, &keys, limits)),
        Operation::Members(key) => members(store, draft, &key),
        Operation::CountExisting(keys) => Ok(count_existing(store, draft, &keys)),
        Operation::CountKeys => Ok(count(draft.count(store))),
        Operation::Set(key, value) => {
            draft.put(key, value);
            Ok(Frame::ok())
        }
        Operation::SetMany(pairs) => {
            pairs
                .into_iter()
                .for_each(|(key, value)| draft.put(key, value));
            Ok(Frame::ok())
        }
        Operation::Delete(keys) => Ok(delete(store, draft, keys)),
        Operation::IncrementBy(key, by) => increment(store, draft, key, by),
        Operation::AddMembers(key, members) => add_members(store, draft, key, members, limits),
    };
    answer.unwrap_or_else(Frame::Error)
}

fn count(count: usize) -> Frame {
    Frame::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

fn get(store: &Store, draft: &Draft, key: &[u8]) -> Result<Frame, Refusal> {
    match draft.get(store, key) {
        None => Ok(Frame::Bulk(None)),
        Some(Value::Bytes(bytes)) => Ok(Frame::Bulk(Some(bytes.clone()))),
        Some(Value::Set(_)) => Err(WRONG_TYPE.to_owned()),
    }
}

/// As in Redis, what is no string is nothing here.
fn get_many(store: &Store, draft: &Draft, keys: &[Key], limits: &Limits) -> Frame {
    let bytes = keys.iter().filter_map(|key| draft.get(store, key));
    if bytes.map(Value::bytes).sum::<usize>() > limits.answer_bytes_max {
        let max = limits.answer_bytes_max;
        return Frame::Error(format!("ERR an answer has {max} bytes at most"));
    }
    let one = |key: &Key| get(store, draft, key).unwrap_or(Frame::Bulk(None));
    Frame::Array(Some(keys.iter().map(one).collect()))
}

fn members(store: &Store, draft: &Draft, key: &[u8]) -> Result<Frame, Refusal> {
    match draft.get(store, key) {
        None => Ok(Frame::Array(Some(Vec::new()))),
        Some(Value::Set(members)) => {
            let member = |member: &Vec<u8>| Frame::Bulk(Some(member.clone()));
            Ok(Frame::Array(Some(members.iter().map(member).collect())))
        }
        Some(Value::Bytes(_)) => Err(WRONG_TYPE.to_owned()),
    }
}

fn count_existing(store: &Store, draft: &Draft, keys: &[Key]) -> Frame {
    let exists = |key: &&Key| draft.get(store, key).is_some();
    count(keys.iter().filter(exists).count())
}

fn delete(store: &Store, draft: &mut Draft, keys: Vec<Key>) -> Frame {
    let mut deleted = 0;
    for key in keys {
        if draft.get(store, &key).is_some() {
            draft.delete(key);
            deleted += 1;
        }
    }
    count(deleted)
}

fn increment(store: &Store, draft: &mut Draft, key: Key, by: i64) -> Result<Frame, Refusal> {
    let old = match draft.get(store, &key) {
        None => 0,
        Some(Value::Bytes(bytes)) => integer(bytes)?,
        Some(Value::Set(_)) => return Err(WRONG_TYPE.to_owned()),
    };
    let new = old.checked_add(by).ok_or(NOT_AN_INTEGER)?;
    draft.put(key, Value::Bytes(new.to_string().into_bytes()));
    Ok(Frame::Integer(new))
}

fn add_members(
    store: &Store,
    draft: &mut Draft,
    key: Key,
    members: Vec<Vec<u8>>,
    limits: &Limits,
) -> Result<Frame, Refusal> {
    let mut set = match draft.get(store, &key) {
        None => std::collections::BTreeSet::new(),
        Some(Value::Set(set)) => set.clone(),
        Some(Value::Bytes(_)) => return Err(WRONG_TYPE.to_owned()),
    };
    let before = set.len();
    set.extend(members);
    let added = set.len() - before;
    let set = Value::Set(set);
    if set.bytes() > limits.value_bytes_max {
        return Err(too_long(limits));
    }
    if added > 0 {
        draft.put(key, set);
    }
    Ok(count(added))
}
