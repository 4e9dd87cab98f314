//! Measures the main job on this machine: webhook in, commit, turn, outbox, send. Starts the real binary on a fresh store
//! between a load generator and a gateway of its own, and prints what a customer and an owner would feel.
//!
//! ```text
//! cargo build --release && cargo run --release --example load -- [--messages 10000] [--connections 32] [--binary target/release/kafilah]
//! ```
//! `synchronous=FULL`, quiet time 0, gaps 0..0, typing off; one customer a message. Figures of two machines compare only
//! through something else measured on both.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const KEY: &str = "load";
/// Codes written, and what a right answer to each holds.
const CAMPAIGNS: [(&str, &str); 3] = [("UMR_APR_2030_HEMAT", "Rp27.000.000"), ("UMR_JUN_2030_VIP", "Rp45.000.000"), ("UMR_SEP_2030_PLUS", "Rp39.500.000")];
/// No reply for this long ends the wait.
const SETTLE: Duration = Duration::from_secs(10);

fn main() {
    let option = |name: &str, default: &str| std::env::args().skip_while(|arg| arg != name).nth(1).unwrap_or_else(|| default.to_owned());
    let messages: usize = option("--messages", "10000").parse().expect("--messages is a number");
    let connections: usize = option("--connections", "32").parse().expect("--connections is a number");
    let binary = PathBuf::from(option("--binary", "target/release/kafilah"));
    assert!(binary.exists(), "{} is not there; run `cargo build --release` first", binary.display());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gateway = Gateway::start();
    let server = Server::start(&binary, folder.path(), &gateway.url);
    let idle_kib = server.pss_kib();

    let before = server.cpu();
    let begun = Instant::now();
    let mut latencies = send(&server.address, messages, connections);
    let acked = begun.elapsed();
    gateway.wait(messages);
    let answered = gateway.last_at().map_or(begun.elapsed(), |at| at - begun);
    let cpu = server.cpu() - before;

    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    let counted = gateway.count();
    println!("acknowledged  {:>9.0} a second   p50 {:.2} ms   p95 {:.2} ms   p99 {:.2} ms", messages as f64 / acked.as_secs_f64(), at(0.5), at(0.95), at(0.99));
    println!("answered      {:>9.0} a second", counted.answered as f64 / answered.as_secs_f64());
    println!("lost {} · twice {} · wrong text {}", messages - counted.answered, counted.twice, counted.wrong);
    println!("CPU           {:>9.3} ms a message", cpu.as_secs_f64() * 1000.0 / messages as f64);
    println!("disk          {:>9.2} KB a message", size(folder.path()) as f64 / 1000.0 / messages as f64);
    println!("memory (PSS)  {:>9.1} MB idle, {:.1} MB after", idle_kib as f64 / 1024.0, server.pss_kib() as f64 / 1024.0);
    if counted.answered < messages || counted.twice + counted.wrong > 0 {
        std::process::exit(1);
    }
}

fn size(path: &Path) -> u64 {
    std::fs::read_dir(path)
        .map_or(0, |entries| entries.flatten().map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().map_or(0, |meta| meta.len()) }).sum())
}

/// Posts one signed delivery per customer over keep-alive connections; how long each acknowledgement took.
fn send(address: &str, messages: usize, connections: usize) -> Vec<Duration> {
    let next = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let (next, address) = (Arc::clone(&next), address.to_owned());
            std::thread::spawn(move || {
                let stream = TcpStream::connect(&address).expect("the server listens");
                stream.set_nodelay(true).expect("a TCP socket");
                let mut reader = BufReader::new(stream.try_clone().expect("a TCP socket"));
                let mut writer = stream;
                let mut took = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed) as usize;
                    if n >= messages {
                        return took;
                    }
                    let body = delivery(n);
                    let signature = kafilah::wire::signature::sign_sha512(KEY, body.as_bytes());
                    let head = format!(
                        "POST /api/whatsapp/webhook HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nX-Webhook-Hmac: {signature}\r\nX-Webhook-Hmac-Algorithm: sha512\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let begun = Instant::now();
                    writer.write_all(head.as_bytes()).expect("the server reads");
                    let (line, _) = message(&mut reader).expect("the server answers");
                    assert!(line.contains(" 200 "), "{line}");
                    took.push(begun.elapsed());
                }
            })
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().expect("a sender ends")).collect()
}

