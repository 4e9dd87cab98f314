//! The team: chats dealt to those who are there, clocks that know office hours, and notifications that say nothing of anybody.

use crate::support::{Kafilah, run};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

const SOON: Duration = Duration::from_secs(15);

/// A CS with a token that acts as him.
fn agent(app: &Kafilah, name: &str, role: &str) -> String {
    let email = format!("{}@tim.example", name.to_lowercase());
    assert!(run(&app.store(), &["user", "add", "--email", &email, "--name", name, "--role", role, "--password-stdin"], "sandi-panjang\n").status.success());
    String::from_utf8(app.cli(&["token", "create", "--role", role, "--name", name, "--user", &email]).stdout).unwrap().trim().to_owned()
}

/// His page is open.
fn online(app: &Kafilah, token: &str) -> WebSocket<TcpStream> {
    let host = app.address.trim_start_matches("http://");
    let mut request = format!("ws://{host}/live?after=0").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    tungstenite::client(request, stream).unwrap().0
}

fn asks_for_a_person(app: &Kafilah, n: usize) {
    app.customer_writes(&format!("62812000002{n:02}"), &format!("TM{n}"), "tolong sambungkan saya dengan petugas, saya mau bicara dengan orang");
}

fn held(app: &Kafilah) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for row in app.api("GET", "/api/conversations?limit=200", None).1["conversations"].as_array().unwrap() {
        *found.entry(row["assignee"].as_str().unwrap_or("-").to_owned()).or_default() += 1;
    }
    found
}

#[test]
fn chats_are_dealt_to_those_who_are_there_up_to_their_cap_oldest_first() {
    let app = Kafilah::start_with(&[("assign.mode", "round_robin"), ("assign.cap", "3"), ("hours.open", "00:00"), ("hours.close", "00:00")]);
    let (rina, dadan, nisa) = (agent(&app, "Rina", "cs"), agent(&app, "Dadan", "cs"), agent(&app, "Nisa", "sales_admin"));
    for n in 0..4 {
        asks_for_a_person(&app, n);
    }
    app.wait("four chats to wait", SOON, |app| app.api("GET", "/api/conversations?tab=unclaimed", None).1["conversations"].as_array().unwrap().len() == 4);
    assert_eq!(held(&app), [("-".to_owned(), 4)].into(), "nobody is there");
    let _one = online(&app, &rina);
    app.wait("the backlog to be drawn down to the cap", SOON, |app| held(app).get("Rina") == Some(&3));
    let (_, left) = app.api("GET", "/api/conversations?tab=unclaimed", None);
    assert_eq!(left["conversations"][0]["contact"]["phone"], "+6281200000203", "the newest waits, the oldest were dealt");
    let _two = online(&app, &dadan);
    app.wait("the rest", SOON, |app| held(app).get("Dadan") == Some(&1));
    // away: nothing more
    let page = crate::pages::Browserless::login(&app, "dadan@tim.example", "sandi-panjang");
    assert_eq!(page.post(&app, "/profile/away", &[("away", "1")]).0, 303);
    asks_for_a_person(&app, 4);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(held(&app).get("-"), Some(&1), "{:?}", held(&app));
    let _three = online(&app, &nisa);
    app.wait("the one who came", SOON, |app| held(app).get("Nisa") == Some(&1));
    assert_eq!(held(&app).values().sum::<usize>(), 5);
    assert!(app.export("handovers").iter().filter(|row| row["reason"] == "dealt").count() >= 5);
}

