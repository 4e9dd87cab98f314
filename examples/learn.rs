//! Learns the weights of `src/bot/understand` from the labelled messages and writes them beside the code.
//!
//! ```text
//! cargo run --release --example learn                       network, intents, and languages from our own messages alone
//! cargo run --release --example learn -- --languages FILE…  also sentences: {"text", "lang"} a line
//! cargo run --release --example learn -- --network          the network that reads words in their order, and nothing else
//! cargo run --release --example learn -- --faq              writes nothing: how well questions are found, by threshold
//! cargo run --release --example learn -- --cross            writes nothing: leaves a sixth of the files out at a time and prints F1 by threshold
//! ```
//! The same messages give the same weights, byte for byte. `cargo test` then says how good they are on messages kept aside.

use kafilah::bot::understand::linear::{Feature, Linear, level, pack, to_bytes};
use kafilah::bot::understand::network::{Network, Seen};
use kafilah::bot::understand::{self, model, tongue, words};
use kafilah::chat::faq;
use kafilah::db::setting::SecretKey;
use kafilah::db::writer;
use kafilah::kernel::clock::Clock;
use serde_json::Value;
use std::path::Path;

#[path = "learn/network.rs"]
mod network;

const ROUNDS: usize = 8;
const BAGS: u64 = 6;
const NOISY_COPIES: usize = 2;
/// Pairs of short messages written one after the other, tried a bag.
const JOINS: usize = 8_000;
/// Longest message that is joined, bytes.
const SHORT: usize = 60;
/// Rows kept of each model: those that matter most on the messages learnt from.
const INTENT_ROWS: usize = 80_000;
const TONGUE_ROWS: usize = 40_000;

struct Message {
    file: usize,
    text: String,
    language: usize,
    about: bool,
    heads: Vec<bool>,
}

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let learnt = root.join("src/bot/understand/learnt");
    let messages = messages(&root.join("tests/messages"))?;
    println!("{} messages", messages.len());
    if std::env::args().any(|arg| arg == "--faq") {
        return questions(&messages);
    }
    if std::env::args().any(|arg| arg == "--cross") {
        cross(&messages);
        return Ok(());
    }
    let network = sequence(&messages.iter().collect::<Vec<_>>(), NETWORKS, NETWORK_ROUNDS);
    std::fs::write(learnt.join("network.model"), pack(&network.to_bytes())?)?;
    println!("network.model written");
    if std::env::args().any(|arg| arg == "--network") {
        return Ok(());
    }
    let intents = intents(&messages.iter().collect::<Vec<_>>(), BAGS);
    std::fs::write(learnt.join("intents.model"), pack(&intents)?)?;
    println!("intents.model written");
    let mut sentences: Vec<(String, usize)> = Vec::new();
    for file in std::env::args().skip_while(|arg| arg != "--languages").skip(1) {
        sentences.extend(sentences_of(Path::new(&file))?);
    }
    println!("{} sentences besides", sentences.len());
    std::fs::write(learnt.join("tongues.model"), pack(&tongues(&messages, &sentences))?)?;
    println!("tongues.model written");
    Ok(())
}

/// Every labelled message but those kept aside, in the files' order.
fn messages(folder: &Path) -> anyhow::Result<Vec<Message>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.extension().is_some_and(|e| e == "jsonl")).collect();
    files.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with("aside")));
    files.sort();
    let mut messages = Vec::new();
    for (nth, file) in files.into_iter().enumerate() {
        for line in std::fs::read_to_string(file)?.lines() {
            let label: Value = serde_json::from_str(line)?;
            let intents: Vec<&str> = label["i"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            messages.push(Message {
                file: nth,
                text: label["t"].as_str().unwrap_or("").to_owned(),
                language: tongue::TONGUES.iter().position(|name| *name == label["l"].as_str().unwrap_or("id")).unwrap_or(0),
                about: label["x"].is_string(),
                heads: model::HEADS.iter().map(|head| if *head == "payment_intent" { label["pay"] == 1 } else { intents.contains(head) }).collect(),
            });
        }
    }
    Ok(messages)
}

fn sentences_of(file: &Path) -> anyhow::Result<Vec<(String, usize)>> {
    let mut sentences = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let sentence: Value = serde_json::from_str(line)?;
        // tweets whose licence lets them be measured on only
        if sentence["src"] == "ijelid" {
            continue;
        }
        let language = tongue::TONGUES.iter().position(|name| Some(*name) == sentence["lang"].as_str());
        sentences.extend(language.zip(sentence["text"].as_str()).map(|(language, text)| (text.to_owned(), language)));
    }
    Ok(sentences)
}

