//! Which operations concern one object.

use super::any_spec::AnySpec;
use crate::history::{Operations, Value, ValueRef};
use crate::specs::numbers::NumbersByKey;
use std::cell::OnceCell;

/// Numbers for objects, from 0 on in the order in which they are asked for.
pub(crate) struct Places<'a> {
    spec: &'a dyn AnySpec,
    operations: Operations<'a>,
    /// By key of the history, the last of what has none.
    places: Vec<Place>,
    /// By the same: how many operations there are, once somebody has asked.
    sizes: OnceCell<Vec<usize>>,
    parts: NumbersByKey,
    count: usize,
}

/// The objects under a key.
#[derive(Clone, Default)]
struct Place {
    /// What is no part.
    whole: Option<usize>,
    /// By number of a part.
    parts: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(spec: &'a dyn AnySpec, operations: Operations<'a>) -> Self {
        Self {
            spec,
            operations,
            places: vec![Place::default(); operations.key_count() + 1],
            sizes: OnceCell::new(),
            parts: NumbersByKey::new(operations.len()),
            count: 0,
        }
    }

    /// How many objects there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The number of the object that an operation concerns.
    pub(crate) fn of(&mut self, id: usize) -> usize {
        let (next, part, key) = (self.count, self.part(id), self.key(id));
        let place = &mut self.places[key];
        let number = match part.map(|part| self.parts.of(key, part) as usize) {
            None => *place.whole.get_or_insert(next),
            Some(part) if part < place.parts.len() => place.parts[part],
            Some(_) => {
                place.parts.push(next);
                next
            }
        };
        self.count += usize::from(number == next);
        number
    }

    /// How many operations concern the object of an operation; zero if nobody has counted them.
    pub(crate) fn operation_count(&self, id: usize) -> usize {
        match self.part(id) {
            None => self.sizes.get_or_init(|| self.sizes())[self.key(id)],
            Some(_) => 0,
        }
    }

    /// What the object that an operation concerns is called.
    pub(crate) fn name(&self, id: usize) -> Option<Value> {
        name(self.operations.key(id), self.part(id))
    }

    fn part(&self, id: usize) -> Option<ValueRef<'a>> {
        let operations = self.operations;
        self.spec.part_of(operations.f(id), operations.input(id))
    }

    fn key(&self, id: usize) -> usize {
        let number = self.operations.key_number(id);
        number.unwrap_or(self.places.len() - 1)
    }

    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.places.len()];
        for id in 0..self.operations.len() {
            sizes[self.key(id)] += 1;
        }
        sizes
    }
}

/// What the object under a key, or the part of it, is called; nothing where there is one alone.
pub(crate) fn name(key: Option<ValueRef<'_>>, part: Option<ValueRef<'_>>) -> Option<Value> {
    let (key, part) = (key.map(ValueRef::to_value), part.map(ValueRef::to_value));
    match (key, part) {
        (Some(key), Some(part)) => Some(Value::List(vec![key, part])),
        (key, part) => key.or(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::specs::{ElementSet, Register};

    /// Reads of 1 or 2, with a key or none.
    fn history(read: &[(Option<&str>, i64)]) -> History {
        let read = read.iter().map(|&(key, element)| {
            let key = key.map_or_else(String::new, |key| format!(r#""key": "{key}", "#));
            let named = format!(r#"{key}"f": "contains", "value": {element}"#);
            let invoke = format!(r#"{{"process": 0, "type": "invoke", {named}}}"#);
            format!("{invoke}\n{}", invoke.replace("invoke", "ok"))
        });
        let lines: Vec<String> = read.collect();
        History::read(lines.join("\n").as_bytes(), None).expect("it is well-formed")
    }

    fn places(spec: &dyn AnySpec, history: &History) -> (Vec<usize>, Vec<String>) {
        let mut places = Places::new(spec, history.operations());
        let ids = 0..history.operations().len();
        let numbers: Vec<usize> = ids.clone().map(|id| places.of(id)).collect();
        let first = |number| numbers.iter().position(|&found| found == number);
        let firsts = (0..places.count()).filter_map(first);
        let names = firsts.map(|id| {
            places
                .name(id)
                .map_or_else(|| "–".to_owned(), |name| name.to_string())
        });
        let names = names.collect();
        (numbers, names)
    }

    #[test]
    fn each_key_and_each_part_of_it_is_an_object() {
        let (a, b) = (Some("a"), Some("b"));
        let history = history(&[(a, 1), (None, 2), (b, 1), (a, 2), (a, 1), (None, 2), (b, 2)]);
        let (numbers, names) = places(&Register::default(), &history);
        assert_eq!(numbers, [0, 1, 2, 0, 0, 1, 2]);
        assert_eq!(names, [r#""a""#, "–", r#""b""#]);
        let (numbers, names) = places(&ElementSet, &history);
        assert_eq!(numbers, [0, 1, 2, 3, 0, 1, 4]);
        let parts = [r#"["a" 1]"#, "2", r#"["b" 1]"#, r#"["a" 2]"#, r#"["b" 2]"#];
        assert_eq!(names, parts);
    }
}