#[test]
fn the_clock_of_who_waits_rests_at_night_and_the_leader_hears_of_it_once() {
    let app = Kafilah::start_with(&[("hours.open", "08:00"), ("hours.close", "17:00"), ("hours.first_answer_min", "10")]);
    let set = |time: &str| assert_eq!(app.api("POST", "/api/test/clock", Some(json!({"now": time}))).0, 200);
    set("2027-03-01T16:55:00+07:00");
    asks_for_a_person(&app, 1);
    let late = |app: &Kafilah| app.export("audit").iter().filter(|row| row["action"] == "conversation.late").count();
    app.wait("the chat to wait", SOON, |app| !app.api("GET", "/api/conversations", None).1["conversations"][0]["waiting_since"].is_null());
    set("2027-03-02T08:03:00+07:00"); // five minutes yesterday, three today
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(late(&app), 0);
    set("2027-03-02T08:06:00+07:00");
    app.wait("the leader to hear of it", SOON, |app| late(app) == 1);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(late(&app), 1);
    // eleven minutes of office hours, whatever the night was
    let waiting = |minutes: i64| app.api("GET", &format!("/api/conversations?waiting={minutes}"), None).1["conversations"].as_array().unwrap().len();
    assert_eq!((waiting(10), waiting(13)), (1, 0));
}

type Pushed = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

/// A push service on loopback: /gone answers 410, everything else takes the message.
fn push_service() -> (String, Pushed) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, pushed) = (listener.local_addr().unwrap().to_string(), Pushed::default());
    let theirs = Arc::clone(&pushed);
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let take = |State(pushed): State<Pushed>, uri: Uri, headers: HeaderMap, body: Bytes| async move {
                pushed.lock().unwrap().push((uri.path().to_owned(), headers, body));
                if uri.path() == "/gone" { StatusCode::GONE } else { StatusCode::CREATED }
            };
            let router = Router::new().fallback(take).with_state(theirs);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let router = router.clone();
                tokio::spawn(async move {
                    use tower::ServiceExt;
                    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| router.clone().oneshot(request.map(axum::body::Body::new)));
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), service).await; // the peer went away
                });
            }
        });
    });
    (address, pushed)
}

