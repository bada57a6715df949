//! What a client asks for, as a typed value.

use super::limits::Limits;
use super::resp::{self, Frame};
use super::store::{Key, Value};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Reads or writes keys; can be part of a transaction.
    Data(Operation),
    /// Keys whose change before `EXEC` makes it answer nothing.
    Watch(Vec<Key>),
    Unwatch,
    Multi,
    Exec,
    Discard,
    /// Begins a transaction on a snapshot.
    Begin,
    Commit,
    Rollback,
    /// Says hello in a protocol; only 2 is spoken.
    Hello(Option<i64>),
    /// `CLIENT ID`, asked by libraries on connect.
    ClientId,
    /// What libraries tell on connect and need no answer to.
    Courtesy,
    /// What a shell asks to complete what is typed: there is nothing to tell.
    Describe,
    Quit,
}

/// What is done to keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Ping(Option<Vec<u8>>),
    Get(Key),
    Set(Key, Value),
    Delete(Vec<Key>),
    GetMany(Vec<Key>),
    SetMany(Vec<(Key, Value)>),
    IncrementBy(Key, i64),
    CountExisting(Vec<Key>),
    AddMembers(Key, Vec<Vec<u8>>),
    Members(Key),
    CountKeys,
}

impl Operation {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        match self {
            Self::Ping(_)
            | Self::Get(_)
            | Self::GetMany(_)
            | Self::CountExisting(_)
            | Self::Members(_)
            | Self::CountKeys => true,
            Self::Set(..)
            | Self::Delete(_)
            | Self::SetMany(_)
            | Self::IncrementBy(..)
            | Self::AddMembers(..) => false,
        }
    }
}

/// Why a request is no command: the text of the answer.
pub type Refusal = String;

/// What a frame asks for; `None` if it is an empty line.
///
/// # Errors
/// If it is no command, or one beyond the limits.
pub fn parse(frame: Frame, limits: &Limits) -> Result<Option<Command>, Refusal> {
    let Some(mut arguments) = strings(frame) else {
        return Err("ERR Protocol error: a request is an array of bulk strings".to_owned());
    };
    if arguments.is_empty() {
        return Ok(None);
    }
    let name = arguments.remove(0);
    let name = String::from_utf8_lossy(&name).to_ascii_uppercase();
    let command = match arity(&name) {
        Some(arity) if arity(arguments.len()) => typed(&name, arguments)?,
        Some(_) => return Err(wrong_count(&name)),
        None => return Err(format!("ERR unknown command '{}'", shorten(&name))),
    };
    check(&command, limits)?;
    Ok(Some(command))
}

fn strings(frame: Frame) -> Option<Vec<Vec<u8>>> {
    let Frame::Array(Some(items)) = frame else {
        return None;
    };
    let string = |item| match item {
        Frame::Bulk(Some(bytes)) => Some(bytes),
        _ => None,
    };
    items.into_iter().map(string).collect()
}

/// How many arguments a command takes.
fn arity(name: &str) -> Option<fn(usize) -> bool> {
    Some(match name {
        "PING" | "HELLO" => |count| count <= 7,
        "GET" | "SMEMBERS" | "INCR" | "DECR" | "SELECT" => |count| count == 1,
        "SET" | "INCRBY" | "DECRBY" => |count| count == 2,
        "DEL" | "MGET" | "EXISTS" | "WATCH" | "CLIENT" => |count| count >= 1,
        "MSET" => |count| count >= 2 && count % 2 == 0,
        "SADD" => |count| count >= 2,
        "DBSIZE" | "UNWATCH" | "MULTI" | "EXEC" | "DISCARD" | "BEGIN" | "COMMIT" | "ROLLBACK" => {
            |count| count == 0
        }
        "COMMAND" | "QUIT" => |_| true,
        _ => return None,
    })
}

/// The command of a name with as many arguments as it takes.
fn typed(name: &str, arguments: Vec<Vec<u8>>) -> Result<Command, Refusal> {
    let mut rest = arguments.into_iter();
    let mut next = || rest.next().unwrap_or_default();
    let operation = match name {
        "PING" => Operation::Ping(rest.next()),
        "GET" => Operation::Get(next()),
        "SET" => Operation::Set(next(), Value::Bytes(next())),
        "DEL" => Operation::Delete(rest.collect()),
        "MGET" => Operation::GetMany(rest.collect()),
        "MSET" => Operation::SetMany(pairs(rest.collect())),
        "INCR" => Operation::IncrementBy(next(), 1),
        "DECR" => Operation::IncrementBy(next(), -1),
        "INCRBY" => Operation::IncrementBy(next(), integer(&next())?),
        "DECRBY" => {
            let key = next();
            let by = integer(&next())?.checked_neg();
            Operation::IncrementBy(key, by.ok_or(NOT_AN_INTEGER)?)
        }
        "EXISTS" => Operation::CountExisting(rest.collect()),
        "SADD" => Operation::AddMembers(next(), rest.collect()),
        "SMEMBERS" => Operation::Members(next()),
        "DBSIZE" => Operation::CountKeys,
        _ => return control(name, rest.collect()),
    };
    Ok(Command::Data(operation))
}

