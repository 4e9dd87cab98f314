//! The promises under fire: kill -9, a full disk, a damaged file, a clock that jumps, slow bodies.

use crate::support::{Kafilah, run};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// SIGKILL in a loop while messages pour in: what was acknowledged is there and is answered exactly once.
#[test]
fn kill_nine_loses_nothing_and_doubles_nothing() {
    let mut app = Kafilah::start();
    let mut acknowledged = HashSet::new();
    let seed: u64 = std::process::id().into();
    println!("seed {seed}");
    for round in 0..5u64 {
        for n in 0..12 {
            let phone = format!("6281300{round:02}{n:03}");
            app.customer_writes(&phone, &format!("K{round}N{n}"), "UMR_APR_2030_HEMAT");
            acknowledged.insert(phone);
        }
        std::thread::sleep(Duration::from_millis((seed + round * 37) % 60));
        app.kill();
        let started = Instant::now();
        app.boot();
        assert_eq!(app.call("GET", "/readyz", &[], None).status, 200);
        assert!(started.elapsed() < Duration::from_secs(3), "ready again within 3 s");
    }
    let want = acknowledged.len();
    app.wait("every answer", Duration::from_secs(60), |app| app.waha.delivered().len() >= want);
    std::thread::sleep(Duration::from_millis(500));
    let mut times: HashMap<String, usize> = HashMap::new();
    for sent in app.waha.memory().sent.iter().filter(|sent| sent.delivered) {
        *times.entry(sent.chat.trim_end_matches("@c.us").to_owned()).or_default() += 1;
    }
    assert_eq!(times.len(), want);
    // a send under way at the kill is looked up by its id before it is repeated: nothing goes out twice
    assert!(times.values().all(|n| *n == 1), "{times:?}");
    let doctor = app.cli(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let check = |name: &str| report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()["verdict"].clone();
    assert_eq!([check("integrity"), check("foreign keys"), check("audit trail")], [json!("ok"), json!("ok"), json!("ok")]);
}

#[test]
fn a_clock_that_jumps_neither_resends_nor_stalls() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "J1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    for wall in ["2026-11-21T00:00:00+07:00", "2031-01-01T00:00:00+07:00", "2020-01-01T00:00:00+07:00"] {
        assert_eq!(app.api("POST", "/api/test/clock", Some(json!({"now": wall}))).0, 200);
        std::thread::sleep(Duration::from_millis(150));
    }
    app.api("POST", "/api/test/clock", Some(json!({"now": "2026-11-21T00:00:00+07:00"})));
    app.customer_writes("6281200000002", "J2", "UMR_APR_2030_HEMAT");
    let sent = app.wait_delivered(2);
    assert_eq!(sent.len(), 2);
}

#[test]
fn a_slow_or_half_sent_body_does_not_hold_anybody_up() {
    let app = Kafilah::start();
    let host = app.address.trim_start_matches("http://").to_owned();
    let mut half = TcpStream::connect(&host).unwrap();
    half.write_all(b"POST /api/whatsapp/webhook HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"event\"").unwrap();
    let mut silent = TcpStream::connect(&host).unwrap();
    silent.write_all(b"POST /api/whats").unwrap();
    let started = Instant::now();
    app.customer_writes("6281200000003", "SL1", "UMR_APR_2030_HEMAT");
    assert!(started.elapsed() < Duration::from_secs(2));
    silent.set_read_timeout(Some(Duration::from_secs(14))).unwrap();
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest); // 408 or a plain close: both end it
    assert!(started.elapsed() < Duration::from_secs(13), "a head that never comes is cut off after 10 s");
    half.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut said = [0u8; 12];
    half.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"HTTP/1.1 408");
    let mut two = TcpStream::connect(&host).unwrap();
    two.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    two.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 400"), "{text}");
}

#[test]
fn an_idle_connection_is_kept_for_longer_than_a_head_may_take() {
    let app = Kafilah::start();
    let mut line = TcpStream::connect(app.address.trim_start_matches("http://")).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let ask = |line: &mut TcpStream| {
        line.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut said = [0u8; 4096];
        let read = line.read(&mut said).unwrap();
        String::from_utf8_lossy(&said[..read]).starts_with("HTTP/1.1 200")
    };
    assert!(ask(&mut line));
    std::thread::sleep(Duration::from_secs(12));
    assert!(ask(&mut line), "12 s of silence are no reason to close");
    let started = Instant::now();
    line.write_all(b"GET /heal").unwrap();
    let mut rest = Vec::new();
    let _ = line.read_to_end(&mut rest);
    assert!((9..14).contains(&started.elapsed().as_secs()), "the head it began is cut off after 10 s, not {:?}", started.elapsed());
}

