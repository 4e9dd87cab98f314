//! Sending: order, retries, the unknown, dead letters.

use crate::support::{Kafilah, message};
use serde_json::{Value, json};
use std::time::Duration;

fn states(app: &Kafilah) -> Vec<String> {
    app.export("outbox").iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_send_that_surely_failed_is_repeated_with_the_same_id() {
    let app = Kafilah::start();
    app.waha.memory().chaos.next = vec![429, 503];
    app.customer_writes("6281200000001", "Q1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let sent = app.waha.memory().sent.clone();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|call| call.id == sent[0].id), "one id for all tries");
    app.wait("the outcome", Duration::from_secs(5), |app| states(app) == ["accepted"]);
    assert_eq!(app.export("outbox")[0]["attempts"], 3);
}

#[test]
fn an_unknown_send_is_looked_up_before_it_is_sent_again() {
    let app = Kafilah::start();
    // delivered, but the gateway says 500: a blind retry would double it
    app.waha.memory().chaos.deliver_and_fail = 1.0;
    app.customer_writes("6281200000002", "U1", "UMR_APR_2030_HEMAT");
    app.wait("the lookup", Duration::from_secs(12), |app| states(app) == ["accepted"]);
    assert_eq!(app.waha.delivered().len(), 1);
    // not delivered: the lookup says so, and the same id goes out once more
    app.waha.memory().chaos.deliver_and_fail = 0.0;
    app.waha.memory().chaos.next = vec![500];
    app.customer_writes("6281200000003", "U2", "UMR_APR_2030_HEMAT");
    app.wait("the second try", Duration::from_secs(15), |app| app.waha.delivered().len() == 2);
    let sent = app.waha.memory().sent.clone();
    assert_eq!(sent[1].id, sent[2].id);
}

#[test]
fn a_gateway_that_hangs_is_sent_to_twice_at_the_most() {
    let app = Kafilah::start();
    {
        let chaos = &mut app.waha.memory().chaos;
        (chaos.always, chaos.wait) = (Some(500), Duration::from_millis(2_500)); // longer than queue.send_timeout_ms
    }
    app.customer_writes("6281200000005", "H1", "UMR_APR_2030_HEMAT");
    app.wait("a person's decision", Duration::from_secs(40), |app| states(app) == ["parked"]);
    let sent = app.waha.memory().sent.clone();
    assert_eq!((sent.len(), sent[0].id == sent[1].id), (2, true), "the same id, once more");
    assert_eq!(app.export("outbox")[0]["last_cause"], "timed_out");
}

#[test]
fn an_echo_settles_an_unknown_send_at_once() {
    let app = Kafilah::start();
    app.waha.memory().chaos.deliver_and_fail = 1.0;
    app.customer_writes("6281200000004", "EC1", "UMR_APR_2030_HEMAT");
    app.wait("the unknown", Duration::from_secs(5), |app| states(app) == ["unknown"]);
    let sent = app.waha.memory().sent[0].clone();
    let echo = json!({"id": format!("true_200000000000044@lid_{}", sent.id), "timestamp": chrono::Utc::now().timestamp(), "from": "200000000000044@lid", "fromMe": true, "source": "app", "body": sent.text,
                      "hasMedia": false, "_data": {"Info": {"RecipientAlt": "6281200000004@s.whatsapp.net"}, "Message": {"conversation": "x"}}});
    assert_eq!(app.webhook("message.any", echo).0, 200);
    assert_eq!(states(&app), ["accepted"]);
    assert_eq!(app.export("messages").len(), 2, "no second row");
    assert!(app.export("handovers").is_empty(), "our own echo is nobody taking over");
}

#[test]
fn refused_sends_are_dead_letters_with_their_cause_and_a_retry() {
    let app = Kafilah::start();
    app.waha.memory().chaos.next = vec![400, 463];
    app.customer_writes("6281200000005", "D1", "UMR_APR_2030_HEMAT");
    app.wait("the refusal", Duration::from_secs(5), |app| states(app) == ["failed"]);
    app.customer_writes("6281200000006", "D2", "UMR_APR_2030_HEMAT");
    app.wait("the timelock", Duration::from_secs(5), |app| states(app) == ["failed", "failed"]);
    let causes: Vec<Value> = app.export("outbox").iter().map(|row| row["last_cause"].clone()).collect();
    assert_eq!(causes, ["refused_400", "timelock"]);
    assert!(!app.log().contains("UMR_APR_2030_HEMAT"), "message text stays out of the log");
}

#[test]
fn one_conversation_stays_in_order_while_others_go_on() {
    let app = Kafilah::start();
    let conversation = app.customer_writes("6281200000007", "O1", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    app.waha.memory().chaos.next = vec![429];
    for text in ["satu", "dua", "tiga"] {
        let (status, answer) = app.api("POST", &format!("/api/conversations/{conversation}/messages"), Some(json!({"text": text})));
        assert_eq!((status, &answer["status"]), (202, &json!("queued")));
    }
    app.customer_writes("6281200000008", "O2", "UMR_JUN_2030_VIP");
    let sent = app.wait_delivered(5);
    let own: Vec<&str> = sent.iter().filter(|line| line.starts_with("6281200000007")).skip(1).map(|line| line.rsplit(": ").next().unwrap()).collect();
    assert_eq!(own, ["satu", "dua", "tiga"]);
}

#[test]
fn a_gateway_without_ids_of_ours_is_settled_from_its_history() {
    let app = Kafilah::start();
    app.waha.memory().chaos.own_ids = true;
    app.waha.memory().chaos.deliver_and_fail = 1.0;
    app.customer_writes("6281200000009", "W1", "UMR_APR_2030_HEMAT");
    app.wait("the history", Duration::from_secs(12), |app| states(app) == ["accepted"]);
    let delivered = app.waha.memory().sent[0].id.clone();
    assert_eq!(app.export("outbox")[0]["message_id"], delivered.as_str());
    assert_eq!(app.waha.delivered().len(), 1);
}

#[test]
fn a_gateway_that_is_down_holds_everything_and_the_acks_do_not_wait() {
    let mut app = Kafilah::start();
    app.waha.memory().chaos.session = "SCAN_QR_CODE".into();
    for n in 0..20 {
        let started = std::time::Instant::now();
        app.customer_writes(&format!("62812000010{n:02}"), &format!("DN{n}"), "UMR_APR_2030_HEMAT");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
    app.wait("20 waiting rows", Duration::from_secs(10), |app| states(app).len() == 20);
    assert!(app.waha.delivered().is_empty());
    assert!(states(&app).iter().all(|state| state == "due" || state == "sending"), "{:?}", states(&app));
    app.stop();
    app.boot();
    app.waha.memory().chaos.session = "WORKING".into();
    app.webhook("session.status", json!({"name": "default", "status": "WORKING", "statuses": []}));
    app.wait("all of them", Duration::from_secs(40), |app| app.waha.delivered().len() == 20);
}

#[test]
fn history_brings_what_the_webhook_missed() {
    for engine in ["GOWS", "WEBJS"] {
        history_brings(engine);
    }
}

fn history_brings(engine: &str) {
    let mut app = Kafilah::start();
    app.stop();
    app.waha.memory().chaos.engine = engine.into();
    app.waha.memory().history = vec![message("6281200000060", "H2", "UMR_APR_2030_HEMAT"), message("6281200000061", "H1", "halo")];
    app.waha.memory().lids.insert("200000000000099".into(), "6281200000062".into());
    app.boot();
    app.wait("the history", Duration::from_secs(20), |app| app.export("messages").iter().filter(|row| row["direction"] == "in").count() == 2);
    app.wait_delivered(2);
}

#[test]
fn what_the_history_holds_and_nobody_can_read_waits_for_a_person() {
    let mut app = Kafilah::start();
    app.stop();
    let mut strange = message("6281200000063", "H4", "x");
    strange["body"] = json!({"text": "in a shape no engine sends"});
    app.waha.memory().history = vec![strange, message("6281200000064", "H3", "halo")];
    app.boot();
    app.wait("the history", Duration::from_secs(20), |app| app.export("messages").iter().any(|row| row["direction"] == "in"));
    let kept = app.export("quarantine");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0]["reason"], "wrong_type");
}

/// A chat with somebody who never wrote to us: the office phone wrote first.
fn first_contact(app: &Kafilah, n: usize) -> String {
    let phone = format!("62812000003{n:02}");
    let payload = serde_json::json!({"id": format!("true_{phone}@c.us_FC{n}"), "timestamp": chrono::Utc::now().timestamp(), "from": "6281100000000@c.us", "to": format!("{phone}@c.us"), "fromMe": true,
        "source": "app", "body": "Assalamualaikum", "hasMedia": false, "_data": {"Info": {}}});
    app.webhook("message.any", payload).1["conversation_id"].as_str().unwrap().to_owned()
}

fn causes(app: &Kafilah) -> Vec<String> {
    app.export("outbox").iter().map(|row| row["last_cause"].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn first_contacts_stop_at_the_days_cap_and_go_on_the_next_day_while_replies_go_out() {
    let app = Kafilah::start_with(&[("queue.daily_new_contacts", "2"), ("bot.enabled", "off")]);
    let chats: Vec<String> = (0..4).map(|n| first_contact(&app, n)).collect();
    for chat in &chats {
        assert_eq!(app.api("POST", &format!("/api/conversations/{chat}/messages"), Some(serde_json::json!({"text": "Kami ada jadwal baru"}))).0, 202);
    }
    app.wait("two to be held by their reason", Duration::from_secs(10), |app| causes(app).iter().filter(|cause| *cause == "daily_cap").count() == 2);
    assert_eq!(app.waha.delivered().len(), 2);
    // who writes is answered, cap or not
    app.customer_writes("6281200000303", "CAP1", "halo");
    app.wait("the third, now a reply", Duration::from_secs(40), |app| app.waha.delivered().len() == 3);
    assert_eq!(causes(&app).iter().filter(|cause| *cause == "daily_cap").count(), 1);
}

#[test]
fn a_timelock_holds_first_contacts_and_nothing_else() {
    let app = Kafilah::start_with(&[("bot.enabled", "off")]);
    let stranger = first_contact(&app, 1);
    app.customer_writes("6281200000001", "TL1", "halo");
    let until = chrono::Utc::now().timestamp() + 3_600;
    let locked =
        serde_json::json!({"name": "default", "status": "WORKING", "data": {"reachoutTimelock": {"enforcementType": "DEFAULT", "isActive": true, "timeEnforcementEnds": until}}});
    assert_eq!(app.webhook("session.status", locked).0, 200);
    let known = app.export("conversations").iter().find(|row| row["contact_phone"] == "+6281200000001").unwrap()["conversation_id"].as_str().unwrap().to_owned();
    for chat in [&stranger, &known] {
        assert_eq!(app.api("POST", &format!("/api/conversations/{chat}/messages"), Some(serde_json::json!({"text": "Kami ada jadwal baru"}))).0, 202);
    }
    app.wait("the lock to be the reason", Duration::from_secs(10), |app| causes(app).iter().any(|cause| cause == "timelock"));
    assert_eq!(app.wait_delivered(1), ["6281200000001@c.us: Kami ada jadwal baru"]);
    assert!(app.export("audit").iter().any(|row| row["action"] == "channel.timelock"));
}

#[test]
fn files_keep_their_place_between_the_words() {
    let app = Kafilah::start();
    let page = crate::pages::Browserless::login(&app, crate::support::EMAIL, crate::support::PASSWORD);
    let part = |name: &str, value: &str| format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let mut body = (part("csrf", &page.csrf(&app)) + &part("kind", "image") + "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"poster.png\"\r\n\r\n").into_bytes();
    body.extend(b"\x89PNG\r\n\x1a\n and a picture's bytes\r\n--x--\r\n");
    assert_eq!(page.post_raw(&app, "/packages/UMR_APR_2030_HEMAT/media", "multipart/form-data; boundary=x", &body), 303);
    // the picture is refused once by a gateway that hiccups: its words wait for it all the same
    app.waha.memory().chaos.next = vec![201, 503];
    app.customer_writes("6281200000001", "MO1", "UMR_APR_2030_HEMAT");
    app.wait("greeting, picture and facts", Duration::from_secs(30), |app| app.waha.memory().sent.iter().filter(|sent| sent.delivered).count() == 3);
    let paths: Vec<String> = app.waha.memory().sent.iter().filter(|sent| sent.delivered).map(|sent| sent.path.clone()).collect();
    assert_eq!(paths, ["/api/sendText", "/api/sendImage", "/api/sendText"]);
    let texts: Vec<String> = app.waha.memory().sent.iter().filter(|sent| sent.delivered).map(|sent| sent.text.clone()).collect();
    assert!(texts[0].contains("Assalamualaikum") && texts[2].contains("Durasi"), "{texts:?}");
}

#[test]
fn a_gateway_that_only_hangs_up_is_not_asked_all_the_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&calls);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let app = Kafilah::start_with(&[("waha.url", &url)]);
    app.customer_writes("6281200000061", "UP1", "UMR_APR_2030_HEMAT");
    // past the first probe of the breaker, which opens after 5 failures and probes every 30 s
    std::thread::sleep(Duration::from_secs(42));
    let calls = calls.load(std::sync::atomic::Ordering::Relaxed);
    assert!((5..60).contains(&calls), "{calls} calls in 42 s");
    assert_eq!(states(&app), ["due"]);
}

#[test]
fn typing_that_hangs_holds_up_nobody() {
    let app = Kafilah::start_with(&[("queue.typing", "on")]);
    app.waha.memory().chaos.typing_wait = Duration::from_secs(60);
    for n in 0..40 {
        app.customer_writes(&format!("62812000010{n:02}"), &format!("TY{n}"), "UMR_APR_2030_HEMAT");
    }
    let begun = std::time::Instant::now();
    app.wait_delivered(40);
    assert!(begun.elapsed() < Duration::from_secs(16), "typing is a show of 7 s at the most: {:?}", begun.elapsed());
}

#[test]
fn paced_replies_keep_their_gap_and_are_typed_no_longer_than_it_takes() {
    let app = Kafilah::start_with(&[("queue.typing", "on"), ("queue.reply_gap_ms", "400..500")]);
    let begun = std::time::Instant::now();
    for n in 0..45 {
        app.customer_writes(&format!("62812000020{n:02}"), &format!("PA{n}"), "UMR_APR_2030_HEMAT");
    }
    app.wait("the first", Duration::from_secs(9), |app| !app.waha.delivered().is_empty());
    app.wait("all of them", Duration::from_secs(60), |app| app.waha.delivered().len() >= 45);
    assert!(begun.elapsed() > Duration::from_secs(17), "45 gaps: {:?}", begun.elapsed());
    let memory = app.waha.memory();
    let (mut typed, sent): (Vec<std::time::Instant>, Vec<std::time::Instant>) = (memory.typed_at.clone(), memory.sent.iter().map(|call| call.at).collect());
    typed.sort_unstable();
    assert_eq!(typed.len(), 45);
    let close = sent.windows(2).filter(|pair| pair[1] - pair[0] < Duration::from_millis(200)).count();
    assert!(close <= 2, "{close} sends on the heels of another");
    assert!(typed.iter().zip(&sent).all(|(typed, sent)| *sent > *typed && *sent - *typed < Duration::from_secs(9)));
}

#[test]
fn tries_of_one_first_contact_count_once() {
    let app = Kafilah::start_with(&[("queue.daily_new_contacts", "3"), ("queue.warmup_days", "0"), ("bot.enabled", "off")]);
    app.waha.memory().chaos.next = vec![429, 429, 429];
    for n in 0..3 {
        let chat = first_contact(&app, 60 + n);
        assert_eq!(app.api("POST", &format!("/api/conversations/{chat}/messages"), Some(json!({"text": "Kami ada jadwal baru"}))).0, 202);
        app.wait_delivered(n + 1);
    }
}
