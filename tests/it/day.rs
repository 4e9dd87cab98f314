//! A scripted day: many chats, six people, labels moved on the phone and in the dashboard, pages that come and go. At the end
//! nothing is missing, nothing is twice, and everybody agrees.

use crate::support::Kafilah;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

const CHATS: u64 = 200;
const LABELS: [&str; 4] = ["Grade A", "Grade B", "Lansia", "Closing"];

/// xorshift64*: the same day for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % n
    }
}

fn phone(n: u64) -> String {
    format!("62812{n:08}")
}

fn open(app: &Kafilah, token: &str, after: i64) -> Option<WebSocket<TcpStream>> {
    let host = app.address.trim_start_matches("http://");
    let mut request = format!("ws://{host}/live?after={after}").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    tungstenite::client(request, stream).ok().map(|(socket, _)| socket)
}

/// Listens until told to stop and everything written is heard; the line breaks now and then. Returns the numbers heard, in order.
fn listen(app: &Kafilah, token: &str, mut dice: Dice, over: &AtomicBool) -> Vec<i64> {
    let mut heard = Vec::new();
    let mut quiet_since = Instant::now();
    loop {
        let Some(mut socket) = open(app, token, heard.last().copied().unwrap_or(0)) else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let until = Instant::now() + Duration::from_millis(400 + dice.below(2_500));
        while Instant::now() < until {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    heard.push(serde_json::from_str::<Value>(&text).unwrap()["seq"].as_i64().unwrap());
                    quiet_since = Instant::now();
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                    if over.load(Ordering::Relaxed) && quiet_since.elapsed() > Duration::from_secs(3) {
                        return heard;
                    }
                }
                Err(_) => break,
            }
        }
        // no goodbye: a phone in a lift
    }
}