/// How often a built-in question is found by a wording left out of the search, and how often a message is taken for one.
fn questions(messages: &[Message]) -> anyhow::Result<()> {
    let mut connection = rusqlite::Connection::open_in_memory()?;
    kafilah::db::migrations::bring_up_to_date(&mut connection)?;
    let key = SecretKey::from_text(&"00".repeat(32))?;
    writer::once(&mut connection, &Clock::default(), &key, faq::seed)?;
    let limits: Vec<f64> = (8..=17).map(|nth| f64::from(nth) * 0.05).collect();
    let mut tally = vec![[0u32; 3]; limits.len()];
    for faq in faq::built_in() {
        for wording in &faq.variants {
            connection.execute_batch("SAVEPOINT one")?;
            faq::forget_wording(&connection, wording)?;
            let hits = faq::search(&connection, wording, 3)?;
            connection.execute_batch("ROLLBACK TO one; RELEASE one")?;
            let lead = hits.first().map_or(0.0, |hit| hit.score) - hits.get(1).map_or(0.0, |hit| hit.score);
            for (limit, tally) in limits.iter().zip(&mut tally) {
                match hits.first().filter(|hit| hit.score >= *limit && lead >= 0.04) {
                    Some(hit) if hit.faq.key == faq.key => tally[0] += 1,
                    Some(_) => tally[1] += 1,
                    None => tally[2] += 1,
                }
            }
        }
    }
    let mut taken = vec![0; limits.len()];
    for message in messages {
        let hits = faq::search(&connection, &message.text, 2)?;
        let lead = hits.first().map_or(0.0, |hit| hit.score) - hits.get(1).map_or(0.0, |hit| hit.score);
        for (limit, taken) in limits.iter().zip(&mut taken) {
            *taken += usize::from(hits.first().is_some_and(|hit| hit.score >= *limit && lead >= 0.04));
        }
        if let Some(hit) = hits.first().filter(|hit| hit.score >= 0.45 && lead >= 0.04) {
            println!("{:.2} {:<22} {}", hit.score, hit.faq.key, message.text.replace('\n', " / "));
        }
    }
    println!("{:>6} {:>7} {:>7} {:>7} {:>10}", "limit", "right", "wrong", "none", "messages");
    for ((limit, tally), taken) in limits.iter().zip(&tally).zip(&taken) {
        println!("{limit:>6.2} {:>7} {:>7} {:>7} {taken:>10}", tally[0], tally[1], tally[2]);
    }
    Ok(())
}

