//! The live log over the WebSocket: in order, nothing missing and nothing twice, whatever the connection does.

use crate::support::{Kafilah, binary};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

fn open(app: &Kafilah, after: i64) -> WebSocket<TcpStream> {
    let host = app.address.trim_start_matches("http://");
    let mut request = format!("ws://{host}/live?after={after}").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", app.token).parse().unwrap());
    let stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    tungstenite::client(request, stream).unwrap().0
}

/// The next line of the log.
fn next(socket: &mut WebSocket<TcpStream>) -> Value {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[test]
fn a_socket_that_comes_back_misses_nothing_and_hears_nothing_twice() {
    let mut app = Kafilah::start();
    let mut heard: Vec<i64> = Vec::new();
    let mut messages = 0;
    for round in 0..4 {
        // written while nobody listens, then while somebody does
        app.customer_writes(&format!("6281200{round:04}1"), &format!("A{round}"), "UMR_APR_2030_HEMAT");
        app.wait_delivered(round * 2 + 1);
        let mut socket = open(&app, heard.last().copied().unwrap_or(0));
        app.customer_writes(&format!("6281200{round:04}2"), &format!("B{round}"), "UMR_JUN_2030_VIP");
        app.wait_delivered(round * 2 + 2);
        let newest: i64 = app.api("GET", "/api/conversations/conv_1", None).1["messages"].as_array().map_or(0, |rows| rows.len() as i64);
        assert!(newest > 0, "the premise: something was stored");
        let mut here = 0;
        while here < 4 {
            let line = next(&mut socket);
            for part in ["seq", "at", "type", "data"] {
                assert!(!line[part].is_null(), "{part}: {line}");
            }
            heard.push(line["seq"].as_i64().unwrap());
            here += usize::from(line["type"] == "message.created");
        }
        messages += here;
        drop(socket); // no goodbye
        if round == 1 {
            app.kill();
            app.boot();
        }
    }
    assert_eq!(messages, 16, "two messages and two answers a round");
    assert!(heard.windows(2).all(|pair| pair[1] == pair[0] + 1), "in order, without a gap: {heard:?}");
}

/// A user's ninth page waits; a program's token has no such limit. A session that ends closes its socket at the next ping.
#[test]
fn a_user_has_eight_sockets() {
    let app = Kafilah::start();
    let made = app.cli(&["token", "create", "--role", "cs", "--name", "saya", "--user", crate::support::EMAIL]);
    let own = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let try_one = || {
        let host = app.address.trim_start_matches("http://");
        let mut request = format!("ws://{host}/live?after=0").into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {own}").parse().unwrap());
        let stream = TcpStream::connect(host).unwrap();
        tungstenite::client(request, stream).map(|(socket, _)| socket)
    };
    let mut held: Vec<_> = (0..8).map(|_| try_one().unwrap()).collect();
    app.wait("all eight to be known", Duration::from_secs(5), |_| try_one().is_err());
    held.pop();
    app.wait("a place to be free", Duration::from_secs(5), |_| try_one().is_ok());
    let programs: Vec<_> = (0..12).map(|_| open(&app, 0)).collect();
    assert_eq!(programs.len(), 12);
}

#[test]
fn only_those_who_may_look_can_listen() {
    let app = Kafilah::start();
    let host = app.address.trim_start_matches("http://");
    for header in [None, Some(("authorization", "Bearer 0000")), Some(("origin", "http://evil.example"))] {
        let mut request = format!("ws://{host}/live").into_client_request().unwrap();
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let refused = tungstenite::client(request, TcpStream::connect(host).unwrap());
        assert!(refused.is_err(), "{header:?}");
    }
}

/// `demo` on an empty folder: plays a conversation through the real webhook, turn and queue, prints it with a login that works.
#[test]
fn the_demo_plays_its_conversation_and_keeps_serving() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = binary().arg("--data").arg(folder.path().join("demo")).args(["demo", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.next().unwrap().trim_start_matches("listening on ").to_owned();
    let (mut transcript, mut email, mut password) = (String::new(), String::new(), String::new());
    for line in lines.by_ref() {
        transcript += &line;
        transcript.push('\n');
        let last = || line.split_whitespace().last().unwrap_or("").to_owned();
        if line.starts_with("Masuk") {
            email = last();
        }
        if line.starts_with("Sandi") {
            password = last();
        }
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    for part in ["Bot", "Rp", "[image]", "fase: booking", "payment_intent"] {
        assert!(transcript.contains(part), "{part} is missing:\n{transcript}");
    }
    let http = kafilah::wire::client::Http::default();
    let get = |path: &str| http.call(&kafilah::wire::client::Call::new("GET", &format!("{address}{path}"), &[], None, Duration::from_secs(5))).unwrap();
    assert_eq!(get("/readyz").status, 200, "it keeps serving");
    assert!(String::from_utf8_lossy(&get("/login").body).contains("type=\"password\""));
    assert!(email.contains('@') && password.len() >= 8, "a ready login: {email} {password}");
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(child.wait().unwrap().success(), "it drains");
}
