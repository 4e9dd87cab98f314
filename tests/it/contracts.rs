//! The JSON contracts of the marketing tools: leads, dashboard, handover.

use crate::support::{Kafilah, run};
use serde_json::{Value, json};

#[test]
fn a_lead_is_one_however_often_it_is_reported() {
    let app = Kafilah::start();
    let sample = json!({
        "phone": "6281234567890", "name": "From WhatsApp", "phase": "booking", "interested_package": "UMR_APR_2030_HEMAT",
        "conversation_summary": "Customer interested in April package, asking about payment", "source": "meta_ads_campaign_123", "ai_confidence": 0.85,
    });
    let (status, first) = app.api("POST", "/api/marketing/leads", Some(sample.clone()));
    assert_eq!((status, first["status"].as_str()), (201, Some("created")), "{first}");
    let (status, again) = app.api("POST", "/api/marketing/leads", Some(json!({"phone": "0812-3456-7890", "name": "Ibu Ratna", "phase": "leads"})));
    assert_eq!((status, &again["lead_id"]), (200, &first["lead_id"]), "the same phone, written otherwise: {again}");
    let leads = app.export("leads");
    assert_eq!(leads.len(), 1);
    for (column, want) in [
        ("contact_phone", json!("+6281234567890")),
        ("contact_name", json!("Ibu Ratna")),
        ("phase", json!("booking")),
        ("package_code", json!("UMR_APR_2030_HEMAT")),
        ("confidence", json!(0.85)),
    ] {
        assert_eq!(leads[0][column], want, "{column}: {}", leads[0]);
    }
    for (body, field) in
        [(json!({"phone": "x"}), "phone"), (json!({"phone": "6281234567890", "phase": "won"}), "phase"), (json!({"phone": "6281234567890", "ai_confidence": 3}), "ai_confidence")]
    {
        let (status, answer) = app.api("POST", "/api/marketing/leads", Some(body));
        assert_eq!((status, answer["error"]["field"].as_str()), (422, Some(field)), "{answer}");
    }
}

#[test]
fn payment_makes_a_lead_an_alert_and_a_line_on_the_dashboard() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "L1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    app.customer_writes("6281200000001", "L2", "DP berapa kak? mau daftar 2 orang");
    app.wait_delivered(2);
    let leads = app.export("leads");
    assert_eq!((leads.len(), leads[0]["phase"].as_str(), leads[0]["source"].as_str()), (1, Some("booking"), Some("UMR_APR_2030_HEMAT")), "{leads:?}");
    let (status, dashboard) = app.api("GET", "/api/marketing/dashboard", None);
    assert_eq!(status, 200);
    assert_eq!((dashboard["active_conversations"].as_i64(), dashboard["escalated_conversations"].as_i64()), (Some(1), Some(1)), "{dashboard}");
    assert_eq!(dashboard["phase_distribution"], json!({"leads": 0, "interest": 0, "booking": 1, "paid": 0}));
    let waiting = &dashboard["pending_handover"][0];
    assert_eq!(
        (waiting["phone"].as_str(), waiting["phase"].as_str(), waiting["interested_package"].as_str()),
        (Some("6281200000001"), Some("booking"), Some("Umroh April 2030 Hemat")),
        "{waiting}"
    );
    assert!(waiting["last_message"].as_str().unwrap().contains("DP berapa") && waiting["ai_notes"].as_str().unwrap().contains("payment_intent"), "{waiting}");
    let url = waiting["conversation_url"].as_str().unwrap();
    assert_eq!(app.api("GET", url, None).0, 200, "{url}");
}