/// F1 of every head on files it has not seen (a sixth of them at a time), at thresholds from 0.2 to 0.6: what the limits in `understand` are set by.
fn cross(messages: &[Message]) {
    const LIMITS: [f32; 9] = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6];
    let heads = model::HEADS.len();
    let mut tallies = vec![[[0u32; 3]; LIMITS.len()]; heads];
    // payment where paying was said too, by the limit that counts then
    const AS_SAID: [f32; 6] = [0.1, 0.15, 0.2, 0.25, 0.3, 0.35];
    const MEANT: f32 = 0.34;
    let said_by: Vec<usize> = ["register", "ask_payment", "payment_done"].iter().filter_map(|name| model::HEADS.iter().position(|head| head == name)).collect();
    let mut as_said = [[[0u32; 3]; LIMITS.len()]; AS_SAID.len()];
    const PARTS: usize = 6;
    const SHARES: [f32; 7] = [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0];
    let mut by_share = [[0u32; 3]; SHARES.len()];
    for part in 0..PARTS {
        let (unseen, seen): (Vec<&Message>, Vec<&Message>) = messages.iter().partition(|message| message.file % PARTS == part);
        let linear = Linear::from_bytes(intents(&seen, 1).leak()).expect("just written");
        let learnt = model::Model { linear, network: sequence(&seen, 1, NETWORK_ROUNDS) };
        for message in unseen {
            let read = words::read(&message.text);
            let sums = learnt.network.sums(&understand::network::see(&read, message.about));
            let linear = model::linear(&learnt.linear, &read, message.about);
            for (share, tally) in SHARES.iter().zip(&mut by_share) {
                let mut scores = linear.clone();
                model::blend(&mut scores, &sums, *share);
                for (score, meant) in scores.iter().zip(&message.heads).take(heads - 1) {
                    count(tally, *score >= MEANT, *meant);
                }
            }
            let scores = model::score(&learnt, &read, message.about);
            let said = said_by.iter().any(|head| scores[*head] >= MEANT);
            let (pays, meant) = (scores[heads - 1], message.heads[heads - 1]);
            for (lower, row) in AS_SAID.iter().zip(&mut as_said) {
                for (limit, tally) in LIMITS.iter().zip(row) {
                    count(tally, pays >= *limit || (said && pays >= *lower), meant);
                }
            }
            for (head, tally) in tallies.iter_mut().enumerate() {
                for (limit, tally) in LIMITS.iter().zip(tally) {
                    count(tally, scores[head] >= *limit, message.heads[head]);
                }
            }
        }
    }
    let all = tallies[..heads - 1].iter().fold([[0u32; 3]; LIMITS.len()], |mut sum, tally| {
        sum.iter_mut().zip(tally).for_each(|(sum, tally)| sum.iter_mut().zip(tally).for_each(|(sum, n)| *sum += n));
        sum
    });
    tallies.push(all);
    println!("{:<16} {}", "", LIMITS.map(|limit| format!("{limit:>7}")).concat());
    for (name, tally) in model::HEADS.iter().chain(&["all intents"]).zip(&tallies) {
        let f1 = tally.map(f1_of);
        println!("{name:<16} {}", f1.map(|f1| format!("{f1:>7.3}")).concat());
    }
    for (share, tally) in SHARES.iter().zip(by_share) {
        println!("network's share {share:<4} {:>7.4}", f1_of(tally));
    }
    for (lower, row) in AS_SAID.iter().zip(&as_said) {
        let f1 = row.map(f1_of);
        println!("said, {lower:<10} {}", f1.map(|f1| format!("{f1:>7.3}")).concat());
    }
}

/// Adds a judgement to right ones, false alarms and misses.
fn count(tally: &mut [u32; 3], said: bool, meant: bool) {
    match (said, meant) {
        (true, true) => tally[0] += 1,
        (true, false) => tally[1] += 1,
        (false, true) => tally[2] += 1,
        (false, false) => {}
    }
}

fn f1_of([hits, alarms, misses]: [u32; 3]) -> f64 {
    2.0 * f64::from(hits) / f64::from((2 * hits + alarms + misses).max(1))
}

type Example = (Vec<Feature>, Vec<bool>);

/// Learns from several bags of examples and keeps the rows that matter. A feature counts that stands in two of `plain`.
fn learn(plain: &[Vec<Feature>], bags: Vec<(Vec<Example>, Dice)>, heads: usize, buckets: u32, most_rows: usize) -> Vec<u8> {
    let mut seen = vec![0u8; buckets as usize];
    for features in plain {
        features.iter().for_each(|(bucket, _)| seen[*bucket as usize] = seen[*bucket as usize].saturating_add(1));
    }
    let common: Vec<u32> = (0..buckets).filter(|bucket| seen[*bucket as usize] >= 2).collect();
    let mut place = vec![u32::MAX; buckets as usize];
    common.iter().enumerate().for_each(|(at, bucket)| place[*bucket as usize] = at as u32);
    let mut weights = vec![0.0f32; common.len() * heads];
    let mut used = vec![0.0f32; common.len()];
    let n = bags.len() as f32;
    for (mut examples, mut dice) in bags {
        for (features, _) in &mut examples {
            features.retain_mut(|(bucket, _)| {
                *bucket = place[*bucket as usize];
                *bucket != u32::MAX
            });
            level(features);
            features.iter().for_each(|(at, strength)| used[*at as usize] += strength * strength);
        }
        let bag = descend(&examples, heads, common.len(), &mut dice);
        weights.iter_mut().zip(bag).for_each(|(sum, weight)| *sum += weight / n);
    }
    let mut rows: Vec<(u32, &[f32])> = common.iter().copied().zip(weights.chunks_exact(heads)).collect();
    let matters = |row: &[f32], bucket: u32| row.iter().map(|weight| weight * weight).sum::<f32>() * used[place[bucket as usize] as usize];
    rows.retain(|(_, row)| row.iter().any(|weight| *weight != 0.0));
    rows.sort_by(|a, b| matters(b.1, b.0).total_cmp(&matters(a.1, a.0)).then(a.0.cmp(&b.0)));
    println!("{} rows of {} features", rows.len().min(most_rows), common.len());
    rows.truncate(most_rows);
    rows.sort_by_key(|(bucket, _)| *bucket);
    to_bytes(&rows, buckets, heads)
}

