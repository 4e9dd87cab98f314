//! Labels: the same here and on the phones, every change in an append-only log, whatever events get lost or are made up.

use crate::support::Kafilah;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn on_phone(app: &Kafilah, event: &str, chat: &str, label: &str) -> (u16, Value) {
    let body = json!({"event": event, "session": "default", "engine": "GOWS", "me": {"id": "6281100000009@c.us"}, "payload": {"labelId": label, "chatId": chat, "label": null}});
    app.webhook_raw(body.to_string().as_bytes())
}

fn carried(app: &Kafilah, contact: i64) -> Vec<String> {
    let (status, seen) = app.api("GET", &format!("/api/contacts/{contact}"), None);
    assert_eq!(status, 200, "{seen}");
    seen["labels"].as_array().unwrap().iter().map(|label| label["name"].as_str().unwrap().to_owned()).collect()
}

/// Label, change, source and why of the log, in order.
fn log(app: &Kafilah) -> Vec<String> {
    app.export("label-events").iter().map(|row| ["label", "change", "source", "why"].map(|name| row[name].as_str().unwrap_or("-").to_owned()).join(" ")).collect()
}

#[test]
fn what_is_labelled_here_is_labelled_on_the_phone_and_the_other_way_round() {
    let app = Kafilah::start();
    let chat = "6281200000001@c.us";
    app.waha.memory().labels.push(("7".into(), "Grade A".into(), 1));
    app.waha.memory().book.push((chat.into(), "Bu Siti Rombongan".into()));
    app.customer_writes("6281200000001", "LB1", "UMR_APR_2030_HEMAT");
    app.wait("the labels of the phone", SOON, |app| app.api("GET", "/api/labels", None).1["labels"][0]["name"] == "Grade A");
    // from here to there; the echo of it changes nothing
    let (status, put) = app.api("POST", "/api/contacts/1/labels/Grade%20A", None);
    assert_eq!((status, &put["status"]), (200, &json!("added")), "{put}");
    app.wait("the phone to hear of it", SOON, |app| app.waha.memory().chat_labels.contains(&(chat.to_owned(), "7".to_owned())));
    assert_eq!(on_phone(&app, "label.chat.added", chat, "7").0, 200);
    assert_eq!(app.api("POST", "/api/contacts/1/labels/grade%20a", None).1["status"], "unchanged");
    // a label of ours goes to the phone too
    assert_eq!(app.api("POST", "/api/contacts/1/labels/Lansia", None).0, 200);
    app.wait("a new label on the phone", SOON, |app| app.waha.memory().labels.iter().any(|label| label.1 == "Lansia"));
    app.wait("both on the chat", SOON, |app| app.waha.memory().chat_labels.iter().filter(|(on, _)| on == chat).count() == 2);
    // from there to here, with who it was as far as anybody knows
    app.waha.memory().chat_labels.retain(|(_, label)| label != "7");
    on_phone(&app, "label.chat.deleted", chat, "7");
    let events = app.export("label-events");
    let last = events.last().unwrap();
    // we put it on a moment ago: the same delivery could be an old echo, a removal cannot
    assert_eq!((last["change"].as_str(), last["source"].as_str(), last["actor_certainty"].as_str()), (Some("removed"), Some("whatsapp"), Some("number_only")), "{last}");
    assert_eq!(last["actor"], "number:6281100000009", "the number the delivery itself names: {last}");
    assert_eq!(events[0]["contact_phone"], "+6281200000001");
    assert_eq!(carried(&app, 1), ["Lansia"]);
    // renaming keeps identity, here and there
    assert_eq!(app.api("PUT", "/api/labels/Lansia", Some(json!({"name": "Jamaah lansia"}))).0, 200);
    app.wait("the new name there", SOON, |app| app.waha.memory().labels.iter().any(|label| label.1 == "Jamaah lansia"));
    assert_eq!(app.webhook("label.upsert", json!({"id": "7", "name": "Grade A+", "color": 2, "colorHex": "#ffd429"})).0, 200);
    assert_eq!(app.api("GET", "/api/labels", None).1["labels"][0]["name"], "Grade A+");
    assert_eq!(carried(&app, 1), ["Jamaah lansia"]);
    app.wait("the name from the address book", SOON, |app| app.api("GET", "/api/contacts/1", None).1["name"] == "Bu Siti Rombongan");
    // a deleted label leaves the views and stays in history
    let before = log(&app).len();
    app.webhook("label.deleted", json!({"id": "7", "name": "", "color": 0}));
    assert!(!app.api("GET", "/api/labels", None).1["labels"].as_array().unwrap().iter().any(|label| label["name"] == "Grade A+"));
    assert_eq!(log(&app).len(), before);
    let doctor: Value = serde_json::from_slice(&app.cli(&["doctor", "--json"]).stdout).unwrap();
    assert!(doctor["checks"].as_array().unwrap().iter().any(|check| check["name"] == "labels" && check["verdict"] == "ok"), "{doctor}");
}

