//! Learns the weights of `understand::network`: message by message the slope of every weight, then a step of Adam a batch.

use crate::Dice;
use kafilah::bot::understand::network::{DIM, FILTERS, HIDDEN, Layout, Network, PIECES, POOLED, SPAN, Seen, add, step};
use std::collections::BTreeMap;

/// A message and which heads it has.
pub type Lesson = (Seen, Vec<bool>);

/// Messages between two steps.
const BATCH: usize = 64;
/// Words longer messages are learnt from.
const MOST_WORDS: usize = 60;
/// A word or idea is known that stands in so many messages.
const KNOWN_FROM: u32 = 3;
/// Largest step of a weight.
const RATE: f32 = 4e-3;
/// Part of the way on which steps grow to it; then they shrink to nothing.
const WARM_UP: f32 = 0.3;
const DECAY: f32 = 0.02;
/// Chance that a word is read as one never met, that a number of a word, a pattern, a hidden number is left out.
const FORGET_WORD: f32 = 0.1;
const LEAVE_NUMBER: f32 = 0.2;
const LEAVE_PATTERN: f32 = 0.3;
const LEAVE_HIDDEN: f32 = 0.1;
/// Not quite sure of any label: a few are wrong.
const SURE: (f32, f32) = (0.01, 0.99);

/// The words and ideas that stand in enough of `plain`.
fn known(plain: &[Seen]) -> Vec<u32> {
    let mut messages: BTreeMap<u32, u32> = BTreeMap::new();
    for seen in plain {
        let mut hashes: Vec<u32> = seen.words.iter().flat_map(|word| word.ideas.iter().copied().chain([word.word])).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes.into_iter().for_each(|hash| *messages.entry(hash).or_default() += 1);
    }
    messages.into_iter().filter(|(_, count)| *count >= KNOWN_FROM).map(|(hash, _)| hash).collect()
}

/// Learns so many members for so many rounds from what `lessons` gives for each; words are known by `plain`.
pub fn learn(plain: &[Seen], heads: usize, members: u64, rounds: usize, mut lessons: impl FnMut(&mut Dice) -> Vec<Lesson>) -> Network {
    let known = known(plain);
    let members = (0..members).map(|member| one(&known, heads, rounds, &mut lessons, &mut Dice(23 + member * 77))).collect();
    Network::new(known, heads, members).expect("laid out as the network reads it")
}

fn one(known: &[u32], heads: usize, rounds: usize, lessons: &mut impl FnMut(&mut Dice) -> Vec<Lesson>, dice: &mut Dice) -> Vec<f32> {
    let mut pupil = Pupil::new(known.len(), heads, dice);
    let mut nth = 0;
    for round in 0..rounds {
        let mut lessons = lessons(dice);
        for at in (1..lessons.len()).rev() {
            lessons.swap(at, dice.below(at + 1));
        }
        let batches = lessons.len().div_ceil(BATCH);
        let mut loss = 0.0;
        for batch in lessons.chunks(BATCH) {
            for lesson in batch {
                loss += pupil.study(known, lesson, dice);
            }
            nth += 1;
            pupil.improve(nth, rate(nth as f32 / (batches * rounds) as f32));
        }
        println!("round {} of {rounds}: {:.4}", round + 1, loss / (lessons.len() * heads) as f32);
    }
    pupil.weights
}

/// Size of the steps when `part` of the way is gone.
fn rate(part: f32) -> f32 {
    let cosine = |part: f32| (1.0 - (part.min(1.0) * std::f32::consts::PI).cos()) / 2.0;
    if part < WARM_UP { RATE / 25.0 + (RATE - RATE / 25.0) * cosine(part / WARM_UP) } else { RATE * (1.0 - cosine((part - WARM_UP) / (1.0 - WARM_UP))) }
}

struct Pupil {
    at: Layout,
    heads: usize,
    weights: Vec<f32>,
    slopes: Vec<f32>,
    /// Running means of slopes and of their squares.
    means: Vec<f32>,
    squares: Vec<f32>,
    /// Rows of words and pieces met since the last step.
    met: Vec<usize>,
    is_met: Vec<bool>,
}

