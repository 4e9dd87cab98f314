//! What a page of the inbox and of a thread cost on a small store and on one with a million messages, through the real binary:
//! median server time of 50 requests each, and their ratio. `cargo bench --bench inbox [MESSAGES]`.

use kafilah::wire::client::{Call, Http};
use rusqlite::Connection;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PASSWORD: &str = "sandi-untuk-mengukur";
const ROUNDS: usize = 50;
const MESSAGES_EACH: i64 = 10;

/// Fills a store: ten messages a conversation, every twentieth chat with people, every tenth contact labelled.
fn fill(dir: &Path, conversations: i64) {
    let connection = Connection::open(dir.join("kafilah.db")).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = OFF; BEGIN;
             INSERT INTO channel (kind, session, status) VALUES ('waha', 'default', 'WORKING');
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {conversations})
             INSERT INTO contact (id, name, name_source, created_at) SELECT i, 'Ibu Siti Rahmawati ' || i, 'push', 1760000000000 FROM n;
             INSERT INTO identity (kind, channel_id, value, contact_id, added_at) SELECT 'phone', 0, CAST(6280000000000 + id AS TEXT), id, 1760000000000 FROM contact;
             INSERT INTO conversation (id, contact_id, channel_id, chat_id, phase_at, last_at, created_at, handler, waiting_since_at, unread_count, last_in_id, last_in_at)
               SELECT id, id, 1, CAST(6280000000000 + id AS TEXT) || '@c.us', 1760000000000, 1760000000000 + id * 1000 + {MESSAGES_EACH}, 1760000000000,
                      CASE WHEN id % 20 = 0 AND id > {conversations} - 1000 THEN 'user' ELSE 'bot' END, CASE WHEN id % 40 = 0 AND id > {conversations} - 1000 THEN 1760000000000 + id * 1000 END, id % 3, id, 1760000000000 + id * 1000
               FROM contact;
             WITH RECURSIVE k(j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM k WHERE j < {MESSAGES_EACH})
             INSERT INTO message (conversation_id, channel_id, direction, wa_id, author, kind, text, status, at, received_at)
               SELECT v.id, 1, CASE WHEN j % 2 THEN 'in' ELSE 'out' END, printf('3EB0%018X', v.id * 100 + j), CASE WHEN j % 2 THEN 'customer' ELSE 'bot' END, 'text',
                      'Assalamualaikum kak, mau tanya paket umroh bulan ' || j || ' untuk keluarga kami ' || v.id, CASE WHEN j % 2 THEN 'received' ELSE 'read' END,
                      1760000000000 + v.id * 1000 + j, 1760000000000 + v.id * 1000 + j FROM conversation v CROSS JOIN k;
             UPDATE conversation SET last_message_id = id * {MESSAGES_EACH};
             INSERT INTO label (name, created_at, created_by) VALUES ('Grade A', 1760000000000, 'bench'), ('Lansia', 1760000000000, 'bench');
             INSERT INTO label_event (label_id, contact_id, chat_id, change, source, actor, actor_certainty, at)
               SELECT 1 + id % 2, id, '62800@c.us', 'added', 'dashboard', 'user:1', 'certain', 1760000000000 FROM contact WHERE id % 10 = 0;
             UPDATE search_mark SET until = (SELECT max(id) FROM message) WHERE what = 'message'; UPDATE search_mark SET until = (SELECT max(id) FROM contact) WHERE what = 'contact';
             COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
        ))
        .unwrap();
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// Median milliseconds of each page.
fn measure(conversations: i64) -> Vec<(String, f64)> {
    let binary = env!("CARGO_BIN_EXE_kafilah");
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut init = Command::new(binary)
        .args(["--data", data.to_str().unwrap(), "init", "--agency", "Ukur", "--owner-email", "a@ukur.example", "--owner-password-stdin"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(init.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(init.wait().unwrap().success());
    fill(&data, conversations);
    let mut server =
        Command::new(binary).args(["--data", data.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    let token = Command::new(binary).args(["--data", data.to_str().unwrap(), "token", "create", "--role", "system_admin", "--name", "ukur"]).output().unwrap();
    let token = format!("Bearer {}", String::from_utf8(token.stdout).unwrap().trim());
    let http = Http::default();
    // the session cookie, for the pages
    let form = format!("email=a%40ukur.example&password={PASSWORD}");
    let login = session_cookie(&address, &form);
    let middle = conversations / 2;
    let pages = [
        ("inbox, first page".to_owned(), "/chats?tab=all".to_owned()),
        ("inbox, unclaimed".to_owned(), "/chats?tab=unclaimed".to_owned()),
        ("inbox, longest waiting".to_owned(), "/chats?tab=waiting".to_owned()),
        ("inbox, a label".to_owned(), "/chats?tab=all&label=1".to_owned()),
        ("inbox, deep page".to_owned(), format!("/chats?tab=all&after={}_{middle}", 1_760_000_000_000i64 + middle * 1000)),
        ("thread".to_owned(), format!("/chats/conv_{middle}")),
        ("api, list".to_owned(), "/api/conversations".to_owned()),
        ("api, thread".to_owned(), format!("/api/conversations/conv_{middle}")),
    ];
    let mut found = Vec::new();
    for (name, path) in pages {
        let headers: [(&str, &str); 2] = if path.starts_with("/api") { [("authorization", &token), ("accept", "*/*")] } else { [("cookie", &login), ("accept", "*/*")] };
        let ask = || {
            let started = Instant::now();
            let answer = http.call(&Call { limit: 64 << 20, ..Call::new("GET", &format!("{address}{path}"), &headers, None, Duration::from_secs(30)) }).unwrap();
            assert_eq!(answer.status, 200, "{path}");
            started.elapsed()
        };
        for _ in 0..5 {
            ask(); // caches of the file
        }
        found.push((name, median((0..ROUNDS).map(|_| ask()).collect())));
    }
    server.kill().unwrap();
    server.wait().unwrap();
    found
}

/// Logs in and returns the session cookie; the client keeps no headers of answers, so this speaks HTTP by itself.
fn session_cookie(address: &str, form: &str) -> String {
    let host = address.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST /login HTTP/1.1\r\nhost: {host}\r\norigin: {address}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    let line = answer.lines().find(|line| line.to_lowercase().starts_with("set-cookie:")).unwrap_or_else(|| panic!("no cookie: {answer}"));
    line.split_once(':').unwrap().1.trim().split(';').next().unwrap().to_owned()
}

fn main() {
    let messages: i64 = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let (small, large) = (measure(10_000 / MESSAGES_EACH), measure(messages / MESSAGES_EACH));
    println!("{:<26}{:>14}{:>14}{:>8}", "median of 50, ms", "10,000", messages, "ratio");
    for ((name, before), (_, after)) in small.iter().zip(&large) {
        println!("{name:<26}{before:>14.2}{after:>14.2}{:>8.2}", after / before);
    }
}