#[test]
fn lost_and_invented_events_are_put_right_and_written_down() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "LR1", "UMR_APR_2030_HEMAT");
    app.customer_writes("6281200000002", "LR2", "UMR_APR_2030_HEMAT");
    app.waha.memory().labels.push(("3".into(), "Closing".into(), 3));
    app.wait("the comparison", SOON, |app| app.api("GET", "/api/labels", None).1["labels"][0]["name"] == "Closing");
    // a click nobody made: told by an event, not true at the gateway
    on_phone(&app, "label.chat.added", "6281200000001@c.us", "3");
    assert_eq!(carried(&app, 1), ["Closing"]);
    app.wait("the made-up click to be taken back", SOON, |app| carried(app, 1).is_empty());
    assert_eq!(log(&app), ["Closing added whatsapp -", "Closing removed reconcile spurious"]);
    // a click no event told of
    app.waha.memory().chat_labels.push(("6281200000002@c.us".into(), "3".into()));
    let later = (chrono::Utc::now() + chrono::Duration::minutes(16)).to_rfc3339();
    assert_eq!(app.api("POST", "/api/test/clock", Some(json!({"now": later}))).0, 200);
    app.wait("the missed click to be found", SOON, |app| carried(app, 2) == ["Closing"]);
    assert_eq!(log(&app).last().unwrap(), "Closing added reconcile missed");
    // groups are counted, never kept
    let (status, answer) = on_phone(&app, "label.chat.added", "120363000000000000@g.us", "3");
    assert_eq!((status, &answer["reason"]), (200, &json!("group")));
    assert_eq!(log(&app).len(), 3);
    // twice is once
    on_phone(&app, "label.chat.added", "6281200000002@c.us", "3");
    on_phone(&app, "label.chat.added", "6281200000002@c.us", "3");
    assert_eq!(log(&app).len(), 3);
}

#[test]
fn a_rename_the_gateway_has_not_taken_yet_is_not_undone_by_its_old_word() {
    let app = Kafilah::start();
    app.waha.memory().labels.push(("7".into(), "Grade A".into(), 1));
    app.customer_writes("6281200000001", "LN1", "UMR_APR_2030_HEMAT");
    let name = |app: &Kafilah| app.api("GET", "/api/labels", None).1["labels"][0]["name"].as_str().unwrap_or("").to_owned();
    app.wait("the labels of the phone", SOON, |app| name(app) == "Grade A");
    app.waha.memory().refuses_label_changes = true;
    assert_eq!(app.api("PUT", "/api/labels/Grade%20A", Some(json!({"name": "Grade A1", "color": 5}))).0, 200);
    app.wait("the gateway to refuse", SOON, |app| app.waha.memory().calls.contains(&"rename label 7".to_owned()));
    assert_eq!(app.webhook("label.upsert", json!({"id": "7", "name": "Grade A", "color": 1, "colorHex": "#64c4ff"})).0, 200);
    assert_eq!(name(&app), "Grade A1", "our word is newer");
    app.waha.memory().refuses_label_changes = false;
    app.wait("the gateway to take it", SOON, |app| app.waha.memory().labels[0] == ("7".into(), "Grade A1".into(), 5));
    // a colour alone: the name that stays the same may not be sent with it
    assert_eq!(app.api("PUT", "/api/labels/Grade%20A1", Some(json!({"name": "Grade A1", "color": 2}))).0, 200);
    app.wait("the new colour there", SOON, |app| app.waha.memory().labels[0].2 == 2);
    // deleted there while it was renamed here: it is made anew
    app.waha.memory().labels.clear();
    assert_eq!(app.api("PUT", "/api/labels/Grade%20A1", Some(json!({"name": "Grade A2"}))).0, 200);
    app.wait("the label made anew", SOON, |app| app.waha.memory().labels.iter().any(|label| label.1 == "Grade A2"));
}