impl Pupil {
    fn new(known: usize, heads: usize, dice: &mut Dice) -> Self {
        let at = Layout::new(known, heads);
        let mut weights = vec![0.0f32; at.len];
        for weight in &mut weights[..at.single] {
            *weight = (0..4).map(|_| dice.chance() - 0.5).sum::<f32>() * 0.17; // spread of about 0.1
        }
        for (from, inputs, width) in [(at.single, DIM, FILTERS), (at.several, SPAN * DIM, FILTERS), (at.hidden, POOLED, HIDDEN), (at.out, HIDDEN, heads)] {
            let most = 1.0 / (inputs as f32).sqrt();
            weights[from..from + (inputs + 1) * width].iter_mut().for_each(|weight| *weight = (dice.chance() * 2.0 - 1.0) * most);
        }
        Self { at, heads, slopes: vec![0.0; at.len], means: vec![0.0; at.len], squares: vec![0.0; at.len], met: Vec::new(), is_met: vec![false; at.denied / DIM], weights }
    }

    /// Adds a message's slopes; tells its loss.
    fn study(&mut self, known: &[u32], (seen, wanted): &Lesson, dice: &mut Dice) -> f32 {
        let at = self.at;
        let words = &seen.words[..seen.words.len().min(MOST_WORDS)];
        let edge = SPAN / 2;
        let row = |hash: u32| known.binary_search(&hash).map_or(0, |nth| nth + 1);
        // rows each word is made of, with their share
        let made_of: Vec<Vec<(usize, f32)>> = words
            .iter()
            .map(|word| {
                let itself = if dice.chance() < FORGET_WORD { 0 } else { row(word.word) };
                let ideas = word.ideas.iter().map(|idea| row(*idea)).filter(|row| *row > 0).map(|row| (row, 1.0));
                let pieces = word.pieces.iter().map(|piece| (at.pieces / DIM + *piece as usize, 1.0 / word.pieces.len() as f32));
                std::iter::once((itself, 1.0)).chain(ideas).chain(pieces).collect()
            })
            .collect();
        let mut line = vec![0.0f32; (words.len() + 2 * edge) * DIM];
        let kept: Vec<f32> = (0..words.len() * DIM).map(|_| leave(LEAVE_NUMBER, dice)).collect();
        for (nth, x) in line[edge * DIM..].chunks_exact_mut(DIM).take(words.len()).enumerate() {
            made_of[nth].iter().for_each(|(row, share)| add(x, *share, &self.weights[row * DIM..][..DIM]));
            x.iter_mut().zip(&kept[nth * DIM..]).for_each(|(x, kept)| *x *= kept);
            if words[nth].denied {
                add(x, 1.0, &self.weights[at.denied..][..DIM]);
            }
        }
        // the strongest of each pattern, and where
        let mut pooled = [0.0f32; POOLED];
        let mut places = [0usize; 2 * FILTERS];
        let mut sums = [0.0f32; FILTERS];
        for nth in 0..words.len() {
            for (from, inputs, weights) in [(0, &line[(nth + edge) * DIM..][..DIM], at.single..at.several), (FILTERS, &line[nth * DIM..][..SPAN * DIM], at.several..at.hidden)] {
                step(&mut sums, inputs, &self.weights[weights]);
                for (filter, sum) in sums.iter().enumerate() {
                    if *sum > pooled[from + filter] {
                        (pooled[from + filter], places[from + filter]) = (*sum, nth);
                    }
                }
            }
        }
        let strongest = pooled;
        let kept_patterns: Vec<f32> = (0..2 * FILTERS).map(|_| leave(LEAVE_PATTERN, dice)).collect();
        pooled.iter_mut().zip(&kept_patterns).for_each(|(sum, kept)| *sum *= kept);
        pooled[2 * FILTERS] = f32::from(u8::from(seen.about));
        pooled[2 * FILTERS + 1] = f32::from(u8::from(seen.asks));
        let mut hidden = [0.0f32; HIDDEN];
        step(&mut hidden, &pooled, &self.weights[at.hidden..at.out]);
        let kept_hidden: Vec<f32> = hidden.iter().map(|sum| if *sum > 0.0 { leave(LEAVE_HIDDEN, dice) } else { 0.0 }).collect();
        hidden.iter_mut().zip(&kept_hidden).for_each(|(sum, kept)| *sum *= kept);
        let mut out = vec![0.0f32; self.heads];
        step(&mut out, &hidden, &self.weights[at.out..at.len]);

        // and back: how the loss changes with each of them
        let mut loss = 0.0;
        for (sum, wanted) in out.iter_mut().zip(wanted) {
            let target = if *wanted { SURE.1 } else { SURE.0 };
            let said = 1.0 / (1.0 + (-*sum).exp());
            loss -= target * said.max(1e-7).ln() + (1.0 - target) * (1.0 - said).max(1e-7).ln();
            *sum = said - target;
        }
        let mut of_hidden = self.back(at.out, &hidden, &out);
        of_hidden.iter_mut().zip(&kept_hidden).for_each(|(slope, kept)| *slope *= kept);
        let of_pooled = self.back(at.hidden, &pooled, &of_hidden);
        let mut of_line = vec![0.0f32; line.len()];
        for filter in 0..2 * FILTERS {
            let slope = of_pooled[filter] * kept_patterns[filter];
            if strongest[filter] <= 0.0 || slope == 0.0 {
                continue;
            }
            let (weights, inputs, from) =
                if filter < FILTERS { (at.single + filter, DIM, places[filter] + edge) } else { (at.several + filter - FILTERS, SPAN * DIM, places[filter]) };
            for nth in 0..inputs {
                self.slopes[weights + nth * FILTERS] += slope * line[from * DIM + nth];
                of_line[from * DIM + nth] += slope * self.weights[weights + nth * FILTERS];
            }
            self.slopes[weights + inputs * FILTERS] += slope;
        }
        for (nth, slopes) in of_line[edge * DIM..].chunks_exact_mut(DIM).take(words.len()).enumerate() {
            if words[nth].denied {
                add(&mut self.slopes[at.denied..][..DIM], 1.0, slopes);
            }
            slopes.iter_mut().zip(&kept[nth * DIM..]).for_each(|(slope, kept)| *slope *= kept);
            for (row, share) in &made_of[nth] {
                add(&mut self.slopes[row * DIM..][..DIM], *share, slopes);
                if !std::mem::replace(&mut self.is_met[*row], true) {
                    self.met.push(*row);
                }
            }
        }
        loss
    }

