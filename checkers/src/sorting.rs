//! Sorting by numbers: events, ids, sizes.
//!
//! The standard library's sorts are compiled again for each type and each key, 8 KB of machine code a time.
//! What has a number for a key need not wait for that: the order of numbers is found by a radix sort (Knuth,
//! The Art of Computer Programming, volume 3, section 5.2.5), compiled once, and things are swapped into it.

const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 1 << DIGIT_BITS;
/// So few are sorted by insertion: counting digits would take longer.
const FEW: usize = 64;

/// Sorts things by a number of each. What has one number keeps its order, so that things are sorted by two
/// numbers if they are sorted by the second, and then by the first.
pub(crate) fn sort_by_number<T>(things: &mut [T], number: impl Fn(&T) -> usize) {
    if things.is_sorted_by_key(&number) {
        return;
    }
    let numbers = things.iter().map(number).collect();
    move_to(order(numbers), |one, other| things.swap(one, other));
}

/// The places of numbers, by the numbers and then by the places.
fn order(numbers: Vec<usize>) -> Vec<u32> {
    let count = u32::try_from(numbers.len()).expect("histories have fewer than 2^32 operations");
    let mut order: Vec<u32> = (0..count).collect();
    if numbers.len() <= FEW {
        insert_each(&numbers, &mut order);
        return order;
    }
    let largest = numbers.iter().max().expect("they are more than a few");
    let mut sorted = vec![0; order.len()];
    for shift in (0..usize::BITS - largest.leading_zeros()).step_by(DIGIT_BITS as usize) {
        sort_by_digit(&numbers, shift, &order, &mut sorted);
        std::mem::swap(&mut order, &mut sorted);
    }
    order
}

fn insert_each(numbers: &[usize], order: &mut [u32]) {
    for end in 1..order.len() {
        let number = numbers[order[end] as usize];
        let later = order[..end].partition_point(|&place| numbers[place as usize] <= number);
        order[later..=end].rotate_right(1);
    }
}

/// Sorts places by one digit of their numbers, stably.
fn sort_by_digit(numbers: &[usize], shift: u32, order: &[u32], sorted: &mut [u32]) {
    let digit = |place: u32| (numbers[place as usize] >> shift) % DIGITS;
    let mut ends = [0_u32; DIGITS];
    for &place in order {
        ends[digit(place)] += 1;
    }
    let mut before = 0;
    for end in &mut ends {
        before += std::mem::replace(end, before);
    }
    for &place in order {
        let next = &mut ends[digit(place)];
        sorted[*next as usize] = place;
        *next += 1;
    }
}

/// Swaps things until each place has what was at the place that `order` names.
fn move_to(mut order: Vec<u32>, mut swap: impl FnMut(usize, usize)) {
    for start in 0..order.len() {
        let mut here = start;
        loop {
            let there = std::mem::replace(&mut order[here], here as u32) as usize;
            if there == start {
                break;
            }
            swap(here, there);
            here = there;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sort_by_number;

    /// As the standard library sorts, whose stable sort it takes the place of.
    #[test]
    fn it_sorts_stably() {
        let mut state = 1_usize;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for count in [0, 1, 2, 3, 7, 64, 65, 1000, 5000] {
            for below in [1, 3, 100, 4096, 1 << 31] {
                let wide = random(2) * (usize::MAX - (1 << 31));
                let things: Vec<(usize, usize)> = (0..count)
                    .map(|place| (random(below) + wide * random(2), place))
                    .collect();
                let (mut mine, mut expected) = (things.clone(), things);
                sort_by_number(&mut mine, |&(number, _)| number);
                expected.sort_by_key(|&(number, _)| number);
                assert_eq!(mine, expected);
            }
        }
    }
}