#[test]
fn a_handover_is_taken_once() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "H1", "halo");
    app.wait_delivered(1);
    for name in ["sales_admin_1", "sales_admin_2"] {
        let made =
            run(&app.store(), &["user", "add", "--email", &format!("{name}@uji.example"), "--name", name, "--role", "sales_admin", "--password-stdin"], "passwordpassword\n");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let hand = |to: &str| {
        app.api(
            "POST",
            "/api/conversations/handover",
            Some(json!({"conversation_id": "conv_1", "assigned_to": to, "handover_notes": "Customer ready to pay DP, needs bank details"})),
        )
    };
    let (status, first) = hand("sales_admin_1");
    assert_eq!((status, first["assignee"].as_str()), (200, Some("sales_admin_1")), "{first}");
    assert_eq!(hand("sales_admin_1").0, 200, "the same person again changes nothing");
    let (status, second) = hand("sales_admin_2");
    assert_eq!((status, second["error"]["code"].as_str()), (409, Some("taken")));
    assert!(second["error"]["message"].as_str().unwrap().contains("sales_admin_1"), "names who has it: {second}");
    assert_eq!(app.api("POST", "/api/conversations/handover", Some(json!({"conversation_id": "conv_99", "assigned_to": "sales_admin_1"}))).0, 404);
    let rows: Vec<Value> = app.export("handovers");
    assert!(rows.iter().any(|row| row["note"].as_str().is_some_and(|note| note.contains("bank details"))), "{rows:?}");
    app.customer_writes("6281200000001", "H2", "hotelnya di mana?");
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(app.wait_delivered(1).len(), 1, "the bot is silent while a person has the chat");
}

#[test]
fn analytics_state_both_views_and_what_they_mean() {
    let app = Kafilah::start();
    let (status, empty) = app.api("GET", "/api/marketing/analytics", None);
    assert_eq!((status, &empty["conversion_metrics"]["conversion_rate"]), (200, &Value::Null), "nothing is not zero: {empty}");
    app.customer_writes("6281200000001", "A1", "UMR_APR_2030_HEMAT");
    app.customer_writes("6281200000002", "A2", "UMR_APR_2030_HEMAT hotelnya dekat haram?");
    app.customer_writes("6281200000003", "A3", "halo");
    app.customer_writes("6281200000004", "A4", "DP berapa untuk UMR_APR_2030_HEMAT");
    app.wait("four answers", std::time::Duration::from_secs(8), |app| {
        app.waha.delivered().iter().map(|line| line.split(':').next().unwrap().to_owned()).collect::<std::collections::HashSet<_>>().len() >= 4
    });
    // delivered is not yet written down: the figures count what is
    app.wait("the sends written down", std::time::Duration::from_secs(8), |app| app.export("outbox").iter().all(|row| row["sent_at"].is_string()));
    assert_eq!(app.call("GET", "/c/UMR_APR_2030_HEMAT", &[], None).status / 100, 3);
    let (status, seen) = app.api("GET", "/api/marketing/analytics", None);
    assert_eq!(status, 200);
    for view in ["conversion_metrics", "conversion_metrics_by_event"] {
        let figures = &seen[view];
        assert_eq!(
            (figures["total_leads"].as_i64(), figures["interest_to_booking"].as_i64(), figures["conversion_rate"].as_str()),
            (Some(4), Some(1), Some("0%")),
            "{view}: {figures}"
        );
    }
    let campaign = &seen["campaign_performance"][0];
    assert_eq!(
        (campaign["campaign_code"].as_str(), campaign["clicks"].as_i64(), campaign["conversations"].as_i64(), campaign["bookings"].as_i64()),
        (Some("UMR_APR_2030_HEMAT"), Some(1), Some(3), Some(1)),
        "{campaign}"
    );
    let drop = &seen["drop_off_analysis"];
    assert_eq!((drop["leads_to_interest"].as_str(), drop["converted"]["leads_to_interest"].as_str()), (Some("50%"), Some("50%")), "{drop}");
    assert!(seen["ai_performance"]["turns_measured"].as_i64().unwrap() >= 3 && seen["ai_performance"]["response_time_p95_s"].as_f64().is_some(), "{}", seen["ai_performance"]);
    assert_eq!(seen["ai_performance"]["escalation_rate"], "25%");
    assert!(
        seen["common_questions"].as_array().unwrap().iter().any(|question| question["intent"] == "ask_hotel" && question["question_pattern"].as_str().unwrap().contains("hotel")),
        "{}",
        seen["common_questions"]
    );
    assert_eq!(app.api("GET", "/api/marketing/analytics?since=kemarin", None).1["error"]["field"], "since");
}