#[test]
fn a_second_server_a_newer_store_and_a_damaged_file_are_refused() {
    let mut app = Kafilah::start();
    let second = app.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another kafilah"));
    app.stop();
    let database = app.store().join("kafilah.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 9_999).unwrap();
    drop(connection);
    let newer = app.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(!newer.status.success() && String::from_utf8_lossy(&newer.stderr).contains("newer kafilah"));
    std::fs::write(&database, vec![0x42; 8192]).unwrap();
    let damaged = app.cli(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(!damaged.status.success());
}

/// A page that goes bad under a running server: it stops acknowledging and ends with 74, with one clear line.
#[test]
fn a_page_that_goes_bad_while_it_runs_ends_it_with_74() {
    let mut app = Kafilah::start();
    for n in 0..40 {
        app.customer_writes(&format!("62812111{n:05}"), &format!("B{n}"), "UMR_APR_2030_HEMAT");
    }
    app.wait_delivered(40);
    app.stop();
    app.boot();
    let database = app.store().join("kafilah.db");
    let bytes = std::fs::metadata(&database).unwrap().len();
    let mut file = std::fs::OpenOptions::new().write(true).open(&database).unwrap();
    // everything after the first pages, which the start has read already: the tables and indexes themselves
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(16 * 4096)).unwrap();
    file.write_all(&vec![0xA5; usize::try_from(bytes).unwrap() - 16 * 4096]).unwrap();
    file.sync_all().unwrap();
    let mut code = None;
    for n in 0..20 {
        let body = crate::support::message(&format!("62812999{n:05}"), &format!("D{n}"), "halo").to_string();
        let envelope = format!("{{\"id\":\"evt{n}\",\"event\":\"message\",\"session\":\"default\",\"payload\":{body}}}");
        let url = format!("{}/api/whatsapp/webhook", app.address);
        let signature = kafilah::wire::signature::sign_sha512(crate::support::KEY, envelope.as_bytes());
        let headers = [("x-webhook-hmac", signature.as_str()), ("x-webhook-hmac-algorithm", "sha512")];
        let answer = app.http.call(&kafilah::wire::client::Call::new("POST", &url, &headers, Some(envelope.as_bytes()), Duration::from_secs(5)));
        assert!(answer.as_ref().map_or(true, |answer| answer.status == 503), "nothing is acknowledged on a damaged store: {answer:?}");
        code = app.exit_code(Duration::from_millis(500));
        if code.is_some() {
            break;
        }
    }
    assert_eq!(code, Some(74), "{}", app.log());
    assert!(app.log().contains("damaged") || app.log().contains("malformed"), "one clear line: {}", app.log());
}

struct Small(tempfile::TempDir);

impl Small {
    /// A filesystem of `size`; without the right to mount one the test says so.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path()).status().is_ok_and(|status| status.success());
        if !mounted {
            println!("SKIPPED: a small filesystem cannot be mounted here");
        }
        mounted.then_some(Self(folder))
    }

    fn remount(&self, how: &str) {
        assert!(std::process::Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.0.path()).status().unwrap().success());
    }
}

