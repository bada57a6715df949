//! Which backends are up, by asking them: a word is believed once it has been said several times.

use squall_sim::time::Duration;

/// How a backend is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// From one check to the next.
    pub interval: Duration,
    /// How long a check may take.
    pub timeout: Duration,
    /// Checks in a row that must fail before a backend is down.
    pub down_after: u32,
    /// Checks in a row that must pass before it is up again.
    pub up_after: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            timeout: Duration::from_millis(300),
            down_after: 3,
            up_after: 2,
        }
    }
}

/// What is believed of one backend. It is up until the opposite is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    config: Config,
    healthy: bool,
    /// Checks in a row that said the opposite of what is believed.
    dissent: u32,
}

impl Health {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            healthy: true,
            dissent: 0,
        }
    }

    pub fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// Takes a check's outcome; answers whether the belief has changed.
    pub fn record(&mut self, passed: bool) -> bool {
        if passed == self.healthy {
            self.dissent = 0;
            return false;
        }
        self.dissent += 1;
        let enough = match self.healthy {
            true => self.config.down_after,
            false => self.config.up_after,
        };
        if self.dissent < enough {
            return false;
        }
        self.healthy = passed;
        self.dissent = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The naive model looks back over the whole list of outcomes.
        #[test]
        fn a_belief_changes_after_that_many_in_a_row(outcomes: Vec<bool>) {
            let config = Config::default();
            let mut health = Health::new(config);
            let (mut believed, mut since) = (true, 0);
            for (index, passed) in outcomes.iter().enumerate() {
                let changed = health.record(*passed);
                let needed = if believed { config.down_after } else { config.up_after } as usize;
                let recent = &outcomes[since..=index];
                let flips = recent.len() >= needed
                    && recent[recent.len() - needed..].iter().all(|passed| *passed != believed);
                if flips {
                    believed = !believed;
                    since = index + 1;
                }
                prop_assert_eq!(changed, flips);
                prop_assert_eq!(health.is_healthy(), believed);
            }
        }
    }
}