fn control(name: &str, arguments: Vec<Vec<u8>>) -> Result<Command, Refusal> {
    Ok(match name {
        "WATCH" => Command::Watch(arguments),
        "UNWATCH" => Command::Unwatch,
        "MULTI" => Command::Multi,
        "EXEC" => Command::Exec,
        "DISCARD" => Command::Discard,
        "BEGIN" => Command::Begin,
        "COMMIT" => Command::Commit,
        "ROLLBACK" => Command::Rollback,
        "HELLO" => match arguments.first() {
            Some(version) => Command::Hello(Some(integer(version)?)),
            None => Command::Hello(None),
        },
        "SELECT" if arguments[0] == b"0" => Command::Courtesy,
        "SELECT" => return Err("ERR DB index is out of range".to_owned()),
        "CLIENT" if arguments[0].eq_ignore_ascii_case(b"ID") => Command::ClientId,
        "CLIENT" => Command::Courtesy,
        "COMMAND" => Command::Describe,
        "QUIT" => Command::Quit,
        _ => return Err(format!("ERR unknown command '{}'", shorten(name))),
    })
}

fn pairs(arguments: Vec<Vec<u8>>) -> Vec<(Key, Value)> {
    let mut arguments = arguments.into_iter();
    std::iter::from_fn(|| Some((arguments.next()?, Value::Bytes(arguments.next()?)))).collect()
}

/// The answer to what should have been a number.
pub(super) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

pub(super) fn integer(bytes: &[u8]) -> Result<i64, Refusal> {
    resp::number(bytes).map_err(|_| NOT_AN_INTEGER.to_owned())
}

fn check(command: &Command, limits: &Limits) -> Result<(), Refusal> {
    let keys: Vec<&Key> = match command {
        Command::Watch(keys) => keys.iter().collect(),
        Command::Data(operation) => keys_of(operation),
        _ => Vec::new(),
    };
    if keys.iter().any(|key| key.len() > limits.key_bytes_max) {
        return Err(format!(
            "ERR a key has {} bytes at most",
            limits.key_bytes_max
        ));
    }
    let values: Vec<&Value> = match command {
        Command::Data(Operation::Set(_, value)) => vec![value],
        Command::Data(Operation::SetMany(pairs)) => pairs.iter().map(|(_, value)| value).collect(),
        _ => Vec::new(),
    };
    if values
        .iter()
        .any(|value| value.bytes() > limits.value_bytes_max)
    {
        return Err(too_long(limits));
    }
    Ok(())
}

/// The answer to a value beyond the limit.
pub(super) fn too_long(limits: &Limits) -> Refusal {
    format!("ERR a value has {} bytes at most", limits.value_bytes_max)
}

fn keys_of(operation: &Operation) -> Vec<&Key> {
    match operation {
        Operation::Ping(_) | Operation::CountKeys => Vec::new(),
        Operation::Get(key)
        | Operation::Set(key, _)
        | Operation::IncrementBy(key, _)
        | Operation::AddMembers(key, _)
        | Operation::Members(key) => vec![key],
        Operation::Delete(keys) | Operation::GetMany(keys) | Operation::CountExisting(keys) => {
            keys.iter().collect()
        }
        Operation::SetMany(pairs) => pairs.iter().map(|(key, _)| key).collect(),
    }
}

fn wrong_count(name: &str) -> Refusal {
    let name = name.to_ascii_lowercase();
    format!("ERR wrong number of arguments for '{name}' command")
}

fn shorten(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Option<Command>, Refusal> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let limits = Limits {
            key_bytes_max: 8,
            value_bytes_max: 8,
            ..Limits::default()
        };
        parse(Frame::request(&words), &limits)
    }

    fn bytes(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    #[test]
    fn commands_are_typed() {
        let table = [
            ("get a", Operation::Get(bytes("a"))),
            (
                "SET a b",
                Operation::Set(bytes("a"), Value::Bytes(bytes("b"))),
            ),
            ("incrby a -3", Operation::IncrementBy(bytes("a"), -3)),
            ("decrby a 3", Operation::IncrementBy(bytes("a"), -3)),
            ("del a b", Operation::Delete(vec![bytes("a"), bytes("b")])),
            (
                "sadd a b",
                Operation::AddMembers(bytes("a"), vec![bytes("b")]),
            ),
        ];
        for (line, expected) in table {
            assert_eq!(
                parse_line(line),
                Ok(Some(Command::Data(expected))),
                "{line}"
            );
        }
        assert_eq!(parse_line("hello 2"), Ok(Some(Command::Hello(Some(2)))));
        assert_eq!(parse(Frame::request(&[]), &Limits::default()), Ok(None));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        let lines = [
            "nonsense",
            "get",
            "get a b",
            "mset a b c",
            "set a b ex 3",
            "incrby a x",
            "decrby a -9223372036854775808",
            "get 123456789",
            "set a 123456789",
            "mset a b c 123456789",
            "watch 123456789",
            "select 1",
        ];
        for line in lines {
            let refusal = parse_line(line).expect_err(line);
            assert!(refusal.starts_with("ERR "), "{refusal}");
        }
        assert!(parse(Frame::Integer(1), &Limits::default()).is_err());
    }
}
