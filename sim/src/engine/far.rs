//! What is due far ahead, sorted no further than need be.
//!
//! Time is read as digits of six bits. An entry lies by the highest digit in which its time differs from
//! the *horizon*, and by its own digit there: so each place holds what is due before all that the next
//! place holds. As the clock comes to a place of many, they are spread over the places of the digits
//! below. An entry is moved once or twice, from one run of memory to another, where a heap would compare
//! and move it at places all over (Ahuja, Mehlhorn, Orlin and Tarjan, "Faster Algorithms for the Shortest
//! Path Problem", 1990, have radix heaps; Varghese and Lauck, "Hashed and Hierarchical Timing Wheels",
//! 1987, the same for timers).

/// A time in nanoseconds, and what orders entries of one time, in one number.
pub(super) type Key = u128;

const DIGIT_BITS: u32 = 6;
const DIGITS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;
/// How many values a digit has.
const PLACES: usize = 1 << DIGIT_BITS;
/// How many entries lie together in memory.
const CHUNK: usize = 8;
const NO_CHUNK: u32 = u32::MAX;

/// Entries behind a horizon, which whoever holds them keeps in mind.
#[derive(Debug)]
pub(super) struct Far<V> {
    places: Box<[[Place; PLACES]; DIGITS]>,
    /// Which places hold anything, a bit for each; and which digits have such places.
    occupied: [u64; DIGITS],
    occupied_digits: u16,
    /// The entries of all places, so that what they take does not depend on which places are in use.
    chunks: Vec<Chunk<V>>,
    /// The first of the chunks that hold nothing.
    free: u32,
    len: usize,
}

/// How many entries it holds, and the chunk that was begun last: all others of its are full.
#[derive(Clone, Copy, Debug)]
struct Place {
    len: u32,
    chunk: u32,
}

#[derive(Debug)]
struct Chunk<V> {
    entries: [(Key, V); CHUNK],
    next: u32,
}

const EMPTY: Place = Place {
    len: 0,
    chunk: NO_CHUNK,
};

impl<V> Default for Far<V> {
    fn default() -> Self {
        Self {
            places: Box::new([[EMPTY; PLACES]; DIGITS]),
            occupied: [0; DIGITS],
            occupied_digits: 0,
            chunks: Vec::new(),
            free: NO_CHUNK,
            len: 0,
        }
    }
}

