//! A sample of a pool, drawn by a seed.

/// Returns at most `number` members of `pool`, practically at random, ascending. The rank of a
/// member in the draw depends only on its id and the seed.
pub(crate) fn draw<'a>(pool: &[usize], number: usize, seed: u64, id: impl Fn(usize) -> &'a str) -> Vec<usize> {
    let mut order = pool.to_vec();
    order.sort_by_cached_key(|&at| (hashed(seed, id(at)), at));
    order.truncate(number);
    order.sort_unstable();
    order
}

/// Returns the same 64 bits for an id and a seed on every machine: FNV-1a of both, then the
/// finaliser of SplitMix64. Similar ids and seeds get distant values.
pub(crate) fn hashed(seed: u64, id: &str) -> u64 {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut state = id.as_bytes().iter().chain(&seed.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, hash);
    for multiplier in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        state = (state ^ (state >> 30)).wrapping_mul(multiplier);
    }
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_the_seed_and_takes_every_member_alike() {
        let ids: Vec<String> = (0..1000).map(|id| id.to_string()).collect();
        let pool: Vec<usize> = (0..1000).collect();
        let drawn = |seed| draw(&pool, 100, seed, |at| &ids[at]);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert!(drawn(1).is_sorted() && drawn(1).len() == 100);
        let mut times = [0_usize; 10];
        (0..50).flat_map(drawn).for_each(|at| times[at / 100] += 1);
        assert!(times.iter().all(|times| (400..600).contains(times)), "{times:?}");
        assert_eq!(draw(&pool[..3], 9, 1, |at| &ids[at]), [0, 1, 2]);
    }
}