fn delivery(n: usize) -> String {
    let (phone, now_s) = (format!("62811{n:08}"), std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    serde_json::json!({
        "id": format!("evt_load{n}"), "timestamp": now_s * 1000, "event": "message", "session": "default", "engine": "NOWEB",
        "payload": {"id": format!("false_{phone}@c.us_LOAD{n:016X}"), "timestamp": now_s, "from": format!("{phone}@c.us"), "fromMe": false, "source": "app",
                    "body": CAMPAIGNS[n % CAMPAIGNS.len()].0, "hasMedia": false, "media": null, "_data": {"pushName": format!("Customer {n}")}},
    })
    .to_string()
}

/// First line and body of one HTTP message.
fn message(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, body))
}

#[derive(Default)]
struct Seen {
    chats: HashMap<String, usize>,
    wrong: usize,
    last_at: Option<Instant>,
}

struct Count {
    answered: usize,
    twice: usize,
    wrong: usize,
}

/// A gateway that takes every message at once and remembers who got how many.
struct Gateway {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Gateway {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &seen));
            }
        });
        Self { url, seen }
    }

    fn wait(&self, messages: usize) {
        let mut patience = Instant::now();
        let mut known = 0;
        while patience.elapsed() < SETTLE {
            let answered = self.count().answered;
            if answered >= messages {
                std::thread::sleep(Duration::from_millis(300)); // a late second answer would show now
                return;
            }
            if answered > known {
                (known, patience) = (answered, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn last_at(&self) -> Option<Instant> {
        self.seen.lock().expect("no panic holds it").last_at
    }

    fn count(&self) -> Count {
        let seen = self.seen.lock().expect("no panic holds it");
        Count { answered: seen.chats.len(), twice: seen.chats.values().filter(|n| **n > 1).count(), wrong: seen.wrong }
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Seen>) {
    let Ok(clone) = stream.try_clone() else { return };
    let (mut reader, mut writer) = (BufReader::new(clone), stream);
    while let Some((first, body)) = message(&mut reader) {
        let sent: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        if first.contains("/api/sendText") {
            let (chat, text) = (sent["chatId"].as_str().unwrap_or("").to_owned(), sent["text"].as_str().unwrap_or(""));
            let n: usize = chat.get(5..13).and_then(|digits| digits.parse().ok()).unwrap_or(0);
            let mut seen = seen.lock().expect("no panic holds it");
            seen.wrong += usize::from(!text.contains(CAMPAIGNS[n % CAMPAIGNS.len()].1));
            *seen.chats.entry(chat).or_default() += 1;
            seen.last_at = Some(Instant::now());
        }
        let id = sent["id"].as_str().map_or("3EB0LOAD".to_owned(), str::to_owned);
        let answer = serde_json::json!({"id": id, "status": "WORKING", "name": "default", "engine": {"engine": "NOWEB"}}).to_string();
        let head = format!("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        if writer.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

/// The real binary on a fresh store.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(binary: &Path, folder: &Path, gateway: &str) -> Self {
        let catalog = folder.join("catalog.json");
        let packages: Vec<_> = CAMPAIGNS
            .iter()
            .zip([27_000_000, 45_000_000, 39_500_000])
            .map(|((code, _), price)| serde_json::json!({"code": code, "name": format!("Paket {code}"), "price_idr": price, "departs": "2030-12-08", "days": 9}))
            .collect();
        std::fs::write(&catalog, serde_json::json!(packages).to_string()).expect("the folder is writable");
        let store = folder.join("data");
        let run = |args: &[&str], input: &str| {
            let mut child =
                Command::new(binary).arg("--data").arg(&store).args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
            child.stdin.take().expect("piped").write_all(input.as_bytes()).ok(); // a command that reads nothing may be gone
            assert!(child.wait().expect("it ends").success(), "{args:?}");
        };
        let catalog = catalog.to_string_lossy().into_owned();
        run(&["init", "--agency", "Load", "--owner-email", "load@example.com", "--owner-password-stdin", "--catalog", &catalog], "passwordpassword\n");
        for (key, value) in [
            ("whatsapp.provider", "waha"),
            ("waha.url", gateway),
            ("waha.hmac_key", KEY),
            ("bot.quiet_ms", "0"),
            ("queue.reply_gap_ms", "0..0"),
            ("queue.broadcast_gap_ms", "0..0"),
            ("queue.typing", "off"),
        ] {
            run(&["set", key, value], "");
        }
        let mut child = Command::new(binary)
            .arg("--data")
            .arg(&store)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("listening on http://").expect("its one line").to_owned();
        std::thread::sleep(Duration::from_millis(500));
        Self { child, address }
    }

    /// CPU time so far. Source: proc(5), fields 14 and 15 of `stat`, in hundredths of a second on Linux.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = stat.rsplit(") ").next().unwrap_or("");
        let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    fn pss_kib(&self) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap_or_default();
        rollup.lines().find_map(|line| line.strip_prefix("Pss:")).and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // the store is thrown away with it
        let _ = self.child.wait();
    }
}