#[test]
fn a_browser_is_told_that_there_is_something_and_never_what() {
    let (service, pushed) = push_service();
    let app = Kafilah::start_with(&[("push.allow_hosts", &service)]);
    let rina = agent(&app, "Rina", "cs");
    let call = |method: &str, path: &str, body: Option<Value>| {
        let authorization = format!("Bearer {rina}");
        let bytes = body.map(|body| body.to_string());
        let answer = app.call(method, path, &[("authorization", &authorization)], bytes.as_ref().map(String::as_bytes));
        (answer.status, answer.json())
    };
    assert_eq!(call("GET", "/api/push/key", None).1["key"].as_str().unwrap().len(), 87);
    let keys = json!({"p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "auth": "BTBZMqHH6r4Tts7J_aSIgg"});
    for path in ["good", "gone"] {
        assert_eq!(call("POST", "/api/push/subscriptions", Some(json!({"endpoint": format!("http://{service}/{path}"), "keys": keys}))).0, 201);
    }
    assert_eq!(call("POST", "/api/push/subscriptions", Some(json!({"endpoint": "https://192.168.1.1/x", "keys": keys}))).1["error"]["field"], "endpoint");
    assert_eq!(
        call("POST", "/api/push/subscriptions", Some(json!({"endpoint": format!("http://{service}/x"), "keys": {"p256dh": "AAAA", "auth": "AAAA"}}))).1["error"]["field"],
        "keys"
    );
    app.customer_writes("6281200000001", "PU1", "Rahasia Bu Siti: nomor paspor saya");
    app.wait_delivered(1);
    app.api("POST", "/api/conversations/conv_1/assign", Some(json!({"user": "Rina"})));
    app.wait("both browsers to be told", SOON, |_| pushed.lock().unwrap().len() >= 2);
    let first = pushed.lock().unwrap().iter().find(|(path, ..)| path == "/good").cloned().unwrap();
    let header = |name: &str| first.1.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    assert_eq!([header("content-encoding"), header("urgency"), header("topic"), header("ttl")], ["aes128gcm", "high", "c1", "3600"]);
    assert!(header("authorization").starts_with("vapid t=") && header("authorization").contains(", k="));
    assert!(first.2.len() > 103 && !String::from_utf8_lossy(&first.2).contains("Siti"));
    // a browser that is gone is forgotten; one message a chat in ten seconds
    std::thread::sleep(Duration::from_secs(11));
    app.customer_writes("6281200000001", "PU2", "halo?");
    app.customer_writes("6281200000001", "PU3", "halo??");
    app.wait("the next one", SOON, |_| pushed.lock().unwrap().iter().filter(|(path, ..)| path == "/good").count() == 2);
    std::thread::sleep(Duration::from_secs(2));
    let count = |wanted: &str| pushed.lock().unwrap().iter().filter(|(path, ..)| path == wanted).count();
    assert_eq!((count("/good"), count("/gone")), (2, 1));
}

#[test]
fn a_page_tells_the_others_who_looks_and_who_types() {
    let app = Kafilah::start();
    let (rina, dadan) = (agent(&app, "Rina", "cs"), agent(&app, "Dadan", "cs"));
    app.customer_writes("6281200000001", "PR1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let (mut one, mut other) = (online(&app, &rina), online(&app, &dadan));
    let say = |socket: &mut WebSocket<TcpStream>, state: &str| {
        socket.send(Message::Text(json!({"type": "presence", "conversation_id": "conv_1", "state": state}).to_string().into())).unwrap()
    };
    let mut hear = |state: &str| loop {
        if let Message::Text(text) = other.read().unwrap() {
            let line: Value = serde_json::from_str(&text).unwrap();
            if line["type"] == "presence" && line["data"]["name"] == "Rina" && line["data"]["state"] == state {
                return line;
            }
        }
    };
    say(&mut one, "viewing");
    assert_eq!(hear("viewing")["conversation_id"], "conv_1");
    say(&mut one, "typing");
    hear("typing");
    let page = crate::pages::Browserless::login(&app, "dadan@tim.example", "sandi-panjang");
    assert!(page.get(&app, "/chats/conv_1").1.contains("sedang mengetik"));
    drop(one);
    hear("left");
    assert!(!page.get(&app, "/chats/conv_1").1.contains("sedang mengetik"));
}

#[test]
fn a_customer_who_types_is_seen_and_makes_no_message() {
    let app = Kafilah::start();
    let rina = agent(&app, "Rina", "cs");
    app.customer_writes("6281200000001", "CT1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let mut socket = online(&app, &rina);
    // the gateway is asked to tell of the chat somebody has open, once
    for state in ["viewing", "typing", "left", "viewing"] {
        socket.send(Message::Text(json!({"type": "presence", "conversation_id": "conv_1", "state": state}).to_string().into())).unwrap();
    }
    app.wait("the gateway is asked", SOON, |app| app.waha.memory().calls.iter().any(|call| call == "watch 6281200000001@c.us"));
    let tells = |chat: &str, state: &str| app.webhook("presence.update", json!({"id": chat, "presences": [{"participant": chat, "lastKnownPresence": state, "lastSeen": null}]}));
    for state in ["online", "typing", "recording", "paused"] {
        assert_eq!(tells("6281200000001@c.us", state), (200, json!({"status": "ignored", "reason": "presence"})));
    }
    // a stranger and a group are nobody's chat
    assert_eq!(tells("6281200000099@c.us", "typing").1["status"], "ignored");
    assert_eq!(tells("120363000000000001@g.us", "typing").1["reason"], "group");
    app.customer_writes("6281200000001", "CT2", "halo");
    let mut heard = Vec::new();
    loop {
        let Message::Text(text) = socket.read().unwrap() else { continue };
        let line: Value = serde_json::from_str(&text).unwrap();
        if line["type"] == "presence" && line["data"]["actor"] == "customer" {
            assert_eq!(line["conversation_id"], "conv_1");
            heard.push(line["data"]["state"].as_str().unwrap().to_owned());
        }
        if line["type"] == "message.created" && line["data"]["text"] == "halo" {
            break;
        }
    }
    assert_eq!(heard, ["paused", "typing", "recording", "paused"]);
    assert_eq!(app.waha.memory().calls.iter().filter(|call| call.starts_with("watch ")).count(), 1);
    assert_eq!((app.export("contacts").len(), app.export("messages").iter().filter(|row| row["direction"] == "in").count()), (1, 2));
}

#[test]
fn a_list_is_looked_through_before_it_is_written_and_leaves_again_as_a_file() {
    let app = Kafilah::start();
    let page = crate::pages::Browserless::login(&app, crate::support::EMAIL, crate::support::PASSWORD);
    let hand_in = |list: &str, confirmed: bool| {
        let part = |name: &str, value: &str| format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let mut body = part("csrf", &page.csrf(&app)) + &part("list", list);
        if confirmed {
            body += &part("confirmed", "1");
        }
        page.post_raw(&app, "/contacts/import", "multipart/form-data; boundary=x", (body + "--x--\r\n").as_bytes())
    };
    let wrong = "phone;name;labels\n081234567890;Bu Siti;Grade A\nbukan nomor;Pak X;\n";
    assert_eq!(hand_in(wrong, false), 200);
    assert_eq!(hand_in(wrong, true), 200, "a list with a wrong row is shown again, not written");
    assert_eq!(app.export("contacts").len(), 0);
    let right = "phone;name;labels;interest\n081234567890;Bu Siti;Grade A; Reguler\n081234567891;Pak Budi;;VIP\n";
    assert_eq!(hand_in(right, false), 200);
    assert_eq!(app.export("contacts").len(), 0, "looking writes nothing");
    assert_eq!(hand_in(right, true), 303);
    assert_eq!(hand_in(right, true), 303, "twice is once");
    let contacts = app.export("contacts");
    assert_eq!(contacts.len(), 2);
    assert_eq!((contacts[0]["name"].as_str(), contacts[0]["labels"].as_str(), contacts[0]["name_source"].as_str()), (Some("Bu Siti"), Some("Grade A"), Some("import")));
    assert_eq!(hand_in("", false), 422);
    let (status, csv) = page.get(&app, "/export/contacts");
    assert!(status == 200 && csv.contains("+6281234567890") && csv.lines().count() == 3, "{csv}");
    assert_eq!(page.get(&app, "/export/label-events?format=xlsx").0, 200);
    assert_eq!(page.get(&app, "/export/messages").0, 404);
    let (_, audience) = page.get(&app, "/export/custom-audience?expr=%22Grade+A%22");
    assert!(audience.lines().count() == 2 && !audience.contains("62812"), "{audience}");
    // hours of one's own, and days off
    agent(&app, "Rina", "cs");
    assert_eq!(page.post(&app, "/team/duty", &[("user", "2"), ("takes", "1"), ("cap", "5"), ("from", "09:00"), ("until", "15:00"), ("days", "1-5")]).0, 303);
    assert_eq!(page.post(&app, "/team/duty", &[("user", "2"), ("from", "25:00"), ("until", "15:00")]).0, 422);
    assert!(page.get(&app, "/team").1.contains("value=\"09:00\""));
    assert_eq!(page.post(&app, "/settings/holidays", &[("day", "2027-03-20"), ("name", "Idul Fitri")]).0, 303);
    assert!(page.get(&app, "/settings").1.contains("Idul Fitri"));
}

#[test]
fn the_teams_own_phones_hear_who_waits_once_also_across_a_kill() {
    let mut app = Kafilah::start_with(&[("notify.whatsapp", "+62 811-1111-1111, 0812 2222 2222"), ("server.public_url", "https://kafilah.example/")]);
    let refused = app.cli(&["set", "notify.whatsapp", "kantor"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("phone numbers"));
    let told = |app: &Kafilah, phone: &str| -> Vec<String> {
        let chat = format!("{phone}@c.us");
        app.waha.memory().sent.iter().filter(|sent| sent.chat == chat && sent.delivered).map(|sent| sent.text.clone()).collect()
    };
    app.customer_writes("6281200000201", "TM1", "kucing saya namanya Momo, bolehkah ikut ke pesawat?");
    app.wait("both phones", SOON, |app| told(app, "6281111111111").len() == 1 && told(app, "6281222222222").len() == 1);
    let notice = told(&app, "6281111111111").remove(0);
    assert!(notice.contains("Bu Uji (··0201): pertanyaan yang tidak ada jawabannya") && notice.contains("https://kafilah.example/chats/conv_1"), "{notice}");
    assert!(!notice.contains("Momo"), "never what they wrote");
    // the same chat again within minutes is no news; another one is, also when the program was killed meanwhile
    app.customer_writes("6281200000201", "TM1b", "bisa diskon 2 juta tidak kak?");
    app.wait("the second call", SOON, |app| app.export("escalations").len() == 2);
    std::thread::sleep(Duration::from_millis(600));
    app.kill();
    app.boot();
    asks_for_a_person(&app, 2);
    app.wait("the other chat", SOON * 3, |app| told(app, "6281111111111").len() == 2);
    std::thread::sleep(Duration::from_millis(800));
    let all = told(&app, "6281111111111");
    assert!(all.len() == 2 && all[1].contains("··0202") && !all[1].contains("··0201"), "{all:?}");
    // whoever of the team tries the bot himself is not told of himself
    app.customer_writes("6281111111111", "TM3", "tolong sambungkan saya dengan petugas, saya mau bicara dengan orang");
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(!told(&app, "6281222222222").iter().any(|text| text.contains("··1111")));
}

/// A relay that takes what it is given; every message as it came.
fn relay() -> (u16, Arc<Mutex<Vec<String>>>, Arc<AtomicBool>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, taken, away) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let (kept, gone) = (Arc::clone(&taken), Arc::clone(&away));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if gone.load(Ordering::Relaxed) {
                continue; // closed without a word
            }
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut say = |words: &str| stream.write_all(format!("{words}\r\n").as_bytes()).unwrap();
            say("220 relay.example");
            while let Some(Ok(line)) = lines.next() {
                match line.split(' ').next().unwrap_or("").to_uppercase().as_str() {
                    "DATA" => {
                        say("354 go on");
                        let text: Vec<String> = lines.by_ref().map(Result::unwrap).take_while(|line| line != ".").collect();
                        kept.lock().unwrap().push(text.join("\n"));
                        say("250 taken");
                    }
                    "QUIT" => {
                        say("221 bye");
                        break;
                    }
                    _ => say("250 ok"),
                }
            }
        }
    });
    (port, taken, away)
}

#[test]
fn the_team_hears_by_e_mail_once_and_what_cannot_go_waits() {
    let (port, taken, away) = relay();
    let app = Kafilah::start_with(&[
        ("notify.email", "pemilik@biro.example, cs@biro.example"),
        ("smtp.host", "127.0.0.1"),
        ("smtp.port", &port.to_string()),
        ("smtp.security", "none"),
        ("smtp.from", "Kafilah <kabar@biro.example>"),
    ]);
    assert!(!app.cli(&["set", "notify.email", "bukan alamat"]).status.success());
    app.customer_writes("6281200000301", "EM1", "kucing saya namanya Momo, bolehkah ikut ke pesawat?");
    app.wait("both addresses", SOON, |_| taken.lock().unwrap().len() == 2);
    let first = taken.lock().unwrap()[0].clone();
    for part in ["From: Kafilah <kabar@biro.example>", "To: pemilik@biro.example", "Subject: 1 chat menunggu orang", "Message-ID: <", "@biro.example>", "0301"] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert!(!first.contains("Momo"));
    // a relay that is away: the mail waits and doctor says so
    away.store(true, Ordering::Relaxed);
    asks_for_a_person(&app, 2);
    let said = |app: &Kafilah| String::from_utf8(app.cli(&["doctor", "--json"]).stdout).unwrap();
    app.wait("the mail to wait", SOON * 3, |app| said(app).contains("2 e-mails wait"));
    assert_eq!(taken.lock().unwrap().len(), 2);
    // in the clear only to this machine
    app.cli(&["set", "smtp.host", "relay.example"]);
    assert!(said(&app).contains("for a relay on this machine only"));
}
