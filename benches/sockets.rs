//! Five hundred open pages: how long after its commit a message is on every screen, what the server weighs meanwhile, and
//! whether any line of the live log is lost or comes twice while sockets break and come back.
//! `cargo bench --bench sockets [SOCKETS]`. A delivery's answer comes after its commit, so the time counted here from the
//! answer is short by the way back; it is counted from the moment the delivery was sent, which is longer.

use kafilah::wire::client::{Call, Http};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;

const CHATS: usize = 200;
const ROUNDS: usize = 3;

struct Heard {
    seqs: Vec<i64>,
    seen: Vec<(String, Instant)>,
}

/// Listens until it is over; comes back by its number each time the line breaks (one in ten breaks it on purpose).
fn listen(host: &str, token: &str, breaks: bool, over: &AtomicBool) -> Heard {
    let mut heard = Heard { seqs: Vec::new(), seen: Vec::new() };
    let mut after = 0;
    while !over.load(Ordering::Relaxed) {
        let mut request = format!("ws://{host}/live?after={after}").into_client_request().unwrap();
        request.headers_mut().insert("authorization", token.parse().unwrap());
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let Ok((mut socket, _)) = tungstenite::client(request, stream) else { continue };
        let mut here = 0;
        while !over.load(Ordering::Relaxed) {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    let line: Value = serde_json::from_str(&text).unwrap();
                    after = line["seq"].as_i64().unwrap();
                    heard.seqs.push(after);
                    if line["type"] == "message.created" && line["data"]["direction"] == "in" {
                        heard.seen.push((line["data"]["text"].as_str().unwrap_or("").to_owned(), Instant::now()));
                    }
                    here += 1;
                    if breaks && here % 40 == 0 {
                        break; // no goodbye
                    }
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
    }
    heard
}

fn main() {
    let sockets: usize = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(500);
    let binary = env!("CARGO_BIN_EXE_kafilah");
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let mut init =
        Command::new(binary).args(["--data", data, "init", "--agency", "Ukur", "--owner-email", "a@ukur.example", "--owner-password-stdin"]).stdin(Stdio::piped()).spawn().unwrap();
    writeln!(init.stdin.take().unwrap(), "sandi-untuk-mengukur").unwrap();
    assert!(init.wait().unwrap().success());
    let token = Command::new(binary).args(["--data", data, "token", "create", "--role", "cs", "--name", "ukur"]).output().unwrap();
    let token = format!("Bearer {}", String::from_utf8(token.stdout).unwrap().trim());
    let mut server = Command::new(binary).args(["--data", data, "serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    let host = address.trim_start_matches("http://").to_owned();
    let http = Http::default();
    let over = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..sockets)
        .map(|n| {
            let (host, token, over) = (host.clone(), token.clone(), Arc::clone(&over));
            std::thread::Builder::new().stack_size(256 << 10).spawn(move || listen(&host, &token, n % 10 == 0, &over)).unwrap()
        })
        .collect();
    std::thread::sleep(Duration::from_secs(5)); // all are there
    let sent: Arc<Mutex<Vec<(String, Instant)>>> = Arc::default();
    for round in 0..ROUNDS {
        for chat in 0..CHATS {
            let text = format!("pesan {round} {chat}");
            let body = json!({"event": "message.any", "session": "default", "engine": "GOWS", "payload": {"id": format!("false_62812{chat:07}@c.us_B{round}C{chat}"), "timestamp": 1_790_000_000, "from": format!("62812{chat:07}@c.us"),
                "fromMe": false, "body": text, "hasMedia": false, "_data": {"Info": {"PushName": "Ukur"}}}});
            sent.lock().unwrap().push((text, Instant::now()));
            let bytes = body.to_string();
            let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
            let answer = http.call(&Call::new("POST", &format!("{address}/api/whatsapp/webhook"), &headers, Some(bytes.as_bytes()), Duration::from_secs(10))).unwrap();
            assert_eq!(answer.status, 200);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let weight = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", server.id())).unwrap_or_default();
    let pss_kb: u64 = weight.lines().find_map(|line| line.strip_prefix("Pss:")).and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    std::thread::sleep(Duration::from_secs(3));
    over.store(true, Ordering::Relaxed);
    let heard: Vec<Heard> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    server.kill().unwrap();
    server.wait().unwrap();
    let sent = sent.lock().unwrap();
    let mut delays: Vec<f64> = Vec::new();
    let (mut lost, mut twice, mut out_of_order) = (0, 0, 0);
    for one in &heard {
        for (text, at) in sent.iter() {
            let seen: Vec<&Instant> = one.seen.iter().filter(|(words, _)| words == text).map(|(_, at)| at).collect();
            lost += usize::from(seen.is_empty());
            twice += seen.len().saturating_sub(1);
            delays.extend(seen.first().map(|seen| seen.saturating_duration_since(*at).as_secs_f64() * 1000.0));
        }
        out_of_order += one.seqs.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    }
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    println!("{sockets} sockets, {} messages of {CHATS} chats: p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", sent.len(), at(0.5), at(0.95), at(0.99), at(1.0));
    println!("lost {lost}, twice {twice}, out of order or missing {out_of_order}; memory of the server {:.0} MB (PSS)", pss_kb as f64 / 1024.0);
}
