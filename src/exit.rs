//! Exit codes: what a script may rely on.

/// How a command ended. The order is that of precedence: of several, the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Two runs of one plan differed: the evidence itself is in doubt.
    Nondeterminism,
    /// A promise was broken.
    Violation,
    /// A failure that had been mended is back.
    Regression,
    /// A server ended that should not have.
    Crash,
    /// The system stood still though it could go on.
    Liveness,
    /// Squall itself failed.
    Harness,
    /// A checker could not tell.
    Unknown,
    /// A run proved nothing.
    Vacuous,
    /// Not all that was asked for was done.
    Incomplete,
    /// The command line, or a file that it names, makes no sense.
    Usage,
    /// All is well.
    Success,
}

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Harness => 1,
            Self::Usage => 64,
            Self::Violation => 100,
            Self::Liveness => 110,
            Self::Crash => 111,
            Self::Regression => 112,
            Self::Nondeterminism => 120,
            Self::Unknown => 121,
            Self::Vacuous => 122,
            Self::Incomplete => 123,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_outranks_a_doubt() {
        assert!(Exit::Violation < Exit::Unknown);
        assert!(Exit::Nondeterminism < Exit::Violation);
        assert_eq!(
            [Exit::Vacuous, Exit::Liveness, Exit::Success].iter().min(),
            Some(&Exit::Liveness)
        );
    }
}
