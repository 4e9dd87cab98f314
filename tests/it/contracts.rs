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
    assert!(seen["common_questions"].as_array().unwrap().iter().any(|question| question["question_pattern"] == "ask_hotel"), "{}", seen["common_questions"]);
    assert_eq!(app.api("GET", "/api/marketing/analytics?since=kemarin", None).1["error"]["field"], "since");
}
