//! A small network that reads the words in their order: what every word is (itself, its letters, the ideas it stands for,
//! whether it is denied), what stands on both sides of it, the strongest of each pattern anywhere in the message, and a
//! judgement a head. Two of them, learnt apart, are asked and their sums averaged. They err elsewhere than the linear model in `model`, and all together err less than any of them.
//! `examples/learn.rs` learns its weights; one signed byte each stands in the binary.

use super::linear::hash;
use super::words::{self, Read};
use std::io::Read as _;

/// Numbers a word is made of.
pub const DIM: usize = 32;
/// Words a pattern spans.
pub const SPAN: usize = 3;
/// Patterns looked for in single words, and as many over [`SPAN`] of them.
pub const FILTERS: usize = 96;
/// What the strongest of each pattern, and two facts about the message, are boiled down to.
pub const HIDDEN: usize = 64;
/// Inputs of that step.
pub const POOLED: usize = 2 * FILTERS + 2;
/// Buckets the pieces of words fall into.
pub const PIECES: u32 = 8192;
/// Words read of a message; a pasted novel is judged by its beginning.
const MOST_WORDS: usize = 120;
/// Pieces of a word that count.
const MOST_PIECES: usize = 24;

/// What the network sees of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The words, at least one.
    pub words: Vec<SeenWord>,
    /// A package is already talked about.
    pub about: bool,
    /// There is a question mark.
    pub asks: bool,
}

/// What it sees of a word.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenWord {
    /// Hash of the word.
    pub word: u32,
    /// Hashes of the ideas it stands for.
    pub ideas: Vec<u32>,
    /// Buckets of its pieces.
    pub pieces: Vec<u32>,
    /// It stands in a denial.
    pub denied: bool,
}

/// Makes a message ready for the network.
pub fn see(read: &Read, about: bool) -> Seen {
    let mut words: Vec<SeenWord> = read
        .words
        .iter()
        .take(MOST_WORDS)
        .map(|word| SeenWord { word: hash(u32::MAX, b'w', &[&word.text]), ideas: Vec::new(), pieces: pieces(&word.text), denied: word.denied })
        .collect();
    for (at, len, idea) in &read.ideas {
        let idea = hash(u32::MAX, b'i', &[words::idea_name(*idea)]);
        words.iter_mut().skip(*at).take(*len).for_each(|word| word.ideas.push(idea));
    }
    if words.is_empty() {
        words.push(SeenWord::default());
    }
    Seen { words, about, asks: read.asks }
}

/// Pieces of three to five letters, edges marked.
fn pieces(word: &str) -> Vec<u32> {
    let letters: Vec<char> = std::iter::once('<').chain(word.chars()).chain(std::iter::once('>')).collect();
    let mut piece = String::new();
    let mut found = Vec::with_capacity(MOST_PIECES);
    for size in 3..=5 {
        for part in letters.windows(size).take(MOST_PIECES - found.len()) {
            piece.clear();
            piece.extend(part);
            found.push(hash(PIECES, b'p', &[&piece]));
        }
    }
    found
}

/// Where in the weights what stands. All are laid out input by input, so that a step over one input runs through memory.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Rows of known words and ideas; the first is every other word's.
    pub rows: usize,
    /// Rows of pieces.
    pub pieces: usize,
    /// What a denial adds to a word.
    pub denied: usize,
    /// Patterns in single words, then their thresholds.
    pub single: usize,
    /// Patterns over several, then their thresholds.
    pub several: usize,
    /// The step to [`HIDDEN`], then its thresholds.
    pub hidden: usize,
    /// The step to the heads, then their thresholds.
    pub out: usize,
    /// All of it.
    pub len: usize,
}

impl Layout {
    /// For so many known words and ideas, and heads.
    pub fn new(known: usize, heads: usize) -> Self {
        let pieces = (known + 1) * DIM;
        let denied = pieces + PIECES as usize * DIM;
        let single = denied + DIM;
        let several = single + (DIM + 1) * FILTERS;
        let hidden = several + (SPAN * DIM + 1) * FILTERS;
        let out = hidden + (POOLED + 1) * HIDDEN;
        Self { rows: 0, pieces, denied, single, several, hidden, out, len: out + (HIDDEN + 1) * heads }
    }