#[test]
fn what_is_clicked_on_one_number_is_told_to_the_other() {
    let app = Kafilah::start();
    let chat = "6281200000001@c.us";
    app.waha.memory().labels.push(("3".into(), "Closing".into(), 3));
    app.customer_writes("6281200000001", "TN1", "UMR_APR_2030_HEMAT");
    let second = json!({"event": "message.any", "session": "kedua", "engine": "GOWS", "payload": crate::support::message("6281200000001", "TN2", "halo")});
    assert_eq!(app.webhook_raw(second.to_string().as_bytes()).0, 200);
    app.wait("the label", SOON, |app| app.api("GET", "/api/labels", None).1["labels"][0]["name"] == "Closing");
    app.waha.memory().chat_labels.push((chat.into(), "3".into()));
    assert_eq!(on_phone(&app, "label.chat.added", chat, "3").0, 200);
    app.wait("the other number to hear of it", SOON, |app| app.waha.memory().chat_labels.iter().any(|(at, _)| *at == format!("kedua/{chat}")));
    std::thread::sleep(Duration::from_secs(6)); // the first one has been asked by then
    assert_eq!(log(&app), ["Closing added whatsapp -"]);
    assert_eq!(carried(&app, 1), ["Closing"]);
}

/// A click that was held up on its way is older than what was done here since.
#[test]
fn a_late_click_does_not_undo_a_newer_one() {
    let app = Kafilah::start();
    app.waha.memory().labels.push(("3".into(), "Closing".into(), 3));
    app.customer_writes("6281200000001", "LC1", "UMR_APR_2030_HEMAT");
    app.wait("the label", SOON, |app| app.api("GET", "/api/labels", None).1["labels"][0]["name"] == "Closing");
    assert_eq!(app.api("POST", "/api/contacts/1/labels/Closing", None).0, 200);
    app.wait("the phone to hear of it", SOON, |app| !app.waha.memory().chat_labels.is_empty());
    let before = chrono::Utc::now().timestamp_millis() - 600_000;
    let late = json!({"event": "label.chat.deleted", "session": "default", "engine": "GOWS", "timestamp": before, "payload": {"labelId": "3", "chatId": "6281200000001@c.us", "label": null}});
    assert_eq!(app.webhook_raw(late.to_string().as_bytes()).0, 200);
    assert_eq!(carried(&app, 1), ["Closing"]);
    // and one made at once after ours is found by asking, though it looks like our echo
    assert_eq!(app.api("DELETE", "/api/contacts/1/labels/Closing", None).0, 200);
    app.wait("the phone to hear of that", SOON, |app| app.waha.memory().chat_labels.is_empty());
    std::thread::sleep(Duration::from_secs(1)); // told, and noted as told
    app.waha.memory().chat_labels.push(("6281200000001@c.us".into(), "3".into()));
    on_phone(&app, "label.chat.added", "6281200000001@c.us", "3");
    app.wait("the click to be believed", SOON, |app| carried(app, 1) == ["Closing"]);
}