fn intents(messages: &[&Message], bags: u64) -> Vec<u8> {
    let features = |text: &str, about: bool| model::features(&words::read(text), about);
    let plain: Vec<Vec<Feature>> = messages.iter().map(|message| features(&message.text, message.about)).collect();
    let bags = (0..bags).map(|bag| {
        let mut dice = Dice(7 + bag * 77);
        let mut examples: Vec<Example> = Vec::new();
        for (message, plain) in messages.iter().zip(&plain) {
            examples.push((plain.clone(), message.heads.clone()));
            for _ in 0..NOISY_COPIES {
                examples.push((features(&mistyped(&message.text, 1.0, &mut dice), message.about), message.heads.clone()));
            }
        }
        for _ in 0..JOINS {
            examples.extend(joined(messages, &mut dice).map(|(text, about, heads)| (features(&text, about), heads)));
        }
        (examples, dice)
    });
    learn(&plain, bags.collect(), model::HEADS.len(), model::BUCKETS, INTENT_ROWS)
}

/// Networks asked together, and rounds each learns.
const NETWORKS: u64 = 2;
const NETWORK_ROUNDS: usize = 10;
/// Chance that it sees a message mistyped, and how many in a round are two written one after the other.
const MISTYPED: f32 = 0.3;
const NETWORK_JOINS: usize = 1_500;

fn sequence(messages: &[&Message], members: u64, rounds: usize) -> Network {
    let see = |text: &str, about: bool| understand::network::see(&words::read(text), about);
    let plain: Vec<Seen> = messages.iter().map(|message| see(&message.text, message.about)).collect();
    let lessons = |dice: &mut Dice| {
        let mut lessons: Vec<network::Lesson> = Vec::with_capacity(messages.len() + NETWORK_JOINS);
        for (message, plain) in messages.iter().zip(&plain) {
            let seen = if dice.chance() < MISTYPED { see(&mistyped(&message.text, 1.0, dice), message.about) } else { plain.clone() };
            lessons.push((seen, message.heads.clone()));
        }
        lessons.extend((0..NETWORK_JOINS).filter_map(|_| joined(messages, dice)).map(|(text, about, heads)| (see(&text, about), heads)));
        lessons
    };
    network::learn(&plain, model::HEADS.len(), members, rounds, lessons)
}

/// Two short messages written one after the other.
fn joined(messages: &[&Message], dice: &mut Dice) -> Option<(String, bool, Vec<bool>)> {
    let (one, other) = (messages[dice.below(messages.len())], messages[dice.below(messages.len())]);
    if one.about != other.about || one.text.len() >= SHORT || other.text.len() >= SHORT {
        return None;
    }
    let between = [" ", ", ", ". ", "\n"][dice.below(4)];
    let text = mistyped(&format!("{}{between}{}", one.text, other.text), 0.3, dice);
    Some((text, one.about, one.heads.iter().zip(&other.heads).map(|(a, b)| *a || *b).collect()))
}

/// Copies of our own messages beside the sentences: chat is what sentences lack.
const OWN_COPIES: usize = 3;
const JOINED: usize = 2_000;

fn tongues(messages: &[Message], sentences: &[(String, usize)]) -> Vec<u8> {
    let mut dice = Dice(11);
    let own: Vec<(String, usize)> = messages.iter().map(|message| (message.text.clone(), message.language)).collect();
    let example = |text: &str, language: usize| (tongue::features(text), (0..tongue::TONGUES.len()).map(|at| at == language).collect::<Vec<_>>());
    let plain: Vec<Vec<Feature>> = sentences.iter().chain(&own).map(|(text, _)| tongue::features(text)).collect();
    let mut examples: Vec<Example> = sentences.iter().map(|(text, language)| example(text, *language)).collect();
    for _ in 0..OWN_COPIES {
        examples.extend(own.iter().map(|(text, language)| example(text, *language)));
    }
    // mixed: a piece in Indonesian or English, then one in another language
    let (id, en, ms, ar, mixed) = (0, 1, 2, 5, 6);
    for nth in 0..JOINED {
        let pool = if nth % 2 == 0 && !sentences.is_empty() { sentences } else { &own };
        let (first, a) = &pool[dice.below(pool.len())];
        let (second, b) = &pool[dice.below(pool.len())];
        let plain = a == b || [*a, *b].iter().any(|language| [ar, mixed].contains(language)) || [(id, ms), (ms, id)].contains(&(*a, *b));
        if plain || ![*a, *b].iter().any(|language| [id, en].contains(language)) {
            continue;
        }
        let joined = format!("{} {}", piece(first, &mut dice), piece(second, &mut dice));
        examples.push(example(&joined, mixed));
    }
    learn(&plain, vec![(examples, dice)], tongue::TONGUES.len(), tongue::BUCKETS, TONGUE_ROWS)
}