/// A server on a store of the test's own, and where it listens.
fn serve(store: &std::path::Path) -> (std::process::Child, String) {
    let mut command = crate::support::binary();
    command.arg("--data").arg(store).args(["serve", "--listen", "127.0.0.1:0"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    (child, line.trim().trim_start_matches("listening on ").to_owned())
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status(); // leaves an empty folder at worst
    }
}

#[test]
fn a_read_only_folder_is_refused_with_its_reason_and_loses_nothing() {
    let Some(disk) = Small::mount("40m") else { return };
    let store = disk.0.path().join("data");
    assert!(run(&store, &["set", "bot.enabled", "off"], "").status.success());
    let (mut child, address) = serve(&store);
    let http = kafilah::wire::client::Http::default();
    let call = |method: &str, path: &str, body: Option<&[u8]>| {
        http.call(&kafilah::wire::client::Call::new(method, &format!("{address}{path}"), &[], body, Duration::from_secs(10))).unwrap().status
    };
    let post = |n: usize| {
        let body = json!({"from": format!("62812{n:08}"), "body": "halo", "message_id": format!("R{n}")}).to_string();
        call("POST", "/api/whatsapp/webhook", Some(body.as_bytes()))
    };
    assert_eq!(post(1), 200);
    let _ = std::process::Command::new("kill").arg(child.id().to_string()).status();
    assert!(child.wait().unwrap().success());
    disk.remount("ro");
    let refused = run(&store, &["serve", "--listen", "127.0.0.1:0"], "");
    assert!(!refused.status.success(), "a read-only folder is refused");
    let said = String::from_utf8_lossy(&refused.stderr).to_lowercase();
    assert!(said.contains("read-only") || said.contains("readonly"), "and why is said: {said}");
    disk.remount("rw");
    let rows = run(&store, &["export", "messages", "--format", "jsonl"], "");
    assert_eq!(String::from_utf8_lossy(&rows.stdout).lines().count(), 1, "nothing acknowledged is lost");
}

#[test]
fn a_full_disk_answers_503_and_recovers_by_itself() {
    let Some(mount) = Small::mount("6m") else { return };
    let mount = &mount.0;
    let store = mount.path().join("data");
    let set = |key: &str, value: &str| assert!(run(&store, &["set", key, value], "").status.success());
    set("bot.enabled", "off");
    let (mut child, address) = serve(&store);
    let http = kafilah::wire::client::Http::default();
    let call = |method: &str, path: &str, body: Option<&[u8]>| {
        http.call(&kafilah::wire::client::Call::new(method, &format!("{address}{path}"), &[], body, Duration::from_secs(10))).unwrap()
    };
    let filler = mount.path().join("filler");
    let mut stored = 0;
    let mut full = false;
    for n in 0..400 {
        if n == 5 {
            let _ = std::fs::write(&filler, vec![1u8; 8 << 20]); // takes what there is; the error is the point
        }
        let body = json!({"from": format!("62812{n:08}"), "body": "x".repeat(9_000), "message_id": format!("F{n}")}).to_string();
        let answer = call("POST", "/api/whatsapp/webhook", Some(body.as_bytes()));
        match answer.status {
            200 => stored += 1,
            503 => {
                full = true;
                assert_eq!(answer.json()["error"]["code"], "store_unavailable");
                break;
            }
            other => panic!("status {other}: {}", answer.json()),
        }
    }
    assert!(full, "the disk was filled");
    assert_eq!(call("GET", "/readyz", None).status, 503);
    assert_eq!(call("GET", "/healthz", None).status, 200);
    std::fs::remove_file(&filler).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while call("GET", "/readyz", None).status != 200 {
        assert!(Instant::now() < until, "it recovers without a restart");
        std::thread::sleep(Duration::from_millis(200));
    }
    let again = json!({"from": "6281299999999", "body": "lagi", "message_id": "AGAIN"}).to_string();
    assert_eq!(call("POST", "/api/whatsapp/webhook", Some(again.as_bytes())).status, 200);
    let _ = std::process::Command::new("kill").arg(child.id().to_string()).status();
    assert!(child.wait().unwrap().success());
    let rows = run(&store, &["export", "messages", "--format", "jsonl"], "");
    assert_eq!(String::from_utf8_lossy(&rows.stdout).lines().count(), stored + 1, "nothing acknowledged is lost");
}

#[test]
fn the_backup_of_the_night_is_made_once_and_restores() {
    let mut app = Kafilah::start();
    app.customer_writes("6281200000001", "N1", "halo");
    app.wait_delivered(1);
    let folder = app.dir.path().join("cadangan");
    assert!(app.cli(&["set", "store.backup_folder", folder.to_str().unwrap()]).status.success());
    assert!(app.cli(&["set", "store.backup_at", "00:00"]).status.success());
    app.stop();
    app.boot();
    let files = || {
        std::fs::read_dir(&folder)
            .map(|dir| dir.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "db")).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    app.wait("the backup", Duration::from_secs(20), |_| files().len() == 1);
    app.wait("its line in the audit trail", Duration::from_secs(5), |app| app.export("audit").iter().any(|row| row["action"] == "backup.written"));
    let other = tempfile::tempdir().unwrap();
    let restored = crate::support::run(&other.path().join("d"), &["restore", files()[0].to_str().unwrap()], "");
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    app.stop();
    app.boot();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(files().len(), 1, "once a day");
}
