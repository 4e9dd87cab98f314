//! The one fixture: a kafilah in a folder of its own, with a fake gateway beside it.

use crate::fake_waha::FakeWaha;
use kafilah::wire::client::{Answer, Call, Http};
use kafilah::wire::signature::sign_sha512;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const KEY: &str = "kunci-uji-0123456789";
pub const EMAIL: &str = "pemilik@biro.example";
pub const PASSWORD: &str = "kata-sandi-uji";

/// A running (or stopped) product.
pub struct Kafilah {
    pub dir: tempfile::TempDir,
    pub waha: FakeWaha,
    pub http: Http,
    pub address: String,
    pub token: String,
    child: Option<Child>,
    stderr: PathBuf,
}

pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafilah"));
    command.env_remove("KAFILAH_DATA");
    command
}

pub fn run(dir: &Path, args: &[&str], input: &str) -> Output {
    let mut child = binary().arg("--data").arg(dir).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // a command that does not read its input may be gone already
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

impl Kafilah {
    /// A store with three packages, connected to a fake WAHA, running flat out.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::made(settings, catalog_json())
    }

    /// The first day: a store with its owner and nothing else.
    pub fn start_empty() -> Self {
        Self::made(&[], Value::Null)
    }

    fn made(settings: &[(&str, &str)], packages: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let catalog = dir.path().join("catalog.json");
        std::fs::write(&catalog, packages.to_string()).unwrap();
        let store = dir.path().join("data");
        let mut args = vec!["init", "--agency", "Biro Uji", "--owner-email", EMAIL, "--owner-password-stdin"];
        if packages.is_array() {
            args.extend(["--catalog", catalog.to_str().unwrap()]);
        }
        let made = run(&store, &args, &format!("{PASSWORD}\n"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let waha = FakeWaha::start("127.0.0.1:0");
        let url = waha.url();
        let mut all = vec![
            ("whatsapp.provider", "waha"),
            ("waha.url", url.as_str()),
            ("waha.hmac_key", KEY),
            ("bot.quiet_ms", "0"),
            ("queue.reply_gap_ms", "0..0"),
            ("queue.broadcast_gap_ms", "0..0"),
            ("queue.typing", "off"),
            ("queue.send_timeout_ms", "1000"),
        ];
        all.extend_from_slice(settings);
        for (key, value) in all {
            let set = run(&store, &["set", key, value], "");
            assert!(set.status.success(), "{key}: {}", String::from_utf8_lossy(&set.stderr));
        }
        let token = String::from_utf8(run(&store, &["token", "create", "--role", "system_admin", "--name", "uji"], "").stdout).unwrap().trim().to_owned();
        assert_eq!(token.len(), 64);
        let stderr = dir.path().join("stderr.log");
        let mut app = Self { dir, waha, http: Http::default(), address: String::new(), token, child: None, stderr };
        app.boot();
        app
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the server and waits for its one line.
    pub fn boot(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.stderr).unwrap();
        let mut child = binary().arg("--data").arg(self.store()).args(["serve", "--listen", "127.0.0.1:0", "--test-clock"]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("no address: {line:?}; {}", self.log())).to_owned();
        self.child = Some(child);
    }

    /// SIGKILL: no warning, no drain.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; it must end with 0.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "exit {status}; {}", self.log());
    }

    /// How it ended by itself; `None`: it still runs after `patience`.
    pub fn exit_code(&mut self, patience: Duration) -> Option<i32> {
        let until = std::time::Instant::now() + patience;
        while std::time::Instant::now() < until {
            if let Some(status) = self.child.as_mut().expect("it runs").try_wait().unwrap() {
                self.child = None;
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    pub fn cli(&self, args: &[&str]) -> Output {
        run(&self.store(), args, "")
    }

    /// Rows of an export as JSON.
    pub fn export(&self, what: &str) -> Vec<Value> {
        let out = self.cli(&["export", what, "--format", "jsonl"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        let url = format!("{}{path}", self.address);
        self.http
            .call(&Call { limit: 64 << 20, ..Call::new(method, &url, headers, body, Duration::from_secs(30)) })
            .unwrap_or_else(|error| panic!("{method} {path}: {error}; {}", self.log()))
    }

    /// A JSON call with the bearer token.
    pub fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let authorization = format!("Bearer {}", self.token);
        let bytes = body.map(|body| body.to_string());
        let answer = self.call(method, path, &[("authorization", &authorization)], bytes.as_ref().map(String::as_bytes));
        (answer.status, answer.json())
    }

    /// Posts bytes to the webhook, rightly signed.
    pub fn webhook_raw(&self, body: &[u8]) -> (u16, Value) {
        let signature = sign_sha512(KEY, body);
        let answer = self.call("POST", "/api/whatsapp/webhook", &[("x-webhook-hmac", &signature), ("x-webhook-hmac-algorithm", "sha512")], Some(body));
        (answer.status, answer.json())
    }

    pub fn webhook(&self, event: &str, payload: Value) -> (u16, Value) {
        self.webhook_raw(json!({"event": event, "session": "default", "engine": "GOWS", "payload": payload}).to_string().as_bytes())
    }

    /// A customer's text arrives.
    pub fn customer_writes(&self, phone: &str, id: &str, text: &str) -> Value {
        let (status, answer) = self.webhook("message.any", message(phone, id, text));
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Waits until `done` holds; fails with the log after `patience`.
    pub fn wait(&self, what: &str, patience: Duration, mut done: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + patience;
        while !done(self) {
            assert!(Instant::now() < until, "waited in vain for: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub fn wait_delivered(&self, n: usize) -> Vec<String> {
        self.wait(&format!("{n} deliveries"), Duration::from_secs(20), |app| app.waha.delivered().len() >= n);
        self.waha.delivered()
    }
}

impl Drop for Kafilah {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // the test is over, well or not
            let _ = child.wait();
        }
        if !std::thread::panicking() {
            let log = self.log();
            assert!(!log.contains("panicked"), "something panicked:\n{log}");
        }
    }
}

pub fn message(phone: &str, id: &str, text: &str) -> Value {
    json!({"id": format!("false_{phone}@c.us_{id}"), "timestamp": chrono::Utc::now().timestamp(), "from": format!("{phone}@c.us"), "fromMe": false, "source": "app", "body": text,
           "hasMedia": false, "media": null, "_data": {"Info": {"PushName": "Bu Uji", "SenderAlt": ""}, "Message": {"conversation": text}}})
}

/// Three packages: one open, one that has left, one that is full.
pub fn catalog_json() -> Value {
    json!([
        {"code": "UMR_APR_2030_HEMAT", "name": "Umroh April 2030 Hemat", "price_idr": 27000000, "departs": "2030-04-08", "days": 9, "quota": 45, "seats_taken": 5, "hotel_makkah_m": 850},
        {"code": "UMR_JUN_2030_VIP", "name": "Umroh Juni 2030 VIP", "price_idr": 45000000, "departs": "2030-06-22", "days": 9},
        {"code": "UMR_MAR_2025_HEMAT", "name": "Umroh Maret 2025 Hemat", "price_idr": 25000000, "departs": "2025-03-15", "days": 9},
        {"code": "UMR_DES_2030_LIBUR", "name": "Umroh Desember 2030 Liburan", "price_idr": 36000000, "departs": "2030-12-20", "days": 10, "status": "full"},
    ])
}
