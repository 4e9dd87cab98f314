//! The team's inbox: who has which chat, notes, put off, later, done, dealt out, and what a phone and a laptop see of it.

use crate::pages::Browserless;
use crate::support::{Kafilah, run};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

fn token(app: &Kafilah, name: &str, role: &str) -> String {
    String::from_utf8(app.cli(&["token", "create", "--role", role, "--name", name]).stdout).unwrap().trim().to_owned()
}

fn call(app: &Kafilah, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let authorization = format!("Bearer {token}");
    let bytes = body.map(|body| body.to_string());
    let answer = app.call(method, path, &[("authorization", &authorization)], bytes.as_ref().map(String::as_bytes));
    (answer.status, answer.json())
}

fn user(app: &Kafilah, name: &str, role: &str) -> String {
    let email = format!("{}@tim.example", name.to_lowercase());
    assert!(run(&app.store(), &["user", "add", "--email", &email, "--name", name, "--role", role, "--password-stdin"], "sandi-panjang\n").status.success());
    email
}

#[test]
fn of_two_who_want_a_chat_exactly_one_gets_it_every_time() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "CL1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let agents = [token(&app, "Rina", "cs"), token(&app, "Dadan", "cs")];
    for round in 0..100 {
        let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
            agents
                .iter()
                .map(|agent| scope.spawn(|| call(&app, agent, "POST", "/api/conversations/conv_1/claim", None)))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|job| job.join().unwrap())
                .collect()
        });
        let winner = answers.iter().position(|(status, _)| *status == 200).expect("somebody wins");
        let (status, lost) = &answers[1 - winner];
        assert_eq!(*status, 409, "round {round}: {answers:?}");
        assert_eq!(lost["error"]["holder"]["name"], ["Rina", "Dadan"][winner], "{lost}");
        assert_eq!(call(&app, &agents[winner], "POST", "/api/conversations/conv_1/claim", None).1["status"], "already_yours");
        assert_eq!(call(&app, &agents[winner], "POST", "/api/conversations/conv_1/release", None).0, 200);
    }
    assert_eq!(call(&app, &agents[0], "POST", "/api/conversations/conv_99/claim", None).0, 404);
}