    /// Adds the slopes of a step's weights; tells those of its inputs.
    fn back(&mut self, from: usize, inputs: &[f32], slopes: &[f32]) -> Vec<f32> {
        let width = slopes.len();
        add(&mut self.slopes[from + inputs.len() * width..][..width], 1.0, slopes);
        inputs
            .iter()
            .enumerate()
            .map(|(nth, input)| {
                let row = from + nth * width..from + (nth + 1) * width;
                add(&mut self.slopes[row.clone()], *input, slopes);
                self.weights[row].iter().zip(slopes).map(|(weight, slope)| weight * slope).sum()
            })
            .collect()
    }

    /// One step of all weights whose slopes were added up.
    fn improve(&mut self, nth: i32, rate: f32) {
        let met = std::mem::take(&mut self.met);
        for row in met {
            self.is_met[row] = false;
            self.adam(row * DIM..(row + 1) * DIM, nth, rate);
        }
        self.adam(self.at.denied..self.at.len, nth, rate);
    }

    fn adam(&mut self, range: std::ops::Range<usize>, nth: i32, rate: f32) {
        const MEAN: f32 = 0.9;
        const SQUARE: f32 = 0.999;
        let (young_mean, young_square) = (1.0 - MEAN.powi(nth), 1.0 - SQUARE.powi(nth));
        for at in range {
            let slope = std::mem::take(&mut self.slopes[at]) / BATCH as f32;
            self.means[at] = MEAN * self.means[at] + (1.0 - MEAN) * slope;
            self.squares[at] = SQUARE * self.squares[at] + (1.0 - SQUARE) * slope * slope;
            let step = self.means[at] / young_mean / ((self.squares[at] / young_square).sqrt() + 1e-8);
            self.weights[at] -= rate * (step + DECAY * self.weights[at]);
        }
    }
}

/// 0, or what keeps the sum as it was when others are left out.
fn leave(chance: f32, dice: &mut Dice) -> f32 {
    if dice.chance() < chance { 0.0 } else { 1.0 / (1.0 - chance) }
}

const _: () = assert!(PIECES > 0 && SPAN % 2 == 1, "a pattern has a middle");
