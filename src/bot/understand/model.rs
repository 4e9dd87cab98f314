//! What a message asks for, with a probability for each head: features of the words, over weights learnt by
//! `examples/learn.rs` from the labelled messages in `tests/messages/`, and beside them what the network makes of the words.

use super::linear::{Feature, Hash, Linear, hash, merge};
use super::network::{self, Network};
use super::words::{self, Read};
use std::sync::LazyLock;

/// What the model tells apart: the published intents, then whether the customer means to pay for themselves.
pub const HEADS: [&str; 23] = [
    "greeting",
    "thanks",
    "campaign_code",
    "ask_packages",
    "ask_price",
    "ask_schedule",
    "ask_hotel",
    "ask_facilities",
    "ask_itinerary",
    "ask_documents",
    "ask_quota",
    "ask_company",
    "ask_payment",
    "register",
    "payment_done",
    "negotiate",
    "ask_human",
    "complaint",
    "cancel_refund",
    "provide_info",
    "opt_out",
    "out_of_scope",
    "payment_intent",
];

/// Buckets a feature can fall into: so many that of some 200,000 features hardly two share one.
pub const BUCKETS: u32 = 1 << 20;

/// The models of what is asked for.
pub struct Model {
    /// Over features.
    pub linear: Linear,
    /// Over the words in their order.
    pub network: Network,
}

static MODEL: LazyLock<Model> = LazyLock::new(|| Model {
    linear: Linear::from_packed(include_bytes!("learnt/intents.model")).expect("the weights in the binary are whole"),
    network: Network::from_packed(include_bytes!("learnt/network.model")).expect("the weights in the binary are whole"),
});

/// The weights in the binary.
pub fn own() -> &'static Model {
    &MODEL
}

/// How much the network's judgement counts beside the linear model's. Source: the best F1 over all intents on files left out of
/// learning (`examples/learn.rs --cross`, one network, one bag): 0.836, without it 0.824.
const NETWORK_SHARE: f32 = 0.3;

/// Words in a window, and how far apart windows begin.
const WINDOW: usize = 10;
const STRIDE: usize = 5;
/// How much a window's judgement counts beside the whole message's: it has seen less. Source: the best of 0, 0.7, 0.85 and 1 on
/// files left out of learning.
const WINDOW_TRUST: f32 = 0.7;
/// Windows looked at; a pasted novel is judged by its beginning and as a whole.
const MOST_WINDOWS: usize = 24;

/// Probability of each head by the linear model. What is asked in half a sentence of a long message drowns in the whole of it, so that windows of
/// it are judged too and the surest wins.
pub fn linear(weights: &Linear, read: &Read, about: bool) -> Vec<f32> {
    let mut scores = weights.score(&features(read, about));
    if read.words.len() > WINDOW + STRIDE {
        for from in (0..read.words.len() - STRIDE).step_by(STRIDE).take(MOST_WINDOWS) {
            let window = weights.score(&features(&read.part(from, WINDOW), about));
            scores.iter_mut().zip(window).for_each(|(score, window)| *score = score.max(window * WINDOW_TRUST));
        }
    }
    scores
}

/// Where the linear model is this sure of every head, the network is not asked: it would change nothing, and plain messages
/// are the most. Source: on messages kept aside the intents' F1 with this and without is the same to three places.
const SURE: std::ops::Range<f32> = 0.08..0.92;

/// Probability of each head, by both models.
pub fn score(model: &Model, read: &Read, about: bool) -> Vec<f32> {
    let mut scores = linear(&model.linear, read, about);
    // whether there is a code the scanner says
    let is_sure = HEADS.iter().zip(&scores).all(|(head, score)| *head == "campaign_code" || !SURE.contains(score));
    if is_sure {
        return scores;
    }
    blend(&mut scores, &model.network.sums(&network::see(read, about)), NETWORK_SHARE);
    scores
}

/// Lets the network's sums have their `share` in the probabilities.
pub fn blend(scores: &mut [f32], sums: &[f32], share: f32) {
    for (score, sum) in scores.iter_mut().zip(sums) {
        let bounded = score.clamp(1e-4, 1.0 - 1e-4);
        let both = (1.0 - share) * (bounded / (1.0 - bounded)).ln() + share * sum;
        *score = 1.0 / (1.0 + (-both).exp());
    }
}

/// Politeness that says nothing about what is asked.
const FILLERS: &[&str] = &[
    "kak", "min", "iya", "dong", "sih", "nih", "deh", "mas", "mbak", "bapak", "bu", "ibu", "gan", "sis", "bro", "kok", "kan", "lah", "ini", "itu", "yang", "si", "teh", "mah",
    "atuh", "ka", "bang", "om", "tante", "gitu", "begitu", "kang",
];