impl<V: Copy> Far<V> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry that is due behind the horizon.
    #[inline]
    pub(super) fn push(&mut self, horizon_ns: u64, key: Key, value: V) {
        let time_ns = time_of(key);
        assert!(time_ns > horizon_ns, "what is near does not belong here");
        let digit = ((time_ns ^ horizon_ns).ilog2() / DIGIT_BITS) as usize;
        let at = (time_ns >> (digit as u32 * DIGIT_BITS)) as usize % PLACES;
        self.occupied[digit] |= 1 << at;
        self.occupied_digits |= 1 << digit;
        self.len += 1;
        let place = self.places[digit][at];
        let at_in_chunk = place.len as usize % CHUNK;
        if at_in_chunk == 0 {
            self.places[digit][at].chunk = self.begin_chunk(place.chunk, (key, value));
        } else {
            self.chunks[place.chunk as usize].entries[at_in_chunk] = (key, value);
        }
        self.places[digit][at].len += 1;
    }

    /// Answers a chunk that holds an entry, before another.
    fn begin_chunk(&mut self, next: u32, entry: (Key, V)) -> u32 {
        let at = self.free;
        if let Some(chunk) = self.chunks.get_mut(at as usize) {
            self.free = std::mem::replace(&mut chunk.next, next);
            chunk.entries[0] = entry;
            return at;
        }
        let at = u32::try_from(self.chunks.len()).expect("fewer than 2^32 entries");
        self.chunks.push(Chunk {
            entries: [entry; CHUNK],
            next,
        });
        at
    }

    /// Moves what is due first behind `run`, in no order, and answers the horizon behind it: no less than
    /// `handful` entries that lie together, or all of one time, are moved in parts. Nothing is moved only if
    /// nothing is here.
    pub(super) fn bring_near(
        &mut self,
        mut horizon_ns: u64,
        handful: usize,
        run: &mut Vec<(Key, V)>,
    ) -> u64 {
        let before = run.len();
        while run.len() == before && self.len > 0 {
            let digit = self.occupied_digits.trailing_zeros() as usize;
            let at = self.occupied[digit].trailing_zeros() as usize;
            let place = self.empty(digit, at);
            horizon_ns = if digit == 0 || place.len as usize <= handful {
                self.move_all(place, run).max(horizon_ns)
            } else {
                self.spread(place, begin_of(horizon_ns, digit, at), run)
            };
        }
        horizon_ns
    }

    /// Takes what a place holds away from it.
    fn empty(&mut self, digit: usize, at: usize) -> Place {
        self.occupied[digit] &= !(1 << at);
        if self.occupied[digit] == 0 {
            self.occupied_digits &= !(1 << digit);
        }
        let place = std::mem::replace(&mut self.places[digit][at], EMPTY);
        self.len -= place.len as usize;
        place
    }

    /// Answers the time of the last.
    fn move_all(&mut self, mut place: Place, run: &mut Vec<(Key, V)>) -> u64 {
        let begin = run.len();
        while place.len > 0 {
            let chunk = &self.chunks[place.chunk as usize];
            run.extend_from_slice(&chunk.entries[..place.chunk_len()]);
            self.free_chunk(&mut place);
        }
        let times = run[begin..].iter().map(|(key, _)| time_of(*key));
        times.max().unwrap_or(0)
    }

    /// Moves the horizon to where a place begins, and its entries behind that.
    fn spread(&mut self, mut place: Place, horizon_ns: u64, run: &mut Vec<(Key, V)>) -> u64 {
        while place.len > 0 {
            for at in 0..place.chunk_len() {
                let (key, value) = self.chunks[place.chunk as usize].entries[at];
                match time_of(key) == horizon_ns {
                    true => run.push((key, value)),
                    false => self.push(horizon_ns, key, value),
                }
            }
            self.free_chunk(&mut place);
        }
        horizon_ns
    }

    /// Keeps what `is_wanted` says.
    pub(super) fn retain(&mut self, horizon_ns: u64, is_wanted: impl Fn(V) -> bool) {
        for (digit, occupied) in self.occupied.into_iter().enumerate() {
            for at in (0..PLACES).filter(|at| occupied >> at & 1 == 1) {
                let place = self.empty(digit, at);
                self.put_back(place, horizon_ns, &is_wanted);
            }
        }
    }

    fn put_back(&mut self, mut place: Place, horizon_ns: u64, is_wanted: impl Fn(V) -> bool) {
        while place.len > 0 {
            for at in 0..place.chunk_len() {
                let (key, value) = self.chunks[place.chunk as usize].entries[at];
                if is_wanted(value) {
                    self.push(horizon_ns, key, value);
                }
            }
            self.free_chunk(&mut place);
        }
    }

    /// Lets go of the first chunk of what was a place.
    fn free_chunk(&mut self, place: &mut Place) {
        place.len -= place.chunk_len() as u32;
        let next = std::mem::replace(&mut self.chunks[place.chunk as usize].next, self.free);
        self.free = std::mem::replace(&mut place.chunk, next);
    }
}

impl Place {
    /// How many entries its first chunk holds.
    fn chunk_len(self) -> usize {
        (self.len as usize - 1) % CHUNK + 1
    }
}

/// The first time of a place.
fn begin_of(horizon_ns: u64, digit: usize, at: usize) -> u64 {
    let shift = digit as u32 * DIGIT_BITS;
    let above = horizon_ns.checked_shr(shift + DIGIT_BITS).unwrap_or(0);
    (above << DIGIT_BITS | at as u64) << shift
}

pub(super) fn time_of(key: Key) -> u64 {
    (key >> 64) as u64
}