#[test]
fn a_merged_contact_is_counted_once_and_gets_its_labels_back() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "MG1", "UMR_APR_2030_HEMAT");
    app.customer_writes("6281200000002", "MG2", "UMR_APR_2030_HEMAT");
    for (contact, label) in [(1, "Lansia"), (2, "Lansia"), (2, "VIP")] {
        assert_eq!(app.api("POST", &format!("/api/contacts/{contact}/labels/{label}"), None).0, 200);
    }
    let count =
        |app: &Kafilah| -> Vec<i64> { app.api("GET", "/api/labels", None).1["labels"].as_array().unwrap().iter().map(|label| label["contacts"].as_i64().unwrap()).collect() };
    assert_eq!(count(&app), [2, 1]);
    assert_eq!(app.api("POST", "/api/contacts/1/merge", Some(json!({"contact": 2}))).0, 200);
    assert_eq!((count(&app), carried(&app, 1)), (vec![1, 1], vec!["Lansia".to_owned(), "VIP".into()]));
    assert_eq!(app.api("POST", "/api/merges/1/undo", None).0, 200, "{}", app.log());
    assert_eq!((count(&app), carried(&app, 1), carried(&app, 2)), (vec![2, 1], vec!["Lansia".to_owned()], vec!["Lansia".to_owned(), "VIP".into()]));
    let doctor: Value = serde_json::from_slice(&app.cli(&["doctor", "--json"]).stdout).unwrap();
    assert!(doctor["checks"].as_array().unwrap().iter().any(|check| check["name"] == "labels" && check["verdict"] == "ok"), "{doctor}");
}

#[test]
fn a_segment_counts_whom_it_means() {
    let app = Kafilah::start();
    for n in 1..=5 {
        app.customer_writes(&format!("628120000000{n}"), &format!("SG{n}"), "UMR_APR_2030_HEMAT");
    }
    for (contact, label) in [(1, "Grade%20A"), (2, "Grade%20A"), (3, "Grade%20A"), (3, "Closing"), (4, "Grade%20B")] {
        assert_eq!(app.api("POST", &format!("/api/contacts/{contact}/labels/{label}"), None).0, 200);
    }
    let count = |expr: &str| {
        let encoded: String = expr.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
        let (status, answer) = app.api("GET", &format!("/api/segments/count?expr={encoded}"), None);
        if status == 200 { answer["count"].as_i64().unwrap() } else { -i64::from(status) }
    };
    let asked = [
        ("Grade A", 3),
        ("Grade A and not Closing", 2),
        ("\"Grade A\" dan bukan \"Closing\"", 2),
        ("Grade A or Grade B", 4),
        ("not Grade A", 2),
        ("Grade A, added < 30 days", 3),
        ("Grade A added > 30 days", 0),
        ("(Grade A or Grade B) and phase:leads", 4),
        ("status:active", 5),
        ("Grade A and Hilang", -422),
        ("Grade A and (", -422),
        ("", -422),
    ];
    for (expr, want) in asked {
        assert_eq!(count(expr), want, "{expr}");
    }
    assert_eq!(app.api("DELETE", "/api/contacts/3/labels/Grade%20A", None).1["status"], "removed");
    assert_eq!(count("Grade A"), 2);
    assert_eq!(app.api("POST", "/api/contacts/99/labels/Grade%20A", None).0, 404);
    assert_eq!(app.api("POST", "/api/contacts/1/labels/987654", None).0, 404, "digits are an id, and a wrong one is a mistake");
    let (_, list) = app.api("GET", "/api/conversations?label=Grade%20A", None);
    assert_eq!(list["conversations"].as_array().unwrap().len(), 2);
    let exported = app.export("contacts");
    assert_eq!(exported.iter().filter(|row| row["labels"].as_str().is_some_and(|labels| labels.contains("Grade A"))).count(), 2);
    // a file of hashes for an audience, without those who said stop
    app.customer_writes("6281200000001", "SG9", "STOP jangan kirim lagi");
    app.wait("the wish to be heard", SOON, |app| !app.api("GET", "/api/contacts/1", None).1["opted_out_at"].is_null());
    let out = app.cli(&["export", "custom-audience", "--segment", "Grade A"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let csv = String::from_utf8(out.stdout).unwrap();
    let rows: Vec<&str> = csv.lines().collect();
    use sha2::Digest;
    let hash = kafilah::kernel::ids::hex(&sha2::Sha256::digest(b"6281200000002"));
    assert_eq!(rows.len(), 2, "{csv}");
    assert!(rows[0].starts_with("phone,") && rows[1].starts_with(&hash) && !csv.contains("62812"), "{csv}");
}
