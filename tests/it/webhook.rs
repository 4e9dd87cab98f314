//! What the webhook takes, refuses, keeps and recognises.

use crate::support::{KEY, Kafilah, message};
use kafilah::wire::signature::sign_sha512;
use serde_json::{Value, json};
use std::time::Duration;

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

#[test]
fn signatures_tokens_and_bad_bodies_get_clear_answers() {
    let app = Kafilah::start();
    let body = json!({"event": "message.any", "session": "default", "payload": message("6281200000001", "A1", "halo")}).to_string();
    let token = format!("Bearer {}", app.token);
    let signed = sign_sha512(KEY, body.as_bytes());
    let deep = format!("{{\"event\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    let large = format!("{{\"event\":\"message\",\"x\":\"{}\"}}", "y".repeat(1_100_000));
    let cases: Vec<(&str, Vec<(&str, &str)>, &str, u16)> = vec![
        ("no proof", vec![], &body, 401),
        ("wrong signature", vec![("x-webhook-hmac", "00ff")], &body, 401),
        ("other algorithm", vec![("x-webhook-hmac", &signed), ("x-webhook-hmac-algorithm", "md5")], &body, 401),
        ("wrong token", vec![("authorization", "Bearer nope")], &body, 401),
        ("right token", vec![("authorization", &token)], &body, 200),
        ("not JSON", vec![("authorization", &token)], "{\"a\":", 400),
        ("too deep", vec![("authorization", &token)], &deep, 400),
        ("too large", vec![("authorization", &token)], &large, 413),
        ("no event", vec![("authorization", &token)], "{\"x\":1}", 422),
        ("payload null", vec![("authorization", &token)], "{\"event\":\"message\",\"payload\":null}", 422),
        ("a list", vec![("authorization", &token)], "[]", 422),
    ];
    for (name, headers, body, want) in cases {
        let answer = app.call("POST", "/api/whatsapp/webhook", &headers, Some(body.as_bytes()));
        assert_eq!(answer.status, want, "{name}: {}", answer.json());
        if want >= 400 {
            assert!(answer.json()["error"]["message"].is_string(), "{name}");
        }
    }
    // rightly signed but unreadable: kept for a person, never refused
    for bad in [&b"{\"event\":"[..], b"{\"event\":\"message\",\"payload\":null}", b"[]", deep.as_bytes()] {
        let (status, answer) = app.webhook_raw(bad);
        assert_eq!((status, answer["status"].as_str()), (200, Some("quarantined")), "{answer}");
    }
    // content of a type no engine sends would be lost in the reading
    for (part, value) in [("body", json!({"text": "halo"})), ("body", json!(5)), ("timestamp", json!([1])), ("from", json!(62)), ("fromMe", json!("no"))] {
        let mut payload = message("6281200000001", "A2", "halo");
        payload[part] = value;
        let body = json!({"event": "message.any", "session": "default", "payload": payload}).to_string();
        let (status, answer) = app.webhook_raw(body.as_bytes());
        assert_eq!((status, &answer["status"], &answer["reason"]), (200, &json!("quarantined"), &json!("wrong_type")), "{part}: {answer}");
        let refused = app.call("POST", "/api/whatsapp/webhook", &[("authorization", &token)], Some(body.as_bytes()));
        assert_eq!((refused.status, &refused.json()["error"]["field"]), (422, &json!(format!("payload.{part}"))));
    }
    let session = json!({"event": "message.any", "session": 5, "payload": message("6281200000001", "A2", "halo")}).to_string();
    assert_eq!(app.webhook_raw(session.as_bytes()).1["status"], "quarantined");
    // half an emoji, cut by the gateway: the rest is read all the same
    let cut = json!({"event": "message.any", "session": "default", "payload": message("6281200000009", "A3", "halo PART")}).to_string().replace("PART", "\\ud83d");
    assert_eq!(app.webhook_raw(cut.as_bytes()).1["status"], "accepted");
    assert!(app.export("messages").iter().any(|row| row["text"] == "halo \u{FFFD}"));
    assert_eq!(app.export("quarantine").len(), 10, "all of them kept, with their bytes");
    assert_eq!(app.export("messages").iter().filter(|row| row["direction"] == "in").count(), 2);
}

#[test]
fn the_briefs_plain_body_is_taken_and_names_its_wrong_field() {
    let app = Kafilah::start();
    let token = format!("Bearer {}", app.token);
    let post = |body: serde_json::Value| {
        let answer = app.call("POST", "/api/whatsapp/webhook", &[("authorization", &token)], Some(body.to_string().as_bytes()));
        (answer.status, answer.json())
    };
    let sample = json!({"from": "6281234567890", "body": "UMR_MAR_2025_HEMAT", "timestamp": "2025-01-25 10:30:00", "message_id": "wamid.xxx"});
    let (status, answer) = post(sample.clone());
    assert_eq!((status, &answer["status"], &answer["message_id"]), (200, &json!("accepted"), &json!("wamid.xxx")));
    assert!(answer["conversation_id"].as_str().unwrap().starts_with("conv_"));
    assert_eq!(post(sample).1, json!({"status": "duplicate"}));
    let (status, answer) = post(json!({"from": "abc", "body": "x", "message_id": "2"}));
    assert_eq!((status, &answer["error"]["field"]), (422, &json!("from")));
    let row = &app.export("messages")[0];
    assert_eq!(row["at"], "2025-01-25T10:30:00+07:00", "a time without zone is the agency's");
    let sent = app.wait_delivered(1);
    assert!(sent[0].contains("sudah berangkat"), "{sent:?}");
}

#[test]
fn one_message_under_two_envelopes_and_two_addresses_is_one() {
    let app = Kafilah::start();
    let payload = |chat: &str, alt: &str| {
        json!({"id": format!("false_{chat}_DUP1"), "timestamp": chrono::Utc::now().timestamp(), "from": chat, "fromMe": false, "body": "halo", "hasMedia": false,
               "_data": {"Info": {"SenderAlt": alt, "PushName": "Siti"}, "Message": {"conversation": "halo"}}})
    };
    assert_eq!(app.webhook("message", payload("200000000000077@lid", "")).1["status"], "accepted");
    assert_eq!(app.webhook("message.any", payload("6281200000077@c.us", "200000000000077@lid")).1["status"], "duplicate");
    // the second delivery told the phone: one contact with both identities
    let contacts = app.export("contacts");
    assert_eq!(contacts.len(), 1, "{contacts:?}");
    assert_eq!(app.api("GET", "/api/conversations?q=6281200000077", None).1["conversations"].as_array().unwrap().len(), 1, "found by the number learnt later");
    assert_eq!((&contacts[0]["phone"], &contacts[0]["lid"]), (&json!("+6281200000077"), &json!("200000000000077@lid")));
    app.wait_delivered(1);
    assert_eq!(app.waha.delivered().len(), 1);
}

#[test]
fn two_contacts_that_turn_out_to_be_one_are_merged_with_their_history() {
    let app = Kafilah::start();
    let text = |chat: &str, id: &str, alt: &str| {
        json!({"id": format!("false_{chat}_{id}"), "timestamp": chrono::Utc::now().timestamp(), "from": chat, "fromMe": false, "body": "UMR_APR_2030_HEMAT", "hasMedia": false,
               "_data": {"Info": {"SenderAlt": alt}, "Message": {"conversation": "x"}}})
    };
    let first = app.webhook("message.any", text("200000000000088@lid", "M1", "")).1;
    let second = app.webhook("message.any", text("6281200000088@c.us", "M2", "")).1;
    assert_ne!(first["conversation_id"], second["conversation_id"], "nothing tells yet that they are one");
    app.wait_delivered(2);
    let third = app.webhook("message.any", text("200000000000088@lid", "M3", "6281200000088@s.whatsapp.net")).1;
    assert_eq!(third["conversation_id"], second["conversation_id"]);
    assert_eq!(app.export("contacts").len(), 1);
    let rows = app.export("messages");
    assert!(rows.iter().all(|row| row["conversation_id"] == second["conversation_id"]), "{rows:?}");
    // a LID alone is asked about at the gateway and never written down as a phone
    assert!(rows.iter().all(|row| row["contact_phone"] == "+6281200000088"));
}

#[test]
fn groups_status_channels_and_system_are_ignored_and_counted() {
    let app = Kafilah::start();
    for (chat, reason) in [("1203@g.us", "group"), ("status@broadcast", "status"), ("1203@newsletter", "newsletter"), ("0@c.us", "system")] {
        let payload = json!({"id": format!("false_{chat}_X1"), "timestamp": 1785722460, "from": chat, "fromMe": false, "body": "x", "hasMedia": false});
        assert_eq!(app.webhook("message.any", payload).1, json!({"status": "ignored", "reason": reason}));
    }
    assert_eq!(app.webhook("business.profile.changed", json!({})).1, json!({"status": "ignored", "reason": "unknown_event"}));
    assert!(app.export("conversations").is_empty() && app.export("contacts").is_empty());
}

#[test]
fn a_receipt_before_its_message_an_edit_and_a_revocation_are_applied() {
    let app = Kafilah::start();
    app.webhook("message.edited", json!({"id": "false_6281200000003@c.us_E9", "from": "6281200000003@c.us", "fromMe": false, "body": "UMR_JUN_2030_VIP", "editedMessageId": "LATE1", "timestamp": 1785722460}));
    app.customer_writes("6281200000003", "LATE1", "UMR_APR_2030_HEMAT");
    let row = app.export("messages").into_iter().find(|row| row["message_id"] == "LATE1").unwrap();
    assert_eq!(row["text"], "UMR_JUN_2030_VIP", "the edit overtook its message");
    app.wait_delivered(1); // what is taken back before the bot's turn is not answered
    app.webhook(
        "message.revoked",
        json!({"after": {"id": "false_6281200000003@c.us_R1", "from": "6281200000003@c.us", "fromMe": false}, "before": null, "revokedMessageId": "LATE1"}),
    );
    assert!(app.export("messages").iter().any(|row| row["message_id"] == "LATE1" && row["revoked_at"].is_string()));
    // receipts move forward only, whatever their order
    let sent = {
        app.wait_delivered(1);
        app.waha.memory().sent[0].clone()
    };
    for (level, _) in [(3, "READ"), (2, "DEVICE"), (1, "SERVER")] {
        app.webhook("message.ack", json!({"id": format!("true_200000000000011@lid_{}", sent.id), "from": "200000000000011@lid", "fromMe": true, "ack": level}));
    }
    app.wait("the read receipt", Duration::from_secs(5), |app| app.export("messages").iter().any(|row| row["message_id"] == sent.id.as_str() && row["status"] == "read"));
    assert_eq!(app.export("outbox")[0]["state"], "read");
}

#[test]
fn a_reply_from_the_phone_is_a_persons_and_silences_the_bot() {
    let app = Kafilah::start();
    app.customer_writes("6281200000004", "P1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let own = json!({"id": "true_6281200000004@c.us_PH1", "timestamp": chrono::Utc::now().timestamp(), "from": "6281200000004@c.us", "fromMe": true, "source": "app", "body": "Siap Bu, saya bantu",
                     "hasMedia": false, "_data": {"Info": {"PushName": "Kantor"}, "Message": {"conversation": "x"}}});
    assert_eq!(app.webhook("message.any", own).1["status"], "accepted");
    app.customer_writes("6281200000004", "P2", "UMR_JUN_2030_VIP");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(app.waha.delivered().len(), 1, "the bot is silent while a person is in the chat");
    let rows = app.export("messages");
    assert!(rows.iter().any(|row| row["message_id"] == "PH1" && row["author"] == "phone"));
    assert_eq!(app.export("contacts")[0]["name"], "Bu Uji", "our own name is not the customer's");
    assert_eq!(app.export("handovers")[0]["reason"], "phone_reply");
    let conversation = rows[0]["conversation_id"].as_str().unwrap().to_owned();
    let (status, _) = app.api("POST", &format!("/api/conversations/{conversation}/release"), Some(json!({"to": "bot"})));
    assert_eq!(status, 200);
    app.customer_writes("6281200000004", "P3", "UMR_JUN_2030_VIP");
    app.wait_delivered(2);
}

#[test]
fn a_photo_is_fetched_at_once_and_kept_by_its_hash() {
    let app = Kafilah::start();
    let jpeg = [b"\xff\xd8\xff\xe0".as_slice(), &[7u8; 500]].concat();
    app.waha.memory().files.insert("default/AC40.jpeg".into(), jpeg.clone());
    let payload = json!({"id": "false_6281200000005@c.us_AC40", "timestamp": chrono::Utc::now().timestamp(), "from": "6281200000005@c.us", "fromMe": false, "body": null, "hasMedia": true,
                         "media": {"url": "http://waha:3000/api/files/default/AC40.jpeg", "mimetype": "image/jpeg", "filename": null}, "_data": {"Message": {"imageMessage": {}}}});
    assert_eq!(app.webhook("message.any", payload).1["status"], "accepted");
    app.wait("the file", Duration::from_secs(8), |app| std::fs::read_dir(app.store().join("media")).unwrap().flatten().any(|entry| entry.file_name().len() == 64));
    let kept = std::fs::read_dir(app.store().join("media")).unwrap().flatten().find(|entry| entry.file_name().len() == 64).unwrap();
    assert_eq!(std::fs::read(kept.path()).unwrap(), jpeg);
    app.wait("the answer to a file", Duration::from_secs(8), |app| app.export("escalations").iter().any(|row| row["reason"] == "media_received"));
}

fn envelope(event: &str, payload: &Value) -> Vec<u8> {
    json!({"event": event, "session": "default", "engine": "NOWEB", "me": {"id": "6281155555555@c.us", "lid": "100000000000005@lid"}, "payload": payload}).to_string().into_bytes()
}

#[test]
fn our_own_number_beside_a_customers_address_is_never_the_customers() {
    let app = Kafilah::start();
    for lid in ["300000000000001", "300000000000002"] {
        let inbound = json!({"id": format!("false_{lid}@lid_IN{lid}"), "timestamp": now(), "from": format!("{lid}@lid"), "fromMe": false, "body": "halo", "_data": {"key": {"remoteJid": format!("{lid}@lid")}, "message": {"conversation": "halo"}}});
        assert_eq!(app.webhook_raw(&envelope("message.any", &inbound)).0, 200);
    }
    for (lid, beside) in [("300000000000001", "senderPn"), ("300000000000002", "senderPn"), ("300000000000001", "remoteJidAlt"), ("300000000000002", "remoteJidAlt")] {
        let echo = json!({"id": format!("true_{lid}@lid_OUT{lid}{beside}"), "timestamp": now(), "from": format!("{lid}@lid"), "fromMe": true, "source": "app", "body": "jawaban",
                          "_data": {"key": {"remoteJid": format!("{lid}@lid"), "fromMe": true, beside: "6281155555555@s.whatsapp.net"}, "message": {"conversation": "x"}}});
        assert_eq!(app.webhook_raw(&envelope("message.any", &echo)).0, 200);
    }
    let call =
        json!({"id": "C1", "from": "300000000000001@lid", "timestamp": now(), "isVideo": false, "isGroup": false, "_data": {"CallCreatorAlt": "6281155555555@s.whatsapp.net"}});
    assert_eq!(app.webhook_raw(&envelope("call.received", &call)).0, 200);
    let contacts = app.export("contacts");
    assert_eq!(contacts.len(), 2, "two people stay two: {contacts:?}");
    assert!(contacts.iter().all(|contact| contact["phone"].as_str().unwrap_or("").is_empty()), "{contacts:?}");
    // notes to oneself, in either form of the address
    for own in ["6281155555555@c.us", "100000000000005@lid"] {
        let note =
            json!({"id": format!("true_{own}_SELF{}", own.len()), "timestamp": now(), "from": own, "to": own, "fromMe": true, "source": "app", "body": "catatan", "_data": {}});
        assert_eq!(app.webhook_raw(&envelope("message.any", &note)).1["reason"], "self", "{own}");
    }
}

#[test]
fn only_its_sender_changes_a_message() {
    let app = Kafilah::start();
    app.customer_writes("6281399990001", "OWN1", "saya pesan 2 kursi");
    app.customer_writes("6281399990002", "OWN2", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let text = |app: &Kafilah, id: &str| app.export("messages").iter().find(|row| row["message_id"] == id).map(|row| row["text"].clone()).unwrap_or_default();
    let edit = |who: &str, target: &str, at: i64, body: &str| json!({"id": format!("false_{who}@c.us_E{at}"), "timestamp": at, "from": format!("{who}@c.us"), "fromMe": false, "body": body, "editedMessageId": target});
    assert_eq!(app.webhook("message.edited", edit("6281399990002", "OWN1", now(), "saya pesan 9 kursi")).1["reason"], "foreign_change");
    assert_eq!(text(&app, "OWN1"), "saya pesan 2 kursi");
    let ours = app.waha.memory().sent.last().unwrap().id.clone();
    let said = text(&app, &ours);
    app.webhook("message.edited", edit("6281399990002", &ours, now(), "Harga: Rp1.000.000"));
    app.webhook(
        "message.revoked",
        json!({"after": {"id": format!("false_6281399990002@c.us_{ours}"), "from": "6281399990002@c.us", "fromMe": false}, "before": null, "revokedMessageId": ours}),
    );
    assert_eq!(text(&app, &ours), said);
    assert!(app.export("messages").iter().all(|row| row["revoked_at"].as_str().unwrap_or("").is_empty()));
    // his own, in whatever order the edits come, and told twice
    app.webhook("message.edited", edit("6281399990001", "OWN1", now() - 10, "tiga"));
    app.webhook("message.edited", edit("6281399990001", "OWN1", now() - 50, "dua"));
    app.webhook("message.edited", edit("6281399990001", "OWN1", now() - 10, "tiga"));
    assert_eq!(text(&app, "OWN1"), "tiga");
    // without a chat the bare id tells
    assert_eq!(app.webhook("message.revoked", json!({"after": null, "before": null, "revokedMessageId": "OWN1"})).0, 200);
    assert!(app.export("messages").iter().any(|row| row["message_id"] == "OWN1" && !row["revoked_at"].as_str().unwrap_or("").is_empty()));
}

#[test]
fn receipts_end_the_same_in_whatever_order_they_come() {
    let app = Kafilah::start();
    let ack =
        |id: &str, level: i64, name: &str| json!({"id": format!("true_6281399990003@c.us_{id}"), "from": "6281399990003@c.us", "fromMe": true, "ack": level, "ackName": name});
    for (n, order) in [[-1, 1], [1, -1]].into_iter().enumerate() {
        let early = format!("EARLY{n}");
        let late = format!("LATE{n}");
        let from_phone = |id: &str| json!({"id": format!("true_6281399990003@c.us_{id}"), "timestamp": now(), "from": "6281399990003@c.us", "fromMe": true, "source": "app", "body": "dari hp", "_data": {}});
        app.webhook("message.any", from_phone(&late));
        for level in order {
            let name = if level < 0 { "ERROR" } else { "SERVER" };
            app.webhook("message.ack", ack(&late, level, name));
            app.webhook("message.ack", ack(&early, level, name));
        }
        app.webhook("message.any", from_phone(&early));
    }
    let statuses: Vec<Value> = app.export("messages").iter().map(|row| row["status"].clone()).collect();
    assert_eq!(statuses, ["failed", "failed", "failed", "failed"]);
    app.webhook("message.ack", ack("LATE0", 3, "READ"));
    assert!(app.export("messages").iter().any(|row| row["message_id"] == "LATE0" && row["status"] == "read"), "a phone that has it knows better");
}

#[test]
fn protocol_and_impossible_names_make_no_message() {
    let app = Kafilah::start();
    let with = |id: &str, content: Value| json!({"id": format!("false_6281399990004@c.us_{id}"), "timestamp": now(), "from": "6281399990004@c.us", "fromMe": false, "body": null, "_data": {"key": {}, "message": content}});
    for (n, content) in [
        json!({"editedMessage": {"message": {"protocolMessage": {"type": 14}}}}),
        json!({"pinInChatMessage": {}}),
        json!({"pollUpdateMessage": {}, "messageContextInfo": {}}),
        json!({"albumMessage": {"expectedImageCount": 2}}),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(app.webhook("message.any", with(&format!("P{n}"), content)).1["reason"], "protocol");
    }
    let waiting = json!({"id": "false_6281399990004@c.us_W1", "timestamp": now(), "from": "6281399990004@c.us", "fromMe": false, "body": null, "_data": {"messageStubType": 2}});
    assert_eq!(app.webhook("message.any", waiting.clone()).1["status"], "accepted", "it is not lost");
    std::thread::sleep(Duration::from_millis(300));
    assert!(app.waha.delivered().is_empty(), "and nothing is said to what nobody could read");
    assert_eq!(app.customer_writes("6281399990004", "W1", "UMR_APR_2030_HEMAT")["status"], "accepted", "the same id, decrypted");
    assert!(app.wait_delivered(1)[0].contains("Hemat"));
    assert_eq!(app.webhook("message.any", waiting).1["status"], "duplicate");
    // a file is content too
    let stub = json!({"id": "false_6281399990004@c.us_W2", "timestamp": now(), "from": "6281399990004@c.us", "fromMe": false, "body": null, "_data": {"messageStubType": 2}});
    assert_eq!(app.webhook("message.any", stub).1["status"], "accepted");
    let image = json!({"id": "false_6281399990004@c.us_W2", "timestamp": now(), "from": "6281399990004@c.us", "fromMe": false, "body": null, "hasMedia": true, "media": {"url": null, "mimetype": "image/jpeg"},
                       "_data": {"message": {"imageMessage": {}}}});
    assert_eq!(app.webhook("message.any", image.clone()).1["status"], "accepted");
    assert_eq!(app.webhook("message.any", image).1["status"], "duplicate");
    assert_eq!(app.webhook("message.any", with("PL", json!({"pollCreationMessageV5": {"name": "?"}}))).0, 200);
    assert_eq!(app.export("messages").iter().filter(|row| row["direction"] == "in").map(|row| row["kind"].clone()).collect::<Vec<_>>(), ["text", "image", "poll"]);
    for (session, id) in [("../x", "false_6281399990004@c.us_S1"), ("", "false_6281399990004@c.us_S2"), ("default", "false_6281399990004@c.us_A\u{0}B")] {
        let body =
            json!({"event": "message.any", "session": session, "payload": {"id": id, "timestamp": now(), "from": "6281399990004@c.us", "fromMe": false, "body": "x"}}).to_string();
        assert_eq!(app.webhook_raw(body.as_bytes()).1["status"], "quarantined", "{session:?} {id:?}");
    }
    let stranger = json!({"id": "false_abc@lid_L1", "timestamp": now(), "from": "abc@lid", "fromMe": false, "body": "x"});
    assert_eq!(app.webhook("message.any", stranger).1["reason"], "system");
}

#[test]
fn the_number_and_the_hidden_id_are_learnt_from_both_sides_of_a_delivery() {
    let app = Kafilah::start();
    let both = json!({"id": "false_200000000001216@lid_B1", "timestamp": now(), "from": "6281300001216@c.us", "to": "6281155555555@c.us", "fromMe": false, "body": "halo", "_data": {"id": {"id": "B1"}, "type": "chat"}});
    assert_eq!(app.webhook_raw(&envelope("message.any", &both)).0, 200);
    let contacts = app.export("contacts");
    assert_eq!((contacts.len(), &contacts[0]["phone"], &contacts[0]["lid"]), (1, &json!("+6281300001216"), &json!("200000000001216@lid")));
}