#[test]
fn a_day_of_two_hundred_chats_and_six_people_ends_with_everything_in_its_place() {
    let app = Kafilah::start_with(&[("bot.enabled", "off")]);
    let seed = u64::from(std::process::id()) * 7_919 + 17;
    println!("seed {seed}");
    for (at, name) in LABELS.iter().enumerate() {
        app.waha.memory().labels.push(((at + 1).to_string(), (*name).to_owned(), at as i64));
    }
    let tokens: Vec<String> = ["Rina", "Dadan", "Nisa", "Budi", "Sari", "Wahyu"]
        .iter()
        .map(|name| String::from_utf8(app.cli(&["token", "create", "--role", "cs", "--name", name]).stdout).unwrap().trim().to_owned())
        .collect();
    let over = AtomicBool::new(false);
    let call = |token: &str, method: &str, path: &str| {
        let authorization = format!("Bearer {token}");
        let answer = app.call(method, path, &[("authorization", &authorization)], None);
        (answer.status, answer.json())
    };
    for n in 0..CHATS {
        app.customer_writes(&phone(n), &format!("D{n}A"), "halo");
    }
    app.wait("the phone's labels", Duration::from_secs(20), |app| app.api("GET", "/api/labels", None).1["labels"].as_array().is_some_and(|labels| labels.len() == 4));
    let (listened, won) = std::thread::scope(|scope| {
        let ears: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(at, token)| {
                let (app, over) = (&app, &over);
                scope.spawn(move || listen(app, token, Dice(seed + at as u64), over))
            })
            .collect();
        // the phone: clicks, some told twice, some never told
        let on_phone = scope.spawn(|| {
            let mut dice = Dice(seed ^ 0xfeed);
            for _ in 0..150 {
                let (chat, label, added) = (format!("{}@c.us", phone(dice.below(CHATS))), (dice.below(4) + 1).to_string(), dice.below(3) > 0);
                {
                    let mut memory = app.waha.memory();
                    memory.chat_labels.retain(|at| *at != (chat.clone(), label.clone()));
                    if added {
                        memory.chat_labels.push((chat.clone(), label.clone()));
                    }
                }
                let event = if added { "label.chat.added" } else { "label.chat.deleted" };
                for _ in 0..[1, 1, 2, 0][dice.below(4) as usize] {
                    app.webhook(event, json!({"labelId": label, "chatId": chat, "label": null}));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let customers = scope.spawn(|| {
            let mut dice = Dice(seed ^ 0xc0de);
            for n in 0..300 {
                app.customer_writes(&phone(dice.below(CHATS)), &format!("D{n}B"), "apa kabar");
            }
        });
        // six people, all wanting the same chats: who wins has it, the others are told who
        let people: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(at, token)| {
                let call = &call;
                scope.spawn(move || {
                    let mut dice = Dice(seed * 31 + at as u64);
                    let mut mine = BTreeSet::new();
                    for n in 1..=CHATS {
                        let (status, said) = call(token, "POST", &format!("/api/conversations/conv_{n}/claim"));
                        match status {
                            200 => drop(mine.insert(n)),
                            409 => assert!(said["error"]["holder"]["name"].is_string(), "{said}"),
                            other => panic!("{other} {said}"),
                        }
                        if dice.below(4) == 0 {
                            let method = if dice.below(3) == 0 { "DELETE" } else { "POST" };
                            let label = LABELS[dice.below(4) as usize].replace(' ', "%20");
                            let (status, said) = call(token, method, &format!("/api/contacts/{}/labels/{label}", dice.below(CHATS) + 1));
                            assert_eq!(status, 200, "{said}");
                        }
                    }
                    mine
                })
            })
            .collect();
        let won: Vec<BTreeSet<u64>> = people.into_iter().map(|one| one.join().unwrap()).collect();
        on_phone.join().unwrap();
        customers.join().unwrap();
        over.store(true, Ordering::Relaxed);
        (ears.into_iter().map(|ear| ear.join().unwrap()).collect::<Vec<Vec<i64>>>(), won)
    });
    // every chat was won by exactly one
    assert_eq!(won.iter().map(BTreeSet::len).sum::<usize>(), CHATS as usize, "seed {seed}");
    assert_eq!(won.iter().flatten().collect::<BTreeSet<_>>().len(), CHATS as usize, "seed {seed}");
    // everybody heard everything once, in order, whatever the line did
    for heard in &listened {
        assert!(heard.windows(2).all(|pair| pair[1] == pair[0] + 1), "seed {seed}: a gap or a repeat");
    }
    let newest = listened.iter().map(|heard| heard.last().copied().unwrap_or(0)).max();
    assert!(
        listened.iter().all(|heard| heard.last().copied() >= newest.map(|newest| newest - 20)),
        "seed {seed}: {:?}",
        listened.iter().map(|heard| heard.last()).collect::<Vec<_>>()
    );
    // the phone and the dashboard agree in the end, also about what no event told of
    let later = (chrono::Utc::now() + chrono::Duration::minutes(16)).to_rfc3339();
    assert_eq!(app.api("POST", "/api/test/clock", Some(json!({"now": later}))).0, 200);
    let ids: HashMap<&str, String> = LABELS.iter().enumerate().map(|(at, name)| (*name, (at + 1).to_string())).collect();
    let here = |app: &Kafilah| -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for row in app.export("contacts") {
            let chat = format!("{}@c.us", row["phone"].as_str().unwrap().trim_start_matches('+'));
            for label in row["labels"].as_str().unwrap_or("").split("; ").filter(|label| !label.is_empty()) {
                found.insert((chat.clone(), ids[label].clone()));
            }
        }
        found
    };
    let there = |app: &Kafilah| -> BTreeSet<(String, String)> { app.waha.memory().chat_labels.iter().cloned().collect() };
    let until = Instant::now() + Duration::from_secs(60);
    while here(&app) != there(&app) {
        assert!(
            Instant::now() < until,
            "seed {seed}: only here {:?}, only there {:?}",
            here(&app).difference(&there(&app)).collect::<Vec<_>>(),
            there(&app).difference(&here(&app)).collect::<Vec<_>>()
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    let doctor: Value = serde_json::from_slice(&app.cli(&["doctor", "--json"]).stdout).unwrap();
    assert!(doctor["checks"].as_array().unwrap().iter().any(|check| check["name"] == "labels" && check["verdict"] == "ok"), "seed {seed}: {doctor}");
    assert!(doctor["checks"].as_array().unwrap().iter().any(|check| check["name"] == "audit trail" && check["verdict"] == "ok"), "seed {seed}: {doctor}");
    assert_eq!(app.export("messages").len(), 500, "seed {seed}");
}