    /// The parts that are scaled together in the file.
    fn parts(self) -> [std::ops::Range<usize>; 7] {
        [
            self.rows..self.pieces,
            self.pieces..self.denied,
            self.denied..self.single,
            self.single..self.several,
            self.several..self.hidden,
            self.hidden..self.out,
            self.out..self.len,
        ]
    }
}

/// Adds `strength` times a row of weights.
#[inline]
pub fn add(sums: &mut [f32], strength: f32, row: &[f32]) {
    for (sum, weight) in sums.iter_mut().zip(row) {
        *sum += strength * weight;
    }
}

/// Sums `inputs` over their rows of weights, and the thresholds that follow the last of them.
#[inline]
pub fn step(sums: &mut [f32], inputs: &[f32], weights: &[f32]) {
    let width = sums.len();
    let (rows, thresholds) = weights.split_at(inputs.len() * width);
    sums.copy_from_slice(&thresholds[..width]);
    for (input, row) in inputs.iter().zip(rows.chunks_exact(width)) {
        if *input != 0.0 {
            add(sums, *input, row);
        }
    }
}

/// Learnt weights of networks that know the same words.
pub struct Network {
    /// Hashes of known words and ideas, rising.
    known: Vec<u32>,
    layout: Layout,
    heads: usize,
    members: Vec<Vec<f32>>,
}

/// Begins the file. Then heads and members (a byte each), the number of known hashes, the hashes, and for each member and each part of [`Layout::parts`] its scale and a byte a
/// weight; numbers little-endian.
const MAGIC: &[u8; 4] = b"KAFC";

impl Network {
    /// Of members whose weights are laid out as [`Layout`] says.
    pub fn new(known: Vec<u32>, heads: usize, members: Vec<Vec<f32>>) -> Option<Self> {
        let layout = Layout::new(known.len(), heads);
        let fit = heads > 0 && !members.is_empty() && members.iter().all(|weights| weights.len() == layout.len);
        fit.then_some(Self { known, layout, heads, members })
    }

    /// Reads what `linear::pack` made smaller.
    pub fn from_packed(packed: &[u8]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(packed.len() * 2);
        flate2::read::ZlibDecoder::new(packed).read_to_end(&mut bytes).ok()?;
        Self::from_bytes(&bytes)
    }