fn piece(text: &str, dice: &mut Dice) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    if words.len() < 4 { text.to_owned() } else { words[..(3 + dice.below(6.min(words.len() - 3))).min(words.len())].join(" ") }
}

/// Logistic regression, one head beside the other, by stochastic descent with a step of its own for every weight (AdaGrad).
fn descend(examples: &[Example], heads: usize, buckets: usize, dice: &mut Dice) -> Vec<f32> {
    let mut weights = vec![0.0f32; buckets * heads];
    let mut steps = vec![1e-6f32; buckets * heads];
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let mut slopes = vec![0.0f32; heads];
    for round in 0..ROUNDS {
        for at in (1..order.len()).rev() {
            order.swap(at, dice.below(at + 1));
        }
        let rate = 0.25 * (1.0 - 0.9 * round as f32 / ROUNDS as f32);
        for &at in &order {
            let (features, wanted) = &examples[at];
            slopes.fill(0.0);
            for (bucket, strength) in features {
                let row = &weights[*bucket as usize * heads..][..heads];
                slopes.iter_mut().zip(row).for_each(|(slope, weight)| *slope += weight * strength);
            }
            for (slope, wanted) in slopes.iter_mut().zip(wanted) {
                // not quite sure of any label: a few are wrong
                *slope = 1.0 / (1.0 + (-*slope).exp()) - if *wanted { 0.98 } else { 0.005 };
            }
            for (bucket, strength) in features {
                let from = *bucket as usize * heads;
                for (head, slope) in slopes.iter().enumerate().filter(|(_, slope)| slope.abs() >= 0.002) {
                    let gradient = slope * strength + 1e-6 * weights[from + head];
                    steps[from + head] += gradient * gradient;
                    weights[from + head] -= rate * gradient / steps[from + head].sqrt();
                }
            }
        }
    }
    weights
}

/// The text as hurried thumbs would type it: vowels dropped, letters swapped, doubled or lost, blanks forgotten. `rate`: how
/// hurried, 1 as usual.
fn mistyped(text: &str, rate: f32, dice: &mut Dice) -> String {
    let mut out = String::new();
    for word in text.split(' ') {
        if !out.is_empty() && (word.len() < 3 || dice.chance() < 1.0 - 0.03 * rate) {
            out.push(' ');
        }
        let mut letters: Vec<char> = word.chars().collect();
        if letters.len() > 3 && letters.iter().all(|c| c.is_alphabetic()) {
            let slip = dice.chance() / rate;
            if slip < 0.03 {
                let mut nth = 0;
                letters.retain(|c| {
                    nth += 1;
                    nth == 1 || !"aeiou".contains(*c)
                });
            } else if slip < 0.06 {
                let vowels: Vec<usize> = (1..letters.len()).filter(|at| "aeiou".contains(letters[*at])).collect();
                if !vowels.is_empty() {
                    letters.remove(vowels[dice.below(vowels.len())]);
                }
            } else if slip < 0.09 {
                let at = 1 + dice.below(letters.len() - 2);
                letters.swap(at, at + 1);
            } else if slip < 0.11 {
                let at = dice.below(letters.len());
                letters.insert(at, letters[at]);
            } else if slip < 0.13 {
                let at = 1 + dice.below(letters.len() - 1);
                letters.remove(at);
            }
        }
        out.extend(letters);
    }
    out
}

/// xorshift64*: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn chance(&mut self) -> f32 {
        (self.roll() >> 40) as f32 / (1u64 << 24) as f32
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() >> 11) as usize % n
    }
}
