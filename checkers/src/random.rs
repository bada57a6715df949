//! Numbers without rhyme or reason, the same everywhere: splitmix64 (Steele, Lea, Flood, "Fast splittable
//! pseudorandom number generators", 2014). The test programs include this file too.

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
impl Random {
    /// A number from 0 on, below a positive one.
    pub(crate) fn below<Number>(&mut self, bound: Number) -> Number
    where
        u64: TryFrom<Number>,
        Number: TryFrom<u64>,
    {
        let below = Number::try_from(self.modulo(bound));
        below.ok().expect("it is less than the bound")
    }

    /// Whether something happens that does once in so many times.
    pub(crate) fn one_in<Number>(&mut self, times: Number) -> bool
    where
        u64: TryFrom<Number>,
    {
        self.modulo(times) == 0
    }

    fn modulo<Number>(&mut self, bound: Number) -> u64
    where
        u64: TryFrom<Number>,
    {
        self.next() % u64::try_from(bound).ok().expect("the bound is positive")
    }
}

/// How many random histories a test judges: so few, as test runs must be short, unless `SQUALL_CASES` asks for more.
#[cfg(test)]
pub(crate) fn cases(few: u64) -> u64 {
    let asked = std::env::var("SQUALL_CASES");
    asked.map_or(few, |asked| {
        asked.parse().expect("SQUALL_CASES is a number")
    })
}