/// Every JSON route and method of openapi.json that wants a token, with the least role that may use it.
const ROUTES: &[(&str, &str, &str)] = &[
    ("POST", "/api/ai/process-message", "cs"),
    ("GET", "/api/ai/prompts", "viewer"),
    ("PUT", "/api/ai/prompts", "marketing_admin"),
    ("POST", "/api/ai/prompts/rollback", "marketing_admin"),
    ("GET", "/api/ai/faq", "viewer"),
    ("GET", "/api/ai/faq/search?q=paspor", "viewer"),
    ("PUT", "/api/ai/faq/passport-validity", "marketing_admin"),
    ("GET", "/api/ai/flows", "viewer"),
    ("GET", "/api/ai/flows/menu", "viewer"),
    ("PUT", "/api/ai/flows/menu", "marketing_admin"),
    ("GET", "/api/packages", "viewer"),
    ("GET", "/api/packages/UMR_X_2030_Y", "viewer"),
    ("PUT", "/api/packages/UMR_X_2030_Y", "sales_admin"),
    ("PATCH", "/api/packages/UMR_X_2030_Y", "sales_admin"),
    ("GET", "/api/bookings", "viewer"),
    ("POST", "/api/bookings", "cs"),
    ("GET", "/api/bookings/1", "viewer"),
    ("PATCH", "/api/bookings/1", "sales_admin"),
    ("POST", "/api/bookings/1/cancel", "sales_admin"),
    ("POST", "/api/bookings/1/payments", "cs"),
    ("POST", "/api/payments/1/void", "sales_admin"),
    ("POST", "/api/marketing/leads", "cs"),
    ("GET", "/api/marketing/analytics", "viewer"),
    ("GET", "/api/marketing/dashboard", "viewer"),
    ("POST", "/api/conversations/handover", "cs"),
    ("GET", "/api/conversations/conv_1", "viewer"),
    ("POST", "/api/conversations/conv_1/messages", "cs"),
    ("POST", "/api/conversations/conv_1/release", "cs"),
    ("GET", "/api/conversations", "viewer"),
    ("POST", "/api/conversations/conv_1/claim", "cs"),
    ("POST", "/api/conversations/conv_1/assign", "cs"),
    ("POST", "/api/conversations/conv_1/notes", "cs"),
    ("POST", "/api/contacts", "cs"),
    ("GET", "/api/contacts/1", "viewer"),
    ("PATCH", "/api/contacts/1", "cs"),
    ("POST", "/api/contacts/1/merge", "cs"),
    ("POST", "/api/merges/1/undo", "cs"),
    ("POST", "/api/contacts/1/labels/Grade%20A", "cs"),
    ("DELETE", "/api/contacts/1/labels/Grade%20A", "cs"),
    ("GET", "/api/labels", "viewer"),
    ("POST", "/api/labels", "sales_admin"),
    ("PUT", "/api/labels/Grade%20A", "sales_admin"),
    ("DELETE", "/api/labels/Grade%20A", "sales_admin"),
    ("GET", "/api/segments/count?expr=A", "viewer"),
    ("GET", "/api/push/key", "viewer"),
    ("POST", "/api/push/subscriptions", "viewer"),
    ("DELETE", "/api/push/subscriptions", "viewer"),
];

