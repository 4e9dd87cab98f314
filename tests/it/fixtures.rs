//! The gateway payloads that lie beside the checkout (in the project's shared folder), where they are there: each must
//! be answered as its index says. Elsewhere the test says that it was skipped.

use crate::support::Kafilah;
use serde_json::Value;
use std::path::Path;

#[test]
fn waha_deliveries_are_answered_as_their_index_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/waha");
    let Ok(index) = std::fs::read_to_string(folder.join("index.json")) else {
        println!("SKIPPED: there are no gateway fixtures beside this checkout");
        return;
    };
    let index: Value = serde_json::from_str(&index).unwrap();
    let key = index["secrets"]["hmac_key"].as_str().unwrap();
    let app = Kafilah::start_with(&[("waha.hmac_key", key), ("bot.enabled", "off")]);
    let mut seen = 0;
    for case in index["cases"].as_array().unwrap() {
        let (expect, file) = (&case["expect"], case["file"].as_str().unwrap());
        if !case["headers"].is_object() || expect["action"].is_null() {
            continue;
        }
        seen += 1;
        let body = std::fs::read(folder.join(file)).unwrap();
        let headers: Vec<(&str, &str)> = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.starts_with("x-webhook-hmac"))
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let answer = app.call("POST", "/api/whatsapp/webhook", &headers, Some(&body));
        assert_eq!(u64::from(answer.status), expect["http"].as_u64().unwrap(), "{file}: {}", answer.json());
        let status = answer.json()["status"].as_str().unwrap_or("").to_owned();
        let fits = match expect["action"].as_str().unwrap() {
            "store" => matches!(status.as_str(), "accepted" | "duplicate"),
            "update" => status == "accepted" || status == "ignored" && expect["kind"] == "poll_vote",
            "ignore" => status == "ignored",
            "quarantine" => status == "quarantined",
            _ => answer.status == 401,
        };
        assert!(fits, "{file}: {} for {}", answer.json(), expect["action"]);
        // once more: nothing new may come of it
        let before = app.export("messages").len();
        app.call("POST", "/api/whatsapp/webhook", &headers, Some(&body));
        assert_eq!(app.export("messages").len(), before, "{file} twice");
        if expect["action"] == "store" && expect["kind"] != "call_received" {
            let rows = app.export("messages");
            let row = rows.iter().find(|row| row["message_id"] == expect["message_id"]).unwrap_or_else(|| panic!("{file}: not stored"));
            assert_eq!(row["kind"], expect["kind"], "{file}");
            if expect.get("text").is_some() && expect["must"].is_null() && !["gows_text_lid_resolved.json"].contains(&file) {
                assert_eq!(row["text"], expect["text"], "{file}");
            }
            let at = chrono::DateTime::parse_from_rfc3339(row["at"].as_str().unwrap()).unwrap().timestamp();
            assert_eq!(at, expect["ts"].as_i64().unwrap(), "{file}");
            let phone = expect["from_phone"].as_str().or(expect["to_phone"].as_str());
            if let Some(phone) = phone {
                assert_eq!(row["contact_phone"], format!("+{phone}"), "{file}");
            }
            assert_eq!(row["direction"], expect["direction"], "{file}");
        }
    }
    assert!(seen > 35, "{seen} deliveries were tried");
    let contacts = app.export("contacts");
    assert!(contacts.iter().all(|row| row["name"] != "Amanah Umroh"), "our own name is nobody's");
    assert!(contacts.iter().filter_map(|row| row["phone"].as_str()).all(|phone| !phone.contains("20000000000")), "no LID is a phone");
}

#[test]
fn answers_of_openai_compatible_servers_are_read_as_their_index_says() {
    use kafilah::wire::openai::{Outcome, object_in, read};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/llm");
    let Ok(index) = std::fs::read_to_string(folder.join("index.json")) else {
        println!("SKIPPED: there are no model fixtures beside this checkout");
        return;
    };
    let index: Value = serde_json::from_str(&index).unwrap();
    let cases = index["cases"].as_array().unwrap();
    assert!(cases.len() >= 10);
    for case in cases {
        let (expect, file) = (&case["expect"], case["file"].as_str().unwrap());
        let retry_after = case["headers"]["Retry-After"].as_str().and_then(|text| text.parse().ok());
        let outcome = read(case["status"].as_u64().unwrap() as u16, retry_after, &std::fs::read(folder.join(file)).unwrap());
        let fits = match (expect["outcome"].as_str().unwrap(), &outcome) {
            ("ok", Outcome::Said { text, usage }) => {
                let json = expect.get("json").or(expect["tool"].get("arguments"));
                let words = expect["text"].as_str().is_none_or(|want| want == text);
                let tokens = expect.get("tokens").is_none_or(|want| usage.map_or(Value::Null, |usage| serde_json::json!([usage.prompt, usage.completion])) == *want);
                words && tokens && json.is_none_or(|want| object_in(text).as_ref() == Some(want))
            }
            ("retry_after", Outcome::RetryAfter(seconds)) => expect["seconds"] == *seconds,
            ("retry_backoff", Outcome::Retry(_) | Outcome::Cut(_)) => true,
            // well-formed JSON with a word that is none of ours is found out when the proposal is read
            ("retry_backoff", Outcome::Said { text, .. }) => object_in(text).is_some_and(|value| kafilah::bot::proposal::read(&value).is_err()),
            ("give_up", Outcome::GiveUp(_)) => true,
            ("downgrade", Outcome::Downgrade) => true,
            _ => false,
        };
        assert!(fits, "{file}: {outcome:?} for {expect}");
    }
}