    /// Reads what [`Network::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (heads, rest) = bytes.strip_prefix(MAGIC)?.split_first()?;
        let heads = usize::from(*heads);
        let (members, rest) = rest.split_first()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (hashes, mut rest) = rest.split_at_checked((u32::from_le_bytes(*count) as usize).checked_mul(4)?)?;
        let known: Vec<u32> = hashes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let layout = Layout::new(known.len(), heads);
        let mut all = Vec::new();
        for _ in 0..*members {
            let mut weights = Vec::new();
            for part in layout.parts() {
                let (scale, after) = rest.split_first_chunk::<4>()?;
                let (steps, after) = after.split_at_checked(part.len())?;
                let scale = f32::from_le_bytes(*scale);
                weights.extend(steps.iter().map(|step| f32::from(step.cast_signed()) * scale));
                rest = after;
            }
            all.push(weights);
        }
        Self::new(known, heads, all).filter(|_| rest.is_empty())
    }

    /// The file the binary carries.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([self.heads as u8, self.members.len() as u8]);
        bytes.extend((self.known.len() as u32).to_le_bytes());
        self.known.iter().for_each(|hash| bytes.extend(hash.to_le_bytes()));
        for weights in &self.members {
            for part in self.layout.parts() {
                let weights = &weights[part];
                let scale = weights.iter().fold(1e-9f32, |most, weight| most.max(weight.abs())) / 127.0;
                bytes.extend(scale.to_le_bytes());
                bytes.extend(weights.iter().map(|weight| ((weight / scale).round() as i8).cast_unsigned()));
            }
        }
        bytes
    }

    /// Row of a known word or idea; 0 for what was never learnt.
    fn row(&self, hash: u32) -> usize {
        self.known.binary_search(&hash).map_or(0, |at| at + 1)
    }

    /// Sum of each head, the mean over the members: above zero is more likely than not.
    pub fn sums(&self, seen: &Seen) -> Vec<f32> {
        let mut sums = vec![0.0f32; self.heads];
        for weights in &self.members {
            add(&mut sums, 1.0 / self.members.len() as f32, &self.judge(weights, seen));
        }
        sums
    }

    fn judge(&self, weights: &[f32], seen: &Seen) -> Vec<f32> {
        let at = &self.layout;
        let edge = SPAN / 2;
        // what stands before the first word and after the last is nothing
        let mut line = vec![0.0f32; (seen.words.len() + 2 * edge) * DIM];
        for (word, x) in seen.words.iter().zip(line[edge * DIM..].chunks_exact_mut(DIM)) {
            add(x, 1.0, &weights[at.rows + self.row(word.word) * DIM..][..DIM]);
            for piece in &word.pieces {
                add(x, 1.0 / word.pieces.len() as f32, &weights[at.pieces + *piece as usize * DIM..][..DIM]);
            }
            for row in word.ideas.iter().map(|idea| self.row(*idea)).filter(|row| *row > 0) {
                add(x, 1.0, &weights[at.rows + row * DIM..][..DIM]);
            }
            if word.denied {
                add(x, 1.0, &weights[at.denied..][..DIM]);
            }
        }
        let mut pooled = [0.0f32; POOLED];
        let mut sums = [0.0f32; FILTERS];
        for nth in 0..seen.words.len() {
            step(&mut sums, &line[(nth + edge) * DIM..][..DIM], &weights[at.single..at.several]);
            pooled.iter_mut().zip(&sums).for_each(|(most, sum)| *most = most.max(*sum));
            step(&mut sums, &line[nth * DIM..][..SPAN * DIM], &weights[at.several..at.hidden]);
            pooled[FILTERS..].iter_mut().zip(&sums).for_each(|(most, sum)| *most = most.max(*sum));
        }
        pooled[2 * FILTERS] = f32::from(u8::from(seen.about));
        pooled[2 * FILTERS + 1] = f32::from(u8::from(seen.asks));
        let mut hidden = [0.0f32; HIDDEN];
        step(&mut hidden, &pooled, &weights[at.hidden..at.out]);
        hidden.iter_mut().for_each(|sum| *sum = sum.max(0.0));
        let mut heads = vec![0.0f32; self.heads];
        step(&mut heads, &hidden, &weights[at.out..at.len]);
        heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_the_file_and_words_never_met_are_alike() {
        let read = words::read("belum mau daftar dulu");
        let seen = see(&read, true);
        let mut known: Vec<u32> = seen.words.iter().flat_map(|word| word.ideas.iter().copied().chain([word.word])).collect();
        known.sort_unstable();
        known.dedup();
        let layout = Layout::new(known.len(), 2);
        let mut state = 7u32;
        let mut weights = || {
            (0..layout.len)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / (1 << 24) as f32 - 0.5
                })
                .collect::<Vec<f32>>()
        };
        let network = Network::new(known, 2, vec![weights(), weights()]).unwrap();
        let again = Network::from_packed(&super::super::linear::pack(&network.to_bytes()).unwrap()).unwrap();
        for (one, other) in network.sums(&seen).iter().zip(again.sums(&seen)) {
            assert!((one - other).abs() < 0.05 * one.abs().max(1.0), "{one} {other}");
        }
        assert_ne!(network.sums(&seen), network.sums(&see(&read, false)), "what is known beside the words counts");
        assert_eq!(network.row(1), 0);
        let bytes = network.to_bytes();
        assert!(
            Network::from_bytes(&bytes[..bytes.len() - 1]).is_none() && Network::from_bytes(b"KAFC\x02\x01\xff\xff\xff\xff").is_none() && Network::from_bytes(b"KAFN").is_none()
        );
        assert_eq!(network.sums(&see(&words::read(""), false)).len(), 2, "nothing said is judged too");
    }
}