#[test]
fn every_route_asks_who_is_there_before_it_reads_a_word() {
    let app = Kafilah::start();
    let described: Value = app.call("GET", "/openapi.json", &[], None).json();
    let guarded: usize = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(path, _)| path.starts_with("/api/") && !path.contains("/webhook") && !path.contains("/test/"))
        .map(|(_, methods)| methods.as_object().unwrap().keys().filter(|key| *key != "parameters").count())
        .sum();
    assert_eq!(ROUTES.len(), guarded, "a route was added: give it a line here");
    let order = ["viewer", "cs", "sales_admin", "marketing_admin", "system_admin"];
    let tokens: Vec<String> = order.iter().map(|role| String::from_utf8(app.cli(&["token", "create", "--role", role, "--name", role]).stdout).unwrap().trim().to_owned()).collect();
    for (method, path, least) in ROUTES {
        let send = |token: Option<&str>| {
            let authorization = token.map(|token| format!("Bearer {token}"));
            let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
            // a body no handler would take, so that whoever is let in changes nothing
            let body = (*method != "GET").then_some(b"not json".as_slice());
            app.call(method, path, &headers, body).status
        };
        assert_eq!(send(None), 401, "{method} {path} without a token");
        assert_eq!(send(Some("made-up")), 401, "{method} {path} with a made-up token");
        let least = order.iter().position(|role| role == least).unwrap();
        for (at, token) in tokens.iter().enumerate() {
            let status = send(Some(token));
            let (forbidden, wanted) = (status == 403, at < least);
            assert_eq!(forbidden, wanted, "{method} {path} as {}: {status}", order[at]);
            assert!(forbidden || method == &"GET" || matches!(status, 400 | 404), "{method} {path} as {}: {status}", order[at]);
        }
    }
}

