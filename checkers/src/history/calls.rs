//! What the names of methods mean that collections of histories for sets, queues, stacks and priority
//! queues use: `enq(7)` is our `enqueue` of 7, `deq` that answers 7 our `dequeue`.

use super::Value;

/// A method as those collections have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// Our name.
    pub(super) f: &'static str,
    pub(super) role: Role,
}

/// What is written behind the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The argument, which is also the answer.
    Gives,
    /// The answer; nothing is asked.
    Takes,
    /// The argument; the answer is always this.
    Says(bool),
}

/// The names that are known, theirs and ours. An `insert` is into a set, unless the object says else.
const METHODS: [(&str, &str, Role); 22] = [
    ("enq", "enqueue", Role::Gives),
    ("enqueue", "enqueue", Role::Gives),
    ("deq", "dequeue", Role::Takes),
    ("dequeue", "dequeue", Role::Takes),
    ("push", "push", Role::Gives),
    ("pop", "pop", Role::Takes),
    ("peek", "peek", Role::Takes),
    ("top", "peek", Role::Takes),
    ("poll", "poll", Role::Takes),
    ("read", "read", Role::Takes),
    ("write", "write", Role::Gives),
    ("insert", "add", Role::Says(true)),
    ("add", "add", Role::Says(true)),
    ("remove", "remove", Role::Says(true)),
    ("delete", "remove", Role::Says(true)),
    ("contains", "contains", Role::Says(true)),
    ("contains_true", "contains", Role::Says(true)),
    ("contains_false", "contains", Role::Says(false)),
    ("rmw", "cas", Role::Gives),
    ("cas", "cas", Role::Gives),
    ("acquire", "acquire", Role::Gives),
    ("release", "release", Role::Gives),
];

impl Method {
    /// The method of an object, whose kind the file names.
    pub(super) fn named(name: &str, object: &str) -> Option<Self> {
        let is_priority_queue = object.contains("priority") || object.starts_with("pq");
        let name = name.to_ascii_lowercase();
        let (_, f, role) = METHODS.into_iter().find(|(theirs, ..)| *theirs == name)?;
        Some(match f {
            "add" if is_priority_queue => Self {
                f: "insert",
                role: Role::Gives,
            },
            f => Self { f, role },
        })
    }

    /// Input and output, of what is written behind the name.
    pub(super) fn values(&self, written: Value) -> (Value, Value) {
        match self.role {
            Role::Gives => (written.clone(), written),
            Role::Takes => (Value::Nil, written),
            Role::Says(answer) => (written, Value::Bool(answer)),
        }
    }

    pub(super) fn expected() -> String {
        let names: Vec<&str> = METHODS.iter().map(|(theirs, ..)| *theirs).collect();
        format!("a method ({})", names.join(", "))
    }
}

/// A value as those collections write one: an integer, or any other word. What says that there was
/// nothing is nil.
pub(super) fn value(word: &str) -> Value {
    match word.parse() {
        Ok(number) => Value::Int(number),
        Err(_) if matches!(word, "" | "empty" | "null" | "nil" | "none") => Value::Nil,
        Err(_) => Value::from(word),
    }
}