#[test]
fn a_chat_is_given_noted_put_off_and_done() {
    let app = Kafilah::start();
    let nisa = user(&app, "Nisa", "cs");
    let conversation = app.customer_writes("6281200000001", "NT1", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    let at = |what: &str| format!("/api/conversations/{conversation}/{what}");
    assert_eq!(app.api("POST", &at("assign"), Some(json!({"user": "siapa@tim.example"}))).1["error"]["field"], "user");
    let (status, given) = app.api("POST", &at("assign"), Some(json!({"user": nisa, "note": "ibunya perlu kursi roda"})));
    assert_eq!((status, &given["assignee"]), (200, &json!("Nisa")), "{given}");
    let (status, noted) = app.api("POST", &at("notes"), Some(json!({"text": "@Nisa tolong tahan 2 kursi"})));
    assert_eq!(status, 201, "{noted}");
    assert_eq!(app.api("POST", &at("notes"), Some(json!({"text": "  "}))).0, 422);
    assert!(!app.waha.delivered().iter().any(|line| line.contains("kursi roda") || line.contains("tahan 2")), "customers never see notes");
    let (_, seen) = app.api("GET", &format!("/api/conversations/{conversation}"), None);
    assert_eq!(seen["notes"][0]["text"], "@Nisa tolong tahan 2 kursi");
    let page = Browserless::login(&app, &nisa, "sandi-panjang");
    let (_, inbox) = page.get(&app, "/chats?tab=mine");
    assert!(inbox.contains("memanggil Anda"), "she is called");
    let (_, thread) = page.get(&app, &format!("/chats/{conversation}"));
    assert!(thread.contains("tolong tahan 2 kursi") && thread.contains("ibunya perlu kursi roda"));
    assert!(!page.get(&app, "/chats?tab=mine").1.contains("memanggil Anda"), "she has looked");
    let list = |tab: &str| app.api("GET", &format!("/api/conversations?tab={tab}"), None).1["conversations"].as_array().unwrap().len();
    let act = |what: &str, with: &str| assert_eq!(page.post(&app, &format!("/chats/{conversation}/do"), &[("what", what), ("with", with)]).0, 303, "{what}");
    // put off: out of the lists, back by its time or by the customer
    act("snooze", "1");
    assert_eq!((list("snoozed"), list("handed")), (1, 0));
    let later = (chrono::Utc::now() + chrono::Duration::minutes(61)).to_rfc3339();
    app.api("POST", "/api/test/clock", Some(json!({"now": later})));
    app.wait("the chat to be back", SOON, |_| list("snoozed") == 0);
    act("snooze", "3");
    app.customer_writes("6281200000001", "NT2", "jadi gimana kak?");
    assert_eq!((list("snoozed"), list("handed")), (0, 1));
    act("pin", "");
    assert_eq!(app.api("GET", "/api/conversations", None).1["conversations"][0]["pinned"], true);
    // done: with the bot again, and open again once he writes
    act("resolve", "");
    let (_, one) = app.api("GET", "/api/conversations", None);
    assert!(!one["conversations"][0]["resolved_at"].is_null() && one["conversations"][0]["held_by"].is_null(), "{one}");
    app.customer_writes("6281200000001", "NT3", "kak mau tanya hotel");
    assert!(app.api("GET", "/api/conversations", None).1["conversations"][0]["resolved_at"].is_null());
}

#[test]
fn a_reply_kept_for_later_goes_out_at_its_time_and_once() {
    let mut app = Kafilah::start();
    let rina = user(&app, "Rina", "cs");
    let conversation = app.customer_writes("6281200000001", "LT1", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    let page = Browserless::login(&app, &rina, "sandi-panjang");
    let zone = chrono::FixedOffset::east_opt(7 * 3600).unwrap();
    let at = |hours: i64| (chrono::Utc::now() + chrono::Duration::hours(hours)).with_timezone(&zone).format("%Y-%m-%dT%H:%M").to_string();
    let path = format!("/chats/{conversation}/messages");
    let before = app.waha.delivered().len();
    assert_eq!(page.post(&app, &path, &[("when", "later"), ("text", "kursi kami tahan ya Bu"), ("send_at", &at(2)), ("token", "a")]).0, 303);
    assert_eq!(page.post(&app, &path, &[("when", "later"), ("text", "dibatalkan"), ("send_at", &at(3)), ("token", "b")]).0, 303);
    assert_eq!(page.post(&app, &path, &[("when", "later"), ("text", "kemarin"), ("send_at", &at(-3)), ("token", "c")]).0, 422);
    assert_eq!(page.post(&app, &format!("/chats/{conversation}/do"), &[("what", "call-off"), ("with", "2")]).0, 303);
    assert_eq!(app.waha.delivered().len(), before);
    // what he asks after it was written is not answered by it
    let other = app.customer_writes("6281200000002", "LT2", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(before + 1);
    let before = app.waha.delivered().len();
    let path = format!("/chats/{other}/messages");
    assert_eq!(page.post(&app, &path, &[("when", "later"), ("text", "sudah kami kirim ya Pak"), ("send_at", &at(2)), ("token", "d")]).0, 303);
    assert_eq!(app.api("POST", &format!("/api/conversations/{other}/claim"), None).0, 200);
    app.customer_writes("6281200000002", "LT3", "visa saya ditolak, bagaimana?");
    let waits = |app: &Kafilah| app.api("GET", "/api/conversations?tab=waiting", None).1["conversations"].as_array().unwrap().iter().any(|row| row["id"] == *other);
    app.wait("the customer to wait for a person", SOON, &waits);
    app.kill();
    app.boot();
    let later = (chrono::Utc::now() + chrono::Duration::hours(4)).to_rfc3339();
    app.api("POST", "/api/test/clock", Some(json!({"now": later})));
    app.wait("the reply to go out", SOON, |app| app.waha.delivered().iter().any(|line| line.contains("kursi kami tahan")));
    std::thread::sleep(Duration::from_millis(800));
    assert!(waits(&app), "the reply kept for later answers nothing it could not know");
    assert_eq!(app.waha.delivered().len(), before + 2, "once each, and not what was called off: {:?}", app.waha.delivered());
}

#[test]
fn a_reply_may_answer_one_message_of_the_chat() {
    let mut app = Kafilah::start();
    let rina = user(&app, "Rina", "cs");
    app.customer_writes("6281200000001", "QT1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    app.customer_writes("6281200000002", "QT2", "UMR_APR_2030_HEMAT");
    app.wait_delivered(2);
    let said = |conversation: &str, reply_to: i64| {
        app.api("POST", &format!("/api/conversations/{conversation}/messages"), Some(json!({"text": "yang ini benar Bu", "reply_to": reply_to})))
    };
    let messages = app.api("GET", "/api/conversations/conv_1", None).1["messages"].as_array().unwrap().clone();
    let (theirs, ours) = (messages[0]["id"].as_i64().unwrap(), messages[1]["id"].as_i64().unwrap());
    assert_eq!(said("conv_1", theirs).0, 202);
    // not a message of this chat, and none at all
    assert_eq!((said("conv_2", theirs).0, said("conv_1", 9_999).1["error"]["field"].clone()), (422, json!("reply_to")));
    // one of ours, from the page, kept for later
    let page = Browserless::login(&app, &rina, "sandi-panjang");
    let at = (chrono::Utc::now() + chrono::Duration::hours(2)).with_timezone(&chrono::FixedOffset::east_opt(7 * 3600).unwrap()).format("%Y-%m-%dT%H:%M").to_string();
    let form = [("when", "later"), ("text", "dan ini harganya"), ("send_at", &*at), ("token", "q"), ("reply_to", &*ours.to_string())];
    assert_eq!(page.post(&app, "/chats/conv_1/messages", &form).0, 303);
    app.kill();
    app.boot();
    let later = (chrono::Utc::now() + chrono::Duration::hours(3)).to_rfc3339();
    app.api("POST", "/api/test/clock", Some(json!({"now": later})));
    app.wait("both replies", SOON, |app| ["yang ini benar", "dan ini harganya"].iter().all(|words| app.waha.delivered().iter().any(|line| line.contains(words))));
    let quoted = |words: &str| app.waha.memory().sent.iter().find(|sent| sent.text.contains(words)).unwrap().reply_to.clone().unwrap();
    assert_eq!(quoted("yang ini benar"), "false_6281200000001@c.us_QT1");
    assert_eq!(quoted("dan ini harganya"), format!("true_6281200000001@c.us_{}", messages[1]["message_id"].as_str().unwrap()));
    assert!(app.waha.memory().sent.iter().filter(|sent| sent.reply_to.is_some()).count() == 2, "the bot quotes nothing");
    assert_eq!(page.get(&app, "/chats/conv_1").1.matches("class=\"quote one-line\"").count(), 2);
}

#[test]
fn a_reply_that_crosses_a_colleagues_asks_first() {
    let app = Kafilah::start();
    let (rina, dadan) = (user(&app, "Rina", "cs"), user(&app, "Dadan", "cs"));
    let conversation = app.customer_writes("6281200000001", "CR1", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    let (one, other) = (Browserless::login(&app, &rina, "sandi-panjang"), Browserless::login(&app, &dadan, "sandi-panjang"));
    let path = format!("/chats/{conversation}/messages");
    assert_eq!(one.post(&app, &path, &[("text", "Wa'alaikumussalam Bu"), ("seen", "2"), ("token", "1")]).0, 303);
    let (status, why) = other.post(&app, &path, &[("text", "Halo Bu"), ("seen", "2"), ("token", "2")]);
    assert!(status == 409 && why.contains("baru saja dijawab"), "{status}");
    assert_eq!(other.post(&app, &path, &[("text", "Halo Bu"), ("seen", "2"), ("token", "2"), ("force", "1")]).0, 303);
    app.wait("both replies", SOON, |app| app.waha.delivered().iter().filter(|line| line.contains("Bu")).count() >= 2);
}

#[test]
fn lists_filter_search_and_page() {
    let app = Kafilah::start();
    for n in 0..12 {
        app.customer_writes(&format!("62812000001{n:02}"), &format!("PG{n}"), if n == 7 { "apakah ada kursi roda untuk lansia?" } else { "UMR_APR_2030_HEMAT" });
    }
    // rows move while the bot still answers
    let mut answers = 0;
    app.wait("the bot to be done", SOON, |app| {
        std::thread::sleep(Duration::from_millis(400));
        let now = app.export("messages").iter().filter(|row| row["direction"] == "out").count();
        std::mem::replace(&mut answers, now) == now && now >= 12
    });
    let get = |query: &str| app.api("GET", &format!("/api/conversations?{query}"), None);
    let ids = |answer: &Value| answer["conversations"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let (_, first) = get("limit=5");
    let (_, second) = get(&format!("limit=5&after={}", first["next"].as_str().unwrap()));
    let (_, third) = get(&format!("limit=5&after={}", second["next"].as_str().unwrap()));
    let mut all = [ids(&first), ids(&second), ids(&third)].concat();
    assert!(all.len() == 12 && third["next"].is_null(), "{all:?}");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 12, "no row twice");
    app.wait("the words to be findable", SOON, |_| ids(&get("q=kursi+roda").1) == ["conv_8"]);
    for (query, want) in [
        ("q=lans", 1),
        ("q=0107", 1),
        ("q=081200000107", 1),
        ("q=62812000001", 12),
        ("q=zzz", 0),
        ("q=%27%22%3B--", 0),
        ("q=%E0%A4%B9%E0%A4%BF%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%80", 0),
        ("phase=booking", 0),
        ("assignee=none", 12),
    ] {
        assert_eq!(ids(&get(query).1).len(), want, "{query}");
    }
    for (query, field) in
        [("tab=x", "tab"), ("label=x", "label"), ("phase=x", "phase"), ("assignee=x", "user"), ("after=x", "after"), ("limit=0", "limit"), ("waiting=x", "waiting")]
    {
        let (status, answer) = get(query);
        assert_eq!((status, answer["error"]["field"].as_str()), (422, Some(field)), "{query}");
    }
}

#[test]
fn a_cs_kept_to_his_own_sees_no_other_chat_anywhere() {
    let app = Kafilah::start_with(&[("team.cs_sees", "own")]);
    let (rina, dadan) = (user(&app, "Rina", "cs"), user(&app, "Dadan", "cs"));
    for n in 1..=3 {
        app.customer_writes(&format!("628120000000{n}"), &format!("OW{n}"), "rahasia jamaah");
    }
    app.wait_delivered(3);
    app.api("POST", "/api/conversations/conv_1/assign", Some(json!({"user": rina})));
    app.api("POST", "/api/conversations/conv_2/assign", Some(json!({"user": dadan})));
    let mine = String::from_utf8(app.cli(&["token", "create", "--role", "cs", "--name", "rina", "--user", &rina]).stdout).unwrap().trim().to_owned();
    let (_, list) = call(&app, &mine, "GET", "/api/conversations", None);
    let ids: Vec<&str> = list["conversations"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"conv_1") && ids.contains(&"conv_3") && !ids.contains(&"conv_2"), "{ids:?}");
    for (method, path, body) in [
        ("GET", "/api/conversations/conv_2", None),
        ("POST", "/api/conversations/conv_2/messages", Some(json!({"text": "halo"}))),
        ("POST", "/api/conversations/conv_2/notes", Some(json!({"text": "halo"}))),
        ("POST", "/api/conversations/conv_2/release", None),
        ("GET", "/api/contacts/2", None),
        ("POST", "/api/contacts/2/labels/X1", None),
    ] {
        assert_eq!(call(&app, &mine, method, path, body).0, 404, "{method} {path}");
    }
    let page = Browserless::login(&app, &rina, "sandi-panjang");
    assert_eq!(page.get(&app, "/chats/conv_2").0, 404);
    assert_eq!(page.get(&app, "/contacts/2").0, 404);
    // neither his bookings, nor how many there are, nor by searching
    for contact in [1, 2] {
        assert_eq!(app.api("POST", "/api/bookings", Some(json!({"contact": contact, "package": "UMR_APR_2030_HEMAT", "seats": contact}))).0, 201);
    }
    let (_, booked) = call(&app, &mine, "GET", "/api/bookings", None);
    assert_eq!(booked["bookings"].as_array().unwrap().iter().map(|row| row["contact_id"].as_i64()).collect::<Vec<_>>(), [Some(1)], "{booked}");
    assert_eq!(call(&app, &mine, "GET", "/api/bookings/2", None).0, 404);
    assert!(page.get(&app, "/bookings").1.contains(r#"<span class="count">1</span>"#));
    for query in ["q=0000002", "q=rahasia"] {
        let (_, hits) = call(&app, &mine, "GET", &format!("/api/conversations?{query}"), None);
        assert!(hits["conversations"].as_array().unwrap().iter().all(|row| row["id"] != "conv_2"), "{query}: {hits}");
    }
    let answers: Vec<u16> = (1..=3).map(|row| page.post(&app, &format!("/queue/{row}/discard"), &[]).0).collect();
    assert_eq!(answers.iter().filter(|status| **status == 404).count(), 1, "what waits for a colleague's customer is not his to touch: {answers:?}");
    assert_eq!(page.get(&app, "/chats/conv_1").0, 200);
    app.wait("the look to be written down", SOON, |app| app.export("staff-access").iter().any(|row| row["name"] == "Rina" && row["contact_id"] == 1));
}

#[test]
fn two_contacts_that_are_one_are_merged_and_parted_again() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "MG1", "UMR_APR_2030_HEMAT");
    app.customer_writes("6281200000002", "MG2", "UMR_JUN_2030_VIP");
    app.wait_delivered(2);
    app.api("POST", "/api/contacts/2/labels/Grade%20A", None);
    let before: Vec<Value> = [1, 2].map(|id| app.api("GET", &format!("/api/conversations/conv_{id}"), None).1["messages"].clone()).into();
    assert_eq!(app.api("POST", "/api/contacts/1/merge", Some(json!({"contact": 1}))).0, 409);
    let (status, merged) = app.api("POST", "/api/contacts/1/merge", Some(json!({"contact": 2})));
    assert_eq!(status, 200, "{merged}");
    let (_, one) = app.api("GET", "/api/contacts/1", None);
    assert_eq!(one["identities"].as_array().unwrap().len(), 2, "{one}");
    assert_eq!((one["labels"][0]["name"].as_str(), one["merges"][0]["contact_id"].as_i64()), (Some("Grade A"), Some(2)));
    let both = app.api("GET", "/api/conversations/conv_1", None).1["messages"].as_array().unwrap().len();
    assert_eq!(both, before.iter().map(|page| page.as_array().unwrap().len()).sum::<usize>());
    assert_eq!(app.api("GET", "/api/contacts/2", None).1["id"], 1, "the old id leads to where he lives on");
    let merge = one["merges"][0]["id"].as_i64().unwrap();
    assert_eq!(app.api("POST", &format!("/api/merges/{merge}/undo"), None).0, 200);
    assert_eq!(app.api("POST", &format!("/api/merges/{merge}/undo"), None).0, 409);
    let after: Vec<Value> = [1, 2].map(|id| app.api("GET", &format!("/api/conversations/conv_{id}"), None).1["messages"].clone()).into();
    assert_eq!(before, after, "every message is back where it was");
    assert_eq!(app.api("GET", "/api/contacts/1", None).1["labels"], json!([]));
    assert_eq!(app.api("GET", "/api/contacts/2", None).1["labels"][0]["name"], "Grade A");
    let (status, changed) = app.api("PATCH", "/api/contacts/2", Some(json!({"name": "Pak Budi", "email": "budi@contoh.example", "status": "inactive"})));
    assert_eq!((status, changed["status"].as_str(), changed["name_source"].as_str()), (200, Some("inactive"), Some("typed")), "{changed}");
    assert_eq!(app.api("PATCH", "/api/contacts/2", Some(json!({"email": "bukan"}))).1["error"]["field"], "email");
}

#[test]
fn a_contact_is_written_down_by_hand_and_reached_by_more_than_one_number() {
    let app = Kafilah::start_with(&[("bot.enabled", "off")]);
    app.customer_writes("6281200000001", "CN1", "halo");
    let (status, made) = app.api("POST", "/api/contacts", Some(json!({"phone": "0812-0000-0077", "name": "Ibu Lilis", "email": "lilis@contoh.example"})));
    assert_eq!((status, made["phone"].as_str(), made["name_source"].as_str()), (201, Some("+6281200000077"), Some("typed")), "{made}");
    let id = made["id"].as_i64().unwrap();
    for (body, status, field) in [
        (json!({"name": "Tanpa nomor"}), 422, "phone"),
        (json!({"phone": "bukan"}), 422, "phone"),
        (json!({"phone": "081200000088", "email": "x"}), 422, "email"),
        (json!({"phone": "+62 812 0000 0001"}), 409, "phone"),
    ] {
        let (got, answer) = app.api("POST", "/api/contacts", Some(body));
        assert_eq!((got, answer["error"]["field"].as_str()), (status, Some(field)), "{answer}");
    }
    assert_eq!(app.export("contacts").len(), 2, "what was refused left nothing behind");
    // one person, two numbers: both lead to one contact and one history
    let (status, changed) = app.api("PATCH", &format!("/api/contacts/{id}"), Some(json!({"phone": "0812 0000 0078"})));
    assert_eq!((status, changed["identities"].as_array().unwrap().len()), (200, 2), "{changed}");
    assert_eq!(app.api("PATCH", &format!("/api/contacts/{id}"), Some(json!({"phone": "081200000001"}))).1["error"]["contact_id"], 1);
    app.customer_writes("6281200000078", "CN2", "dari nomor kedua");
    assert_eq!(app.export("contacts").len(), 2);
    assert!(app.api("GET", &format!("/api/contacts/{id}"), None).1["conversations"].as_array().unwrap().len() == 1);
}

/// What a merge mixed is given back: who has the chat, its clock, the unread count, the facts taken over; also along a chain.
#[test]
fn a_merge_taken_back_gives_back_who_had_it_and_what_was_known() {
    let app = Kafilah::start_with(&[("bot.enabled", "off")]);
    let nisa = token(&app, "Nisa", "cs");
    for n in 1..=3 {
        app.customer_writes(&format!("628120000000{n}"), &format!("CH{n}"), "halo");
    }
    assert_eq!(call(&app, &nisa, "POST", "/api/conversations/conv_2/claim", None).0, 200);
    assert_eq!(app.api("PATCH", "/api/contacts/2", Some(json!({"email": "siti@jamaah.example", "name": "Siti"}))).0, 200);
    let row = |id: i64| {
        let (_, list) = app.api("GET", "/api/conversations?limit=50", None);
        list["conversations"].as_array().unwrap().iter().find(|row| row["id"] == format!("conv_{id}")).cloned().unwrap_or_default()
    };
    let before = (row(1)["held_by"].clone(), row(1)["unread"].clone(), row(2)["held_by"].clone(), row(2)["unread"].clone());
    assert_eq!(app.api("POST", "/api/contacts/1/merge", Some(json!({"contact": 2}))).0, 200);
    assert_eq!((row(1)["held_by"].is_null(), app.api("GET", "/api/contacts/1", None).1["email"].as_str()), (false, Some("siti@jamaah.example")));
    assert_eq!(app.api("POST", "/api/contacts/3/merge", Some(json!({"contact": 1}))).0, 200);
    // two steps away, and still found
    assert_eq!(app.api("GET", "/api/conversations/conv_2", None).1["id"], "conv_3");
    assert_eq!(app.api("POST", "/api/merges/2/undo", None).0, 200);
    assert_eq!(app.api("GET", "/api/conversations/conv_2", None).1["id"], "conv_1");
    assert_eq!(app.api("POST", "/api/merges/1/undo", None).0, 200);
    assert_eq!((row(1)["held_by"].clone(), row(1)["unread"].clone(), row(2)["held_by"].clone(), row(2)["unread"].clone()), before);
    let (one, two) = (app.api("GET", "/api/contacts/1", None).1, app.api("GET", "/api/contacts/2", None).1);
    assert!(one["email"].is_null() && one["name"] != "Siti", "{one}");
    assert_eq!((two["email"].as_str(), two["name"].as_str()), (Some("siti@jamaah.example"), Some("Siti")));
}

/// What happened since the merge stays: a chat taken meanwhile is nobody else's, and who has left gets nothing back.
#[test]
fn a_merge_taken_back_late_gives_no_chat_to_the_bot_or_to_who_has_left() {
    let app = Kafilah::start_with(&[("bot.enabled", "off")]);
    let (dadan, rina) = (user(&app, "Dadan", "cs"), user(&app, "Rina", "cs"));
    for n in 1..=2 {
        app.customer_writes(&format!("628120000000{n}"), &format!("LM{n}"), "halo");
    }
    assert_eq!(app.api("POST", "/api/conversations/conv_2/assign", Some(json!({"user": dadan}))).0, 200);
    assert_eq!(app.api("POST", "/api/contacts/1/merge", Some(json!({"contact": 2}))).0, 200);
    assert_eq!(app.api("POST", "/api/conversations/conv_1/assign", Some(json!({"user": rina}))).0, 200);
    assert!(app.cli(&["user", "disable", &dadan]).status.success());
    assert_eq!(app.api("POST", "/api/merges/1/undo", None).0, 200);
    let (_, list) = app.api("GET", "/api/conversations", None);
    let row = |id: &str| list["conversations"].as_array().unwrap().iter().find(|row| row["id"] == id).cloned().unwrap();
    assert_eq!((row("conv_1")["handler"].as_str(), row("conv_1")["assignee"].as_str()), (Some("user"), Some("Rina")), "{list}");
    assert_eq!((row("conv_2")["handler"].as_str(), row("conv_2")["held_by"].is_null(), row("conv_2")["waiting_since"].is_string()), (Some("user"), true, true), "{list}");
}

#[test]
fn who_leaves_the_team_leaves_his_chats_to_it() {
    let app = Kafilah::start_with(&[("bot.enabled", "off")]);
    let (nisa, viewer) = (user(&app, "Nisa", "cs"), user(&app, "Wahyu", "viewer"));
    app.customer_writes("6281200000001", "LV1", "halo");
    let (status, said) = app.api("POST", "/api/conversations/conv_1/assign", Some(json!({"user": viewer})));
    assert_eq!((status, &said["error"]["field"]), (422, &json!("user")), "who may only look gets no chat: {said}");
    assert_eq!(app.api("POST", "/api/conversations/conv_1/assign", Some(json!({"user": nisa}))).0, 200);
    let waits = |app: &Kafilah| app.api("GET", "/api/conversations?tab=waiting", None).1["conversations"].as_array().unwrap().len();
    assert_eq!(waits(&app), 1, "the customer has no answer yet");
    // answered: passed on, nobody begins to wait
    assert_eq!(app.api("POST", "/api/conversations/conv_1/messages", Some(json!({"text": "sudah kami jawab ya"}))).0, 202);
    app.wait_delivered(1);
    assert_eq!(app.api("POST", "/api/conversations/conv_1/assign", Some(json!({"user": null}))).0, 200);
    assert_eq!(app.api("POST", "/api/conversations/conv_1/assign", Some(json!({"user": nisa}))).0, 200);
    assert_eq!(waits(&app), 0);
    assert!(app.cli(&["user", "disable", &nisa]).status.success());
    let (_, list) = app.api("GET", "/api/conversations?tab=unclaimed", None);
    assert_eq!(list["conversations"][0]["id"], "conv_1", "{list}");
}

#[test]
fn a_second_factor_is_asked_for_and_counts_once() {
    let app = Kafilah::start();
    let rina = user(&app, "Rina", "cs");
    let page = Browserless::login(&app, &rina, "sandi-panjang");
    let (_, offered) = page.post(&app, "/profile/factor", &[("what", "begin")]);
    let secret = offered.split("name=\"secret\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let now = chrono::Utc::now().timestamp();
    let code = |n: i64| {
        (0..1_000_000).map(|code| format!("{code:06}")).find(|code| kafilah::kernel::totp::check(&secret, code, now + n * 30, (now / 30) + n - 1) == Some(now / 30 + n)).unwrap()
    };
    assert_eq!(page.post(&app, "/profile/factor", &[("what", "confirm"), ("secret", &secret), ("code", "000000")]).0, 422);
    let first = code(0);
    assert_eq!(page.post(&app, "/profile/factor", &[("what", "confirm"), ("secret", &secret), ("code", &first)]).0, 303);
    let own = kafilah::kernel::totp::new_secret();
    let theirs = (0..1_000_000).map(|code| format!("{code:06}")).find(|code| kafilah::kernel::totp::check(&own, code, now, 0).is_some()).unwrap();
    assert_eq!(page.post(&app, "/profile/factor", &[("what", "confirm"), ("secret", &own), ("code", &theirs)]).0, 404, "a session alone puts no other factor in its place");
    let login = |code: &str| {
        let body = format!("email={}&password=sandi-panjang&code={code}", rina.replace('@', "%40"));
        app.call("POST", "/login", &[("content-type", "application/x-www-form-urlencoded"), ("origin", &app.address)], Some(body.as_bytes())).status
    };
    assert_eq!(login(""), 422, "the password alone is not enough");
    assert_eq!(login(&first), 422, "a code counts once");
    assert_eq!(login(&code(1)), 303);
    let (_, profile) = page.get(&app, "/profile");
    assert_eq!(profile.matches("name=\"session\"").count(), 2, "both devices are listed");
    let guesses: Vec<u16> = (0..7).map(|_| page.post(&app, "/profile/factor", &[("what", "off"), ("code", "000000")]).0).collect();
    assert_eq!((guesses[0], guesses[6]), (422, 429), "guessing from within is slowed too: {guesses:?}");
}

#[test]
fn a_merge_keeps_every_fact_and_takes_no_row_for_a_number() {
    let app = Kafilah::start();
    for n in 1..=2 {
        app.customer_writes(&format!("628120000000{n}"), &format!("MF{n}"), "UMR_APR_2030_HEMAT");
    }
    app.wait_delivered(2);
    let page = Browserless::login(&app, crate::support::EMAIL, crate::support::PASSWORD);
    for name in ["Kota", "Kamar"] {
        assert_eq!(page.post(&app, "/contacts/fields", &[("name", name), ("kind", "text"), ("what", "add")]).0, 303);
    }
    let patch = |id: i64, body: Value| app.api("PATCH", &format!("/api/contacts/{id}"), Some(body));
    assert_eq!(patch(1, json!({"fields": {"kota": "Garut"}})).0, 200);
    assert_eq!(patch(2, json!({"name": "Hj. Siti", "fields": {"kota": "Bandung", "kamar": "Quad"}, "status": "inactive"})).0, 200);
    // few digits are no number: contact 2 is not meant by "2", and a label not by its row
    let (status, said) = page.post(&app, "/contacts/1/do", &[("what", "merge"), ("with", "2")]);
    assert!(status == 422 && said.contains("Nomor ini belum ada di kontak"), "{status}");
    assert_eq!(page.post(&app, "/contacts/1/do", &[("what", "merge"), ("with", "0812-0000-0002")]).0, 303);
    let kept = app.api("GET", "/api/contacts/1", None).1;
    assert_eq!(
        (&kept["name"], &kept["name_source"], &kept["fields"], &kept["status"]),
        (&json!("Hj. Siti"), &json!("typed"), &json!({"kota": "Garut", "kamar": "Quad"}), &json!("inactive")),
        "{kept}"
    );
    assert_eq!(page.post(&app, "/contacts/1/do", &[("what", "undo"), ("with", "1")]).0, 303);
    let (one, two) = (app.api("GET", "/api/contacts/1", None).1, app.api("GET", "/api/contacts/2", None).1);
    assert_eq!((&one["fields"], &one["status"]), (&json!({"kota": "Garut"}), &json!("active")), "{one}");
    assert_eq!((&two["name"], &two["fields"]), (&json!("Hj. Siti"), &json!({"kota": "Bandung", "kamar": "Quad"})));
    // a name nobody can see is none, and no such words go out
    assert_eq!((patch(2, json!({"name": "\u{200b}\u{202e}"})).0, app.api("GET", "/api/contacts/2", None).1["name"].clone()), (200, Value::Null));
    assert_eq!(app.api("POST", "/api/conversations/conv_1/messages", Some(json!({"text": "\u{200b}"}))).0, 422);
}
