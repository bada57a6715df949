//! Networks with a name: what is known to break systems, and what networks there are.

use super::{Bandwidth, Latency, LinkEffect, NetworkConfig};

const MS: u64 = 1_000_000;

/// A network with a name. It can be the calm network of a run ([`Self::config`]) or befall links of
/// another one ([`Self::effects`]); as a fault, its latency comes on top of what the link has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    pub name: &'static str,
    /// What it is and where it comes from.
    pub about: &'static str,
    pub latency: Option<Latency>,
    pub lost_per_mille: u32,
    pub bandwidth: Option<Bandwidth>,
}

/// All networks that have a name.
pub const PRESETS: [Preset; 7] = [
    Preset {
        name: "loss-35",
        about: "a third of all packets is lost: what TCP just survives",
        latency: None,
        lost_per_mille: 350,
        bandwidth: None,
    },
    Preset {
        name: "delay-500-loss-5",
        about: "500 ms more or less 300, and one packet of twenty is lost",
        latency: Some(Latency::Uniform {
            min_ns: 200 * MS,
            max_ns: 800 * MS,
        }),
        lost_per_mille: 50,
        bandwidth: None,
    },
    Preset {
        name: "slow-wan",
        about: "between continents over a line of 10 Mbit/s with queues of 64 KiB",
        latency: Some(Latency::Exponential {
            floor_ns: 80 * MS,
            mean_extra_ns: 10 * MS,
        }),
        lost_per_mille: 2,
        bandwidth: Some(Bandwidth {
            bytes_per_second: 1_250_000,
            queue_bytes_max: 64 * 1024,
        }),
    },
    Preset {
        name: "satellite",
        about: "by a geostationary satellite, 2 Mbit/s with queues that hold a second",
        latency: Some(Latency::Uniform {
            min_ns: 270 * MS,
            max_ns: 310 * MS,
        }),
        lost_per_mille: 10,
        bandwidth: Some(Bandwidth {
            bytes_per_second: 250_000,
            queue_bytes_max: 250_000,
        }),
    },
    Preset {
        name: "mobile",
        about: "a telephone that moves: bursts of delay and loss, 1 Mbit/s",
        latency: Some(Latency::Bimodal {
            min_ns: 30 * MS,
            max_ns: 120 * MS,
            tail_ns_max: 2_000 * MS,
            tail_per_mille: 50,
        }),
        lost_per_mille: 30,
        bandwidth: Some(Bandwidth {
            bytes_per_second: 125_000,
            queue_bytes_max: 128 * 1024,
        }),
    },
    Preset {
        name: "tail",
        about: "a data centre in which one packet of a thousand takes up to 100 ms (FoundationDB)",
        latency: Some(Latency::Bimodal {
            min_ns: MS / 10,
            max_ns: MS * 8 / 10,
            tail_ns_max: 100 * MS,
            tail_per_mille: 1,
        }),
        lost_per_mille: 0,
        bandwidth: None,
    },
    Preset {
        name: "lan",
        about: "one rack: a tenth of a millisecond",
        latency: Some(Latency::Uniform {
            min_ns: MS / 20,
            max_ns: MS / 8,
        }),
        lost_per_mille: 0,
        bandwidth: None,
    },
];

/// The network of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Preset {
    /// As the calm network of a run.
    pub fn config(&self) -> NetworkConfig {
        let calm = NetworkConfig::default();
        NetworkConfig {
            latency: self.latency.unwrap_or(calm.latency),
            lost_per_mille: self.lost_per_mille,
            bandwidth: self.bandwidth,
            ..calm
        }
    }

    /// As effects on a link.
    pub fn effects(&self) -> Vec<LinkEffect> {
        let delay = self.latency.map(|by| LinkEffect::Delay { by });
        let loss = (self.lost_per_mille > 0).then_some(LinkEffect::Lossy {
            per_mille: self.lost_per_mille,
        });
        let throttle = self.bandwidth.map(|to| LinkEffect::Throttle { to });
        [delay, loss, throttle].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_sound_and_each_has_a_name_and_an_effect() {
        for (at, one) in PRESETS.iter().enumerate() {
            assert_eq!(preset(one.name), Some(&PRESETS[at]), "{} twice", one.name);
            assert!(!one.effects().is_empty(), "{} does nothing", one.name);
            assert!(one.effects().iter().all(LinkEffect::is_sound));
            assert!(one.config().latency.is_sound());
        }
        assert_eq!(preset("nonesuch"), None);
    }
}
