//! One query against 1,000,000 rows: the library's kernels beside numkong's, and beside the
//! machine's read bandwidth.
//!
//! What is measured: seconds for all dot products of one query with every row, dims 384 and 1024,
//! f32, f16, bf16 and i8, on one and on two threads. Beside ours: numkong's `dot` called per row,
//! numkong's `dots_packed` (its matrix kernel, the query packed once outside the clock), and a
//! plain streaming sum over the same bytes, which is what one may expect of memory. All four run in
//! turn in one process, round after round; printed are the medians, the median over the rounds of
//! (numkong's faster one / ours) and of (streaming sum / ours), and our GB/s of rows. Before the
//! clock runs, the scores of ours and of both of numkong's are compared on a sample of rows. On
//! what data: uniform random numbers in [-1, 1), in one allocation of 4.1 GB that all types reuse.
//! How to run: `cargo bench -p nearsort-peers --bench kernels [-- --rows N --rounds N]`; `--rows
//! 500 --rounds 2001` shows the same for rows that stay in the cache.

use std::time::Instant;

use nearsort::kernels::{Dot, Kernels};
use numkong::{Dot as _, Dots};

const DIMS: [usize; 2] = [384, 1024];
const THREADS: [usize; 2] = [1, 2];

/// An element type of both libraries.
struct Case<E, S, N: Dots> {
    name: &'static str,
    dot: Dot<E, S>,
    make: fn(f32) -> E,
    /// The same elements as numkong's type.
    peer: fn(&[E]) -> &[N],
    peer_dot: fn(&[N], &[N]) -> N::Accumulator,
    close: fn(S, N::Accumulator) -> bool,
}

fn main() {
    let (rows, rounds) = (option("--rows", 1_000_000), option("--rounds", 9));
    numkong::configure_thread();
    let kernels = Kernels::best();
    println!("{rows} rows, {rounds} rounds, kernels {}, numkong {:#x}", kernels.isa(), numkong::available());
    println!(
        "{:>5} {:>5} {:>2} | {:>9} {:>9} {:>9} {:>9} | {:>9} {:>9} | {:>6} {:>6}",
        "", "dim", "t", "ours us", "nk dot", "nk packed", "sum us", "nk/ours", "sum/ours", "GB/s", "sum"
    );
    let mut memory = vec![0u64; (rows * DIMS[1]).div_ceil(2)];
    let close = |a: f32, b: f64| (f64::from(a) - b).abs() < 1e-3;
    Case {
        name: "f32",
        dot: kernels.dot_f32,
        make: |x| x,
        peer: |x| x,
        close,
        peer_dot: |a, b| f32::dot(a, b).expect("equal lengths"),
    }
    .run(&mut memory, rows, rounds);
    Case {
        name: "i8",
        dot: kernels.dot_i8,
        make: |x| (x * 127.0) as i8,
        peer: |x| x,
        close: |a, b| a == b,
        peer_dot: |a, b| i8::dot(a, b).expect("equal lengths"),
    }
    .run(&mut memory, rows, rounds);
    let close = |a: f32, b: f32| (a - b).abs() < 1e-3;
    Case {
        name: "f16",
        dot: kernels.dot_f16,
        make: |x| half::f16::from_f32(x).to_bits(),
        close,
        // SAFETY: numkong's f16 is a transparent u16.
        peer: |x| unsafe { std::slice::from_raw_parts(x.as_ptr().cast::<numkong::f16>(), x.len()) },
        peer_dot: |a, b| numkong::f16::dot(a, b).expect("equal lengths"),
    }
    .run(&mut memory, rows, rounds);
    Case {
        name: "bf16",
        dot: kernels.dot_bf16,
        make: |x| half::bf16::from_f32(x).to_bits(),
        close,
        // SAFETY: numkong's bf16 is a transparent u16.
        peer: |x| unsafe { std::slice::from_raw_parts(x.as_ptr().cast::<numkong::bf16>(), x.len()) },
        peer_dot: |a, b| numkong::bf16::dot(a, b).expect("equal lengths"),
    }
    .run(&mut memory, rows, rounds);
}

