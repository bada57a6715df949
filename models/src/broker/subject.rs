//! Subjects and filters: words between dots, and the wildcards `*` (one word) and `>` (all that follow).

/// Whether a message may be published under it: words of printable characters, none empty, no wildcard.
pub fn is_subject(text: &str) -> bool {
    is_filter(text) && text.split('.').all(|word| word != "*" && word != ">")
}

/// Whether it may be subscribed to: as a subject, but words may be `*`, and the last may be `>`.
pub fn is_filter(text: &str) -> bool {
    let mut words = text.split('.').peekable();
    while let Some(word) = words.next() {
        let is_last = words.peek().is_none();
        if !is_word(word) || (word == ">" && !is_last) {
            return false;
        }
    }
    true
}

/// Whether a name can stand as one word of a subject: streams and consumers are named so.
pub fn is_name(text: &str) -> bool {
    is_word(text) && !text.contains(['.', '*', '>', '/', '\\'])
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && !word.contains(|character: char| character <= ' ' || character == '\x7f')
}

/// Whether a filter stands for a subject.
pub fn matches(filter: &str, subject: &str) -> bool {
    let mut words = subject.split('.');
    for expected in filter.split('.') {
        match (expected, words.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (expected, Some(word)) if expected == word => {}
            _ => return false,
        }
    }
    words.next().is_none()
}

/// Whether some subject is matched by both filters.
pub fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) | (None, None) => return true,
            (Some(a), Some(b)) if a == "*" || b == "*" || a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_words_between_dots() {
        for subject in ["a", "a.b", "$JS.API.INFO", "ä.ö", "a*b.c>d"] {
            assert!(is_subject(subject), "{subject}");
        }
        for subject in [
            "", ".", "a.", ".a", "a..b", "a b", "a\t", "*", "a.>", "a.*.b",
        ] {
            assert!(!is_subject(subject), "{subject}");
        }
    }

    #[test]
    fn filters_may_have_wildcards() {
        for filter in ["*", ">", "a.*", "a.*.b", "*.*.>"] {
            assert!(is_filter(filter), "{filter}");
        }
        for filter in [">.a", "a.>.b", "", "a..>"] {
            assert!(!is_filter(filter), "{filter}");
        }
    }

    #[test]
    fn a_filter_stands_for_its_subjects() {
        for (filter, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("*.b", "a.b", true),
        ] {
            assert_eq!(matches(filter, subject), expected, "{filter} {subject}");
        }
    }

    #[test]
    fn filters_overlap_where_a_subject_matches_both() {
        for (one, other, expected) in [
            ("a.*", "*.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.b", "a.c", false),
            ("a", "a.b", false),
            (">", "a", true),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} {other}");
            assert_eq!(overlap(other, one), expected, "{other} {one}");
        }
    }
}