#[test]
fn wrong_bodies_are_told_what_is_wrong_in_plain_words() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "W1", "halo");
    let (status, answer) = app.api("POST", "/api/conversations/conv_1/release", Some(json!({"to": 5})));
    assert_eq!((status, &answer["error"]["field"]), (422, &json!("to")), "{answer}");
    for (method, path, body, field) in [
        ("POST", "/api/marketing/leads", json!({"phone": 5}), "phone"),
        ("POST", "/api/marketing/leads", json!({}), "phone"),
        ("POST", "/api/ai/process-message", json!({"message": []}), "message"),
        ("POST", "/api/conversations/handover", json!({"conversation_id": "conv_1", "assigned_to": {}}), "assigned_to"),
        ("POST", "/api/conversations/conv_1/messages", json!({"text": null}), "text"),
        ("PUT", "/api/packages/UMR_MEI_2030_HEMAT", json!({"name": "X", "price_idr": "murah", "departs": "2030-05-01", "days": 9}), "price_idr"),
        ("PATCH", "/api/packages/UMR_APR_2030_HEMAT", json!({"departs": "besok"}), "departs"),
    ] {
        let (status, answer) = app.api(method, path, Some(body.clone()));
        assert_eq!((status, &answer["error"]["field"]), (422, &json!(field)), "{path} {body}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(!["i64", "invalid type", "expected", "struct"].iter().any(|word| message.contains(word)), "{message}");
    }
    let token = format!("Bearer {}", app.token);
    let deep = format!("{}1{}", "{\"a\":".repeat(80), "}".repeat(80));
    for (kind, body, want) in [("application/json", deep.as_str(), 400), ("text/plain", "{}", 415), ("application/json", "[]", 422), ("application/json", "{\"a\"", 400)] {
        let answer = app.call("POST", "/api/marketing/leads", &[("authorization", &token), ("content-type", kind)], Some(body.as_bytes()));
        assert_eq!(answer.status, want, "{kind} {}", &body[..body.len().min(20)]);
        assert!(answer.json()["error"]["message"].is_string());
    }
    let (status, answer) = app.api("PATCH", "/api/packages/UMR_APR_2030_HEMAT", Some(json!({"quota": 30, "brochure_color": "red"})));
    assert_eq!((status, &answer["ignored_fields"]), (200, &json!(["brochure_color"])), "{answer}");
    for (method, path, want) in [("GET", "/api/packages/%ff", 400), ("DELETE", "/api/packages", 405), ("GET", "/api/whatsapp/webhook", 405)] {
        let (status, answer) = app.api(method, path, None);
        assert_eq!(status, want, "{method} {path}");
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
}

#[test]
fn a_long_conversation_is_read_page_by_page() {
    let app = Kafilah::start_with(&[("bot.enabled", "off")]);
    for n in 0..7 {
        app.customer_writes("6281200000001", &format!("P{n}"), &format!("pesan {n}"));
    }
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        let (status, page) = app.api("GET", &format!("/api/conversations/conv_1?limit=3{before}"), None);
        assert_eq!(status, 200, "{page}");
        let texts: Vec<String> = page["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect();
        assert!(texts.len() <= 3);
        seen.splice(0..0, texts);
        match page["older_before"].as_i64() {
            Some(id) => before = format!("&before={id}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..7).map(|n| format!("pesan {n}")).collect::<Vec<_>>());
    assert_eq!(app.api("GET", "/api/conversations/conv_1?limit=0", None).0, 422);
    assert_eq!(app.api("GET", "/api/conversations/conv_1?before=999999", None).1["messages"], json!([]));
}

#[test]
fn an_account_that_is_not_the_agencys_is_never_sent_and_always_reported() {
    let app = Kafilah::start_with(&[("payment.accounts", "BSI 7123456789 a.n. Biro Uji, BCA 880-123-4567")]);
    app.customer_writes("6281200000001", "A1", "halo");
    app.wait_delivered(1);
    let send = |text: &str| app.api("POST", "/api/conversations/conv_1/messages", Some(json!({"text": text})));
    for foreign in ["Silakan transfer ke BCA 1234567890 a.n. Budi ya", "DP nya ke rek 7123-4567-88", "kirim lewat dana 0812 9999 8888 aja pak", "norek mandiri\n1370 0123 45678"] {
        let (status, answer) = send(foreign);
        assert_eq!((status, answer["error"]["code"].as_str()), (422, Some("unknown_account")), "{foreign}: {answer}");
    }
    for own in [
        "Silakan transfer ke BSI 7123456789 a.n. Biro Uji",
        "atau BCA 8801234567 ya",
        "DP Rp5.000.000 ya Bu, nanti saya telepon di 0812-3456-7890",
        "paspor A1234567, nomor antrean 20301234",
    ] {
        let (status, answer) = send(own);
        assert_eq!(status, 202, "{own}: {answer}");
    }
    let told = app.wait_delivered(5).join("\n");
    assert!(!told.contains("1234567890") && told.contains("7123456789"), "{told}");
    let reports: Vec<Value> = app.export("audit").into_iter().filter(|row| row["action"] == "account.blocked").collect();
    assert_eq!(reports.len(), 4);
}

#[test]
fn a_reply_with_the_same_key_is_said_once() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "I1", "halo");
    app.wait_delivered(1);
    let authorization = format!("Bearer {}", app.token);
    let send = || {
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", "abc-1")];
        let answer = app.call("POST", "/api/conversations/conv_1/messages", &headers, Some(br#"{"text": "Siap, Bu"}"#)).json();
        (answer["status"].as_str().unwrap().to_owned(), answer["message"].as_i64().unwrap())
    };
    let (first, id) = send();
    assert_eq!((first.as_str(), send(), send()), ("queued", ("duplicate".to_owned(), id), ("duplicate".to_owned(), id)), "the same message, by its number");
    app.wait_delivered(2);
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(app.waha.delivered().len(), 2);
}

#[test]
fn prompts_have_versions_that_never_change_a_schedule_and_a_way_back() {
    let app = Kafilah::start();
    let put = |version: &str, content: &str, more: Value| {
        let mut body = json!({"prompt_type": "base", "content": content, "version": version, "updated_by": "marketing_admin"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.api("PUT", "/api/ai/prompts", Some(body))
    };
    let (status, first) = put("2.0", "You are a helpful umroh travel consultant...", json!({}));
    assert_eq!((status, first["status"].as_str(), first["blocks"]["base"].as_str(), first["blocks"]["rules"].as_str()), (200, Some("active"), Some("2.0"), Some("1.0")), "{first}");
    assert_eq!(put("2.0", "You are a helpful umroh travel consultant...", json!({})).1["release"], first["release"], "the same again changes nothing");
    assert_eq!(put("2.0", "Other words", json!({})).0, 409, "a version is never changed");
    for (body, field) in [
        (json!({"prompt_type": "mood", "content": "x", "version": "1"}), "prompt_type"),
        (json!({"prompt_type": "base", "content": " ", "version": "9"}), "content"),
        (json!({"prompt_type": "base", "content": "x", "version": "a b"}), "version"),
        (json!({"prompt_type": "base", "content": "x", "version": "9", "active_from": "besok"}), "active_from"),
    ] {
        let (status, answer) = app.api("PUT", "/api/ai/prompts", Some(body));
        assert_eq!((status, answer["error"]["field"].as_str()), (422, Some(field)), "{answer}");
    }
    // every bot message from now on carries it, also those that rules made
    app.customer_writes("6281200000001", "V1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let version = |phone: &str| app.export("messages").into_iter().find(|row| row["direction"] == "out" && row["contact_phone"] == phone).unwrap()["prompt_version"].clone();
    assert_eq!(version("+6281200000001"), first["prompt_version"]);
    let later = (chrono::Utc::now() + chrono::Duration::seconds(3)).to_rfc3339();
    let (_, planned) = put("3.0", "Later words", json!({"active_from": later}));
    assert_eq!(planned["status"], "scheduled", "{planned}");
    assert_eq!(app.api("GET", "/api/ai/prompts", None).1["active"]["release"], first["release"]);
    app.wait("the schedule", std::time::Duration::from_secs(8), |app| app.api("GET", "/api/ai/prompts", None).1["active"]["release"] == planned["release"]);
    app.customer_writes("6281200000002", "V2", "UMR_APR_2030_HEMAT");
    app.wait_delivered(2);
    assert_eq!(version("+6281200000002"), planned["prompt_version"]);
    let (status, back) = app.api("POST", "/api/ai/prompts/rollback", Some(json!({"release": first["release"]})));
    assert_eq!((status, back["blocks"]["base"].as_str(), back["cause"].as_str()), (200, Some("2.0"), Some("rollback")), "{back}");
    assert_eq!(app.api("POST", "/api/ai/prompts/rollback", Some(json!({"release": 999}))).0, 404);
    // what is scheduled changes its own block only, on top of what holds then; a way back calls it off
    let ahead = (chrono::Utc::now() + chrono::Duration::hours(2)).to_rfc3339();
    let planned = put("4.0", "Much later words", json!({"active_from": ahead})).1;
    let body = json!({"prompt_type": "rules", "content": "Rules of today", "version": "10.0"});
    assert_eq!(app.api("PUT", "/api/ai/prompts", Some(body)).0, 200);
    let after = (chrono::Utc::now() + chrono::Duration::hours(3)).to_rfc3339();
    app.api("POST", "/api/test/clock", Some(json!({"now": after})));
    app.wait("the schedule", std::time::Duration::from_secs(8), |app| app.api("GET", "/api/ai/prompts", None).1["active"]["blocks"]["base"] == "4.0");
    assert_eq!(app.api("GET", "/api/ai/prompts", None).1["active"]["blocks"]["rules"], "10.0", "{planned}");
    let later = (chrono::Utc::now() + chrono::Duration::hours(5)).to_rfc3339();
    put("5.0", "Never said", json!({"active_from": later}));
    assert_eq!(app.api("POST", "/api/ai/prompts/rollback", Some(json!({"release": first["release"]}))).0, 200);
    app.api("POST", "/api/test/clock", Some(json!({"now": (chrono::Utc::now() + chrono::Duration::hours(6)).to_rfc3339()})));
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(app.api("GET", "/api/ai/prompts", None).1["active"]["blocks"]["base"], "2.0");
    assert_eq!(app.export("prompts").len(), 10, "five built-in versions and five of ours");
}

#[test]
fn a_question_that_is_published_is_answered_and_goes_out_and_in_as_a_file() {
    let app = Kafilah::start();
    let ask = |text: &str| app.api("POST", "/api/ai/process-message", Some(json!({"phone": "6281200000001", "message": text, "dry_run": true}))).1;
    let question = "apakah boleh membawa kucing peliharaan ke pesawat umroh?";
    assert_ne!(ask(question)["decided_by"], "faq");
    let body = json!({"topic": "travel", "question": "Bolehkah membawa kucing peliharaan?", "variants": ["bawa kucing ke pesawat boleh?"], "answer": "Hewan peliharaan belum bisa ikut, Kak."});
    assert_eq!(app.api("PUT", "/api/ai/faq/kucing", Some(body.clone())).1["status"], "created");
    let answer = ask(question);
    assert_eq!((answer["decided_by"].as_str(), answer["response_text"].as_str()), (Some("faq"), Some("Hewan peliharaan belum bisa ikut, Kak.")), "{answer}");
    let mut draft = body;
    draft["status"] = json!("draft");
    assert_eq!(app.api("PUT", "/api/ai/faq/kucing", Some(draft)).1["status"], "updated");
    assert_ne!(ask(question)["decided_by"], "faq", "a draft is not said");
    assert_eq!(app.api("PUT", "/api/ai/faq/kucing", Some(json!({"topic": "weather", "question": "x", "answer": "y"}))).1["error"]["field"], "topic");
    // out as JSON Lines made a list, and in again
    let rows = app.export("faq");
    let file = app.dir.path().join("faq.json");
    std::fs::write(&file, Value::from(rows.clone()).to_string()).unwrap();
    let other = Kafilah::start();
    let read = other.cli(&["import", "faq", file.to_str().unwrap()]);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert_eq!(other.export("faq").len(), rows.len());
}

#[test]
fn promises_become_tasks_and_objections_are_counted() {
    let app = Kafilah::start_with(&[("agency.timezone", "Asia/Jakarta")]);
    assert_eq!(app.api("POST", "/api/test/clock", Some(json!({"now": "2026-11-20T09:00:00+07:00"}))).0, 200);
    app.customer_writes("6281200000001", "J1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    app.customer_writes("6281200000001", "J2", "waduh mahal ya, insyaAllah saya transfer tgl 25 ya kak");
    app.wait_delivered(2);
    let promises = app.export("promises");
    assert_eq!((promises.len(), promises[0]["what"].as_str(), promises[0]["due_on"].as_str()), (1, Some("pay"), Some("2026-11-25")), "{promises:?}");
    let objections = app.api("GET", "/api/marketing/analytics", None).1["objections"].clone();
    assert_eq!((objections[0]["objection"].as_str(), objections[0]["count"].as_i64()), (Some("price"), Some(1)), "{objections}");
    assert_eq!(app.api("POST", "/api/conversations/conv_1/release", Some(json!({"to": "bot"}))).0, 200);
    app.customer_writes("6281200000001", "J3", "kak saya sudah transfer dp nya barusan");
    app.wait("the promise is kept", std::time::Duration::from_secs(8), |app| app.export("promises")[0]["ended_as"] == "kept");
}

#[test]
fn a_keyword_flow_leads_by_number_and_word_and_never_holds_anybody() {
    let app = Kafilah::start();
    let nodes = json!([
        {"id": "awal", "title": "Menu", "keywords": ["menu", "info"], "say": "Selamat datang di {agency}. Pilih:"},
        {"id": "haji", "parent": "awal", "title": "Haji khusus", "keywords": ["haji"], "say": "Soal haji khusus:"},
        {"id": "antre", "parent": "haji", "title": "Antrean", "say": "Antreannya dijelaskan tim kami."},
        {"id": "orang", "parent": "awal", "title": "Bicara", "say": "Kami sambungkan.", "person": true},
    ]);
    let put = |nodes: &Value, publish: bool| app.api("PUT", "/api/ai/flows/menu", Some(json!({"name": "Menu", "nodes": nodes, "publish": publish})));
    assert_eq!(put(&nodes, false).1["status"], "created");
    let dry = app.api("POST", "/api/ai/process-message", Some(json!({"message": "menu", "dry_run": true}))).1;
    assert_ne!(dry["decided_by"], "flow", "a draft is not for customers: {dry}");
    assert_eq!(put(&nodes, true).0, 200);
    let mut n = 0;
    let mut say = |text: &str| {
        n += 1;
        app.customer_writes("6281200000001", &format!("F{n}"), text);
        app.wait_delivered(n).pop().unwrap()
    };
    let first = say("menu");
    assert!(first.contains("Selamat datang di Biro Uji") && first.contains("1. Haji khusus") && first.contains("0. Kembali"), "{first}");
    assert!(say("1").contains("Soal haji khusus"));
    assert!(say("0").contains("Selamat datang"));
    assert!(say("haji").contains("1. Antrean"));
    // another rule answers a code, whatever the flow
    assert!(say("UMR_APR_2030_HEMAT").contains("Rp27.000.000"));
    let rows = app.export("messages");
    assert!(rows.iter().any(|row| row["decided_by"] == "flow"), "the flow is named as what decided");
    // no account but the agency's own, whoever wrote the words
    let thief = json!([{"id": "bayar", "title": "Bayar", "keywords": ["caranya"], "say": "Transfer ke BCA 9988776655 atas nama Budi"}]);
    assert_eq!(app.api("PUT", "/api/ai/flows/bayar", Some(json!({"name": "Bayar", "nodes": thief, "publish": true}))).0, 200);
    let dry = app.api("POST", "/api/ai/process-message", Some(json!({"phone": "6281200000009", "message": "caranya", "dry_run": true}))).1;
    assert!(!dry.to_string().contains("9988776655") && dry["escalation_reason"] == "guard_blocked", "{dry}");
    for bad in [json!([]), json!([{"id": "a", "title": "A", "say": "x"}]), json!([{"id": "a", "parent": "b", "title": "A", "say": "x", "keywords": ["x"]}])] {
        let (status, answer) = put(&bad, true);
        assert_eq!((status, &answer["error"]["field"]), (422, &json!("nodes")), "{answer}");
    }
    assert_eq!(app.api("GET", "/api/ai/flows/menu", None).1["published"]["nodes"].as_array().unwrap().len(), 4, "what was refused changed nothing");
}

#[test]
fn satisfaction_is_asked_once_after_a_person_and_counted_once() {
    let app = Kafilah::start_with(&[("bot.ask_satisfaction", "on")]);
    app.customer_writes("6281200000001", "S1", "mau bicara dengan orang");
    app.wait_delivered(1);
    let release = || assert_eq!(app.api("POST", "/api/conversations/conv_1/release", Some(json!({"to": "bot"}))).0, 200);
    assert_eq!(app.api("POST", "/api/conversations/conv_1/messages", Some(json!({"text": "Siap, Bu. Sudah kami catat."}))).0, 202);
    app.wait_delivered(2);
    release();
    assert!(app.wait_delivered(3)[2].contains("1 (mengecewakan) sampai 5"));
    app.customer_writes("6281200000001", "S2", "2");
    assert!(app.wait_delivered(4)[3].contains("penilaiannya"));
    let analytics = app.api("GET", "/api/marketing/analytics", None).1;
    assert_eq!((analytics["ai_performance"]["satisfaction_score"].as_f64(), analytics["ai_performance"]["satisfaction_answers"].as_i64()), (Some(2.0), Some(1)), "{analytics}");
    assert!(app.export("escalations").iter().any(|row| row["reason"] == "complaint"), "an unhappy customer gets a person");
    app.customer_writes("6281200000001", "S3", "berdua kak, 2 orang");
    app.wait_delivered(5);
    assert_eq!(app.export("satisfaction").len(), 1, "a number later is a number");
}
