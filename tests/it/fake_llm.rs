//! An OpenAI-compatible server that says what a test tells it to: right things, wrong things, nothing, too late.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One answer.
#[derive(Clone)]
pub struct Says {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub wait: Duration,
}

/// A well-shaped completion whose content is `content`.
pub fn completion(content: &str) -> Says {
    let body = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "uji", "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
                      "usage": {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960}});
    Says { status: 200, headers: vec![], body: body.to_string(), wait: Duration::ZERO }
}

/// A proposal with that reply and nothing special.
pub fn proposal(reply: &str) -> Says {
    propose(json!({"reply": reply}))
}

/// A proposal with these fields over the usual ones.
pub fn propose(fields: Value) -> Says {
    let mut whole = json!({"reply": "Baik, Kak.", "intents": [], "needs_person": false, "reason": "", "confidence": 0.9, "lookup_code": "", "lookup_question": ""});
    whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    completion(&whole.to_string())
}

/// An answer of another status.
pub fn status(status: u16, body: &str) -> Says {
    Says { status, headers: vec![], body: body.to_owned(), wait: Duration::ZERO }
}

type Script = Arc<dyn Fn(&Value, usize) -> Says + Send + Sync>;

/// The server.
pub struct FakeLlm {
    address: String,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl FakeLlm {
    /// Starts it; `script` gets every request and its number from 0.
    pub fn start(script: impl Fn(&Value, usize) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, shared): (Script, _) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&shared));
                std::thread::spawn(move || drop(answer(stream, &script, &seen))); // a client that leaves is the test's own doing
            }
        });
        Self { address, seen }
    }

    /// What `llm.base_url` is set to.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, script: &Script, seen: &Mutex<Vec<Value>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let nth = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let says = script(&request, nth);
    std::thread::sleep(says.wait);
    let headers: String = says.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(stream, "HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{}", says.status, says.body.len(), says.body)
}