/// Features of a message. `about`: a package is already talked about.
pub fn features(read: &Read, about: bool) -> Vec<Feature> {
    let mut found: Vec<Feature> = Vec::with_capacity(256);
    let plain: Vec<(usize, &str)> = read.words.iter().enumerate().map(|(at, word)| (at, shape(&word.text))).collect();
    for (nth, (at, word)) in plain.iter().enumerate() {
        found.push((hash(BUCKETS, b'w', &[word]), 1.0));
        if read.words[*at].denied {
            found.push((hash(BUCKETS, b'W', &[word]), 0.8));
        }
        if let Some((next_at, next)) = plain.get(nth + 1)
            && read.words[*next_at].clause == read.words[*at].clause
        {
            found.push((hash(BUCKETS, b'2', &[word, next]), 0.8));
            if let Some((_, third)) = plain.get(nth + 2) {
                found.push((hash(BUCKETS, b's', &[word, third]), 0.4));
            }
        }
    }
    if let (Some((_, first)), Some((_, last))) = (plain.first(), plain.last()) {
        found.push((hash(BUCKETS, b'f', &[first]), 0.5));
        found.push((hash(BUCKETS, b'l', &[last]), 0.5));
    }
    ideas(read, &mut found);
    beside_ideas(read, &mut found);
    for word in &read.words {
        letters(shape(&word.text), &mut found);
    }
    let length = match read.words.len() {
        0..=1 => "1",
        2..=3 => "3",
        4..=7 => "7",
        8..=15 => "15",
        _ => "long",
    };
    found.push((hash(BUCKETS, b'#', &[length]), 0.5));
    found.push((hash(BUCKETS, b'?', &[if read.asks { "y" } else { "n" }]), 0.5));
    found.push((hash(BUCKETS, b'@', &[if about { "y" } else { "n" }]), 0.3));
    found.push((hash(BUCKETS, b'0', &[]), 1.0));
    merge(found)
}

/// Numbers are alike but for how long they are.
fn shape(word: &str) -> &str {
    match word.bytes().next() {
        Some(b'0'..=b'9') => match word.len() {
            1 => "1",
            2 => "22",
            3..=4 => "4444",
            5..=8 => "88888",
            _ => "99999999999",
        },
        _ => word,
    }
}

fn ideas(read: &Read, found: &mut Vec<Feature>) {
    for (nth, (at, len, idea)) in read.ideas.iter().enumerate() {
        let name = words::idea_name(*idea);
        let denied = read.words[*at].denied;
        found.push((hash(BUCKETS, if denied { b'N' } else { b'I' }, &[name]), 1.2));
        if *len > 1 {
            found.push((hash(BUCKETS, b'M', &[name]), 0.8));
        }
        if read.asks {
            found.push((hash(BUCKETS, b'Q', &[name]), 0.4));
        }
        for (other_at, _, other) in &read.ideas[nth + 1..] {
            let second = words::idea_name(*other);
            if *other_at != *at {
                found.push((hash(BUCKETS, b'O', &[name, second]), 0.4)); // in this order, however far apart
            }
            if read.words[*other_at].clause != read.words[*at].clause || *other_at == *at {
                continue;
            }
            if *other_at <= at + len + 1 {
                found.push((hash(BUCKETS, b'A', &[name, second, if denied { "n" } else { "" }]), 0.9));
            }
            let (a, b) = if name < second { (name, second) } else { (second, name) };
            found.push((hash(BUCKETS, b'P', &[a, b]), 0.6));
        }
    }
}

/// Neighbours of which one at least is an idea: what stands beside it, whatever word names it.
fn beside_ideas(read: &Read, found: &mut Vec<Feature>) {
    let mut covered: Vec<Option<words::Idea>> = vec![None; read.words.len()];
    for (at, len, idea) in &read.ideas {
        covered[*at..at + len].iter_mut().for_each(|place| *place = place.or(Some(*idea)));
    }
    let mut line: Vec<(bool, &str)> = Vec::with_capacity(read.words.len());
    let mut last = None;
    for (word, idea) in read.words.iter().zip(covered).filter(|(word, _)| !FILLERS.contains(&word.text.as_str())) {
        match idea {
            Some(_) if idea == last => {}
            Some(named) => line.push((true, words::idea_name(named))),
            None => line.push((false, shape(&word.text))),
        }
        last = idea;
    }
    for pair in line.windows(2).filter(|pair| pair[0].0 || pair[1].0) {
        let kinds = match (pair[0].0, pair[1].0) {
            (true, true) => b'm',
            (true, false) => b'n',
            _ => b'o',
        };
        found.push((hash(BUCKETS, kinds, &[pair[0].1, pair[1].1]), 0.6));
    }
}

/// Longest word whose letters are looked at, with its two edges.
const LETTERS: usize = 26;

/// Pieces of three to five letters, edges marked.
fn letters(word: &str, found: &mut Vec<Feature>) {
    let mut starts = [0usize; LETTERS + 1];
    let mut marked = [b'<'; LETTERS * 4];
    let (mut n, mut end) = (1, 1);
    starts[1] = 1;
    for c in word.chars().take(LETTERS - 2).chain(std::iter::once('>')) {
        end += c.encode_utf8(&mut marked[end..]).len();
        n += 1;
        starts[n] = end;
    }
    for from in 0..n {
        let mut hash = Hash::of(b'c');
        for size in 1..=5.min(n - from) {
            hash = hash.with(&marked[starts[from + size - 1]..starts[from + size]]);
            if size >= 3 {
                found.push((hash.part().bucket(BUCKETS), 0.35));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_words_are_hashed_as_their_letters_are() {
        for word in ["p", "ya", "umroh", "رمضان", "assalamualaikumwarahmatullahi", "é🙏x"] {
            let mut found = Vec::new();
            letters(word, &mut found);
            let marked: Vec<char> = std::iter::once('<').chain(word.chars().take(24)).chain(std::iter::once('>')).collect();
            let mut plain: Vec<Feature> = Vec::new();
            for size in 3..=5usize {
                plain.extend(marked.windows(size).map(|window| (hash(BUCKETS, b'c', &[&window.iter().collect::<String>()]), 0.35)));
            }
            let sorted = |mut list: Vec<Feature>| {
                list.sort_by_key(|(bucket, _)| *bucket);
                list
            };
            assert_eq!(sorted(found), sorted(plain), "{word}");
        }
    }
}