impl<E, S, N> Case<E, S, N>
where
    E: Copy + Send + Sync,
    S: Copy + Send + Sync + Default,
    N: Dots + Sync,
    N::Accumulator: Copy + Send + Sync + Default,
{
    fn run(&self, memory: &mut [u64], num_rows: usize, rounds: usize) {
        for dim in DIMS {
            let rows = self.fill(memory, num_rows * dim);
            let query: Vec<E> = (0..dim).map(|i| (self.make)((i as f32 * 0.7).sin())).collect();
            let packed = pack((self.peer)(&query));
            self.check(&query, &packed, &rows[..dim * 100.min(num_rows)]);
            for threads in THREADS {
                self.measure(&query, &packed, rows, threads, rounds);
            }
        }
    }

    /// The first `len` elements of the memory, filled with random values.
    fn fill<'a>(&self, memory: &'a mut [u64], len: usize) -> &'a [E] {
        assert!(len * size_of::<E>() <= size_of_val(memory));
        // SAFETY: the bytes are there, `u64` is aligned for all element types, and every bit
        // pattern is a value.
        let elements = unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast::<E>(), len) };
        let mut state = 1u64;
        for element in elements.iter_mut() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *element = (self.make)((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0);
        }
        elements
    }

    fn check(&self, query: &[E], packed: &[u8], rows: &[E]) {
        let mut ours = vec![S::default(); rows.len() / query.len()];
        let mut peers = vec![N::Accumulator::default(); ours.len()];
        self.dot.rows(query, rows, &mut ours);
        dots_packed((self.peer)(rows), packed, query.len(), &mut peers);
        for ((row, &our), &peer) in rows.chunks(query.len()).zip(&ours).zip(&peers) {
            let single = (self.peer_dot)((self.peer)(query), (self.peer)(row));
            assert!((self.close)(our, single) && (self.close)(our, peer), "{}: the scores differ", self.name);
        }
    }

    fn measure(&self, query: &[E], packed: &[u8], rows: &[E], threads: usize, rounds: usize) {
        let dim = query.len();
        let num_rows = rows.len() / dim;
        let mut ours = vec![S::default(); num_rows];
        let mut peers = vec![N::Accumulator::default(); num_rows];
        let mut seconds = [const { Vec::new() }; 4];
        for _ in 0..rounds {
            seconds[0].push(clock(rows, &mut ours, dim, threads, |rows, scores| self.dot.rows(query, rows, scores)));
            seconds[1].push(clock(rows, &mut peers, dim, threads, |rows, scores| {
                let (query, rows) = ((self.peer)(query), (self.peer)(rows));
                for (row, score) in rows.chunks_exact(dim).zip(scores) {
                    *score = (self.peer_dot)(query, row);
                }
            }));
            seconds[2].push(clock(rows, &mut peers, dim, threads, |rows, scores| {
                dots_packed((self.peer)(rows), packed, dim, scores);
            }));
            seconds[3].push(clock(rows, &mut ours, dim, threads, |rows, _| {
                std::hint::black_box(streaming_sum(rows));
            }));
        }
        let [ours, peer, peer_packed, sum] = seconds;
        let best_peer: Vec<f64> = peer.iter().zip(&peer_packed).map(|(a, b)| a.min(*b)).collect();
        let gigabytes = size_of_val(rows) as f64 / 1e9;
        println!(
            "{:>5} {:>5} {:>2} | {:>9.1} {:>9.1} {:>9.1} {:>9.1} | {:>9.2} {:>9.2} | {:>6.1} {:>6.1}",
            self.name,
            dim,
            threads,
            median(&ours) * 1e6,
            median(&peer) * 1e6,
            median(&peer_packed) * 1e6,
            median(&sum) * 1e6,
            ratio(&best_peer, &ours),
            ratio(&sum, &ours),
            gigabytes / median(&ours),
            gigabytes / median(&sum)
        );
    }
}

/// Seconds of `work` over equal shares of the rows on each thread.
fn clock<E: Sync, S: Send>(
    rows: &[E],
    scores: &mut [S],
    dim: usize,
    threads: usize,
    work: impl Fn(&[E], &mut [S]) + Sync,
) -> f64 {
    let share = scores.len().div_ceil(threads);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let mut shares = rows.chunks(share * dim).zip(scores.chunks_mut(share));
        let first = shares.next();
        for (rows, scores) in shares {
            let work = &work;
            scope.spawn(move || work(rows, scores));
        }
        if let Some((rows, scores)) = first {
            work(rows, scores);
        }
    });
    start.elapsed().as_secs_f64()
}

fn pack<N: Dots>(query: &[N]) -> Vec<u8> {
    let mut packed = vec![0; N::dots_packed_size(1, query.len())];
    // SAFETY: the buffer has the size that the library asks for; one row of `query.len()`.
    unsafe { N::dots_pack(query.as_ptr(), 1, query.len(), size_of_val(query), packed.as_mut_ptr()) };
    packed
}

fn dots_packed<N: Dots>(rows: &[N], packed: &[u8], dim: usize, scores: &mut [N::Accumulator]) {
    let (row_bytes, score_bytes) = (dim * size_of::<N>(), size_of::<N::Accumulator>());
    assert_eq!(rows.len(), scores.len() * dim);
    // SAFETY: `rows` holds one row of `dim` for each score, and `packed` one query of `dim`.
    unsafe {
        N::dots_packed(
            rows.as_ptr(),
            packed.as_ptr(),
            scores.as_mut_ptr(),
            scores.len(),
            1,
            dim,
            row_bytes,
            score_bytes,
        );
    }
}

/// The sum of all bytes, taken as integers of 64 bits, by the widest vectors there are.
fn streaming_sum<E>(elements: &[E]) -> u64 {
    let len = size_of_val(elements) / size_of::<u64>();
    // SAFETY: the elements start at a multiple of 8 bytes and are plain numbers.
    let words = unsafe { std::slice::from_raw_parts(elements.as_ptr().cast::<u64>(), len) };
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the feature is there.
            return unsafe { sum_avx512(words) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the feature is there.
            return unsafe { sum_avx2(words) };
        }
    }
    sum(words)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sum_avx512(words: &[u64]) -> u64 {
    use std::arch::x86_64::*;
    let mut sums = [_mm512_setzero_si512(); 8];
    for chunk in words.chunks_exact(64) {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: 8 words at each of the 8 eighths of the chunk.
            *sum = _mm512_add_epi64(*sum, unsafe { _mm512_loadu_si512(chunk.as_ptr().add(8 * i).cast()) });
        }
    }
    sums.into_iter().fold(0, |sum, lanes| sum.wrapping_add(_mm512_reduce_add_epi64(lanes) as u64))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_avx2(words: &[u64]) -> u64 {
    sum(words)
}

#[inline(always)]
fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The median of the ratios of the same round.
fn ratio(over: &[f64], under: &[f64]) -> f64 {
    median(&over.iter().zip(under).map(|(a, b)| a / b).collect::<Vec<_>>())
}

/// The number after `name` on the command line.
fn option(name: &str, default: usize) -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} needs a number")))
}
