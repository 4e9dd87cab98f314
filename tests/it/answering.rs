//! What customers hear: codes, near misses, packages that are gone, slots, people.

use crate::support::{Kafilah, run};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

#[test]
fn a_code_gets_the_package_and_a_second_customer_another() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "C1", "Halo, info umr apr 2030 hemat dong");
    app.customer_writes("6281200000002", "C2", "umr juny 2030 vip");
    let sent = app.wait_delivered(2);
    let to = |phone: &str| sent.iter().find(|line| line.starts_with(phone)).unwrap().clone();
    let first = to("6281200000001");
    for part in ["Umroh April 2030 Hemat", "Rp27.000.000", "8 April 2030", "9 hari", "?"] {
        assert!(first.contains(part), "{first}");
    }
    assert!(to("6281200000002").contains("UMR_JUN_2030_VIP") && to("6281200000002").contains("Maksud"), "{sent:?}");
    let row = app.export("messages").into_iter().find(|row| row["message_id"] == "C1").unwrap();
    assert_eq!(row["campaign_code"], "UMR_APR_2030_HEMAT");
    assert_eq!(app.export("campaigns")[0]["conversations"], 1);
}

#[test]
fn gone_full_several_and_unknown_codes() {
    let app = Kafilah::start();
    for (n, (text, parts)) in [
        ("UMR_MAR_2025_HEMAT", vec!["sudah berangkat", "UMR_APR_2030_HEMAT"]),
        ("UMR_DES_2030_LIBUR", vec!["sudah penuh", "UMR_JUN_2030_VIP"]),
        ("UMR_JUN_2030_VIP atau UMR_APR_2030_HEMAT?", vec!["Rp45.000.000"]),
        ("UMR_JUL_2031_PLUS", vec!["UMR_JUL_2031_PLUS", "UMR_APR_2030_HEMAT"]),
    ]
    .into_iter()
    .enumerate()
    {
        app.customer_writes(&format!("62812000001{n}0"), &format!("G{n}"), text);
        let sent = app.wait_delivered(n + 1);
        for part in parts {
            assert!(sent[n].contains(part), "{text}: {}", sent[n]);
        }
    }
}

#[test]
fn without_a_code_party_and_month_are_asked_once() {
    let app = Kafilah::start();
    let phone = "6281200000020";
    app.customer_writes(phone, "S1", "Assalamualaikum, mau tanya umroh");
    assert!(app.wait_delivered(1)[0].contains("Berapa orang"));
    app.customer_writes(phone, "S2", "berdua");
    let second = app.wait_delivered(2)[1].clone();
    assert!(second.contains("2 orang") && second.contains("Bulan apa") && !second.contains("Berapa orang"), "{second}");
    app.customer_writes(phone, "S3", "bulan juni 2030");
    let third = app.wait_delivered(3)[2].clone();
    assert!(third.contains("UMR_JUN_2030_VIP") && !third.contains("Bulan apa"), "{third}");
}

#[test]
fn payment_moves_the_phase_and_anything_else_escalates() {
    let app = Kafilah::start();
    app.customer_writes("6281200000030", "B1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    app.customer_writes("6281200000030", "B2", "cara bayar DP gimana kak");
    app.wait_delivered(2);
    let moves = app.export("phase-transitions");
    assert_eq!((&moves[0]["from"], &moves[0]["to"], &moves[0]["trigger_message_id"]), (&json!("leads"), &json!("booking"), &json!("B2")));
    app.customer_writes("6281200000031", "B3", "bolehkah membawa kucing");
    app.wait_delivered(3);
    let reasons: Vec<String> = app.export("escalations").iter().map(|row| row["reason"].as_str().unwrap().to_owned()).collect();
    assert_eq!(reasons, ["payment_intent", "complex_question"]);
    app.customer_writes("6281200000032", "B4", "asdkjh qwe zzz");
    app.wait_delivered(4);
    app.customer_writes("6281200000032", "B5", "plokm ijnuhb");
    app.wait_delivered(5);
    app.wait("the handover after two unsure turns", Duration::from_secs(5), |app| app.export("handovers").len() == 1);
    app.customer_writes("6281200000032", "B6", "halo");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(app.waha.delivered().len(), 5, "after two unsure turns the bot stops");
}

#[test]
fn rapid_messages_are_answered_once_together() {
    let app = Kafilah::start_with(&[("bot.quiet_ms", "400")]);
    for n in 0..5 {
        app.customer_writes("6281200000040", &format!("R{n}"), if n == 2 { "UMR_APR_2030_HEMAT" } else { "halo kak" });
    }
    app.wait_delivered(1);
    std::thread::sleep(Duration::from_millis(900));
    let sent = app.waha.delivered();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].contains("Rp27.000.000"));
}

#[test]
fn the_price_is_the_one_at_the_moment_of_sending() {
    let app = Kafilah::start();
    app.waha.memory().chaos.always = Some(429);
    app.customer_writes("6281200000050", "T1", "UMR_APR_2030_HEMAT");
    app.wait("a first try", Duration::from_secs(5), |app| !app.waha.memory().sent.is_empty());
    let (status, answer) = app.api("PATCH", "/api/packages/UMR_APR_2030_HEMAT", Some(json!({"price_idr": 28500000})));
    assert_eq!((status, &answer["price_idr"]), (200, &json!(28500000)));
    app.waha.memory().chaos.always = None;
    let sent = app.wait_delivered(1);
    assert!(sent[0].contains("Rp28.500.000") && !sent[0].contains("Rp27.000.000"), "{sent:?}");
    // and a package that filled up meanwhile says so
    app.waha.memory().chaos.always = Some(429);
    let tries = app.waha.memory().sent.len();
    app.customer_writes("6281200000051", "T2", "UMR_APR_2030_HEMAT");
    app.wait("a first try", Duration::from_secs(5), |app| app.waha.memory().sent.len() > tries);
    app.api("PATCH", "/api/packages/UMR_APR_2030_HEMAT", Some(json!({"status": "full"})));
    app.waha.memory().chaos.always = None;
    assert!(app.wait_delivered(2)[1].contains("sudah penuh"));
}

#[test]
fn packages_over_the_api_name_wrong_fields_and_roles_hold() {
    let app = Kafilah::start();
    assert_eq!(app.api("GET", "/api/packages", None).1["packages"].as_array().unwrap().len(), 4);
    let (status, answer) = app.api("PUT", "/api/packages/UMR_MEI_2030_BARU", Some(json!({"name": "Baru", "price_idr": 1, "departs": "2030-05-01", "days": 9})));
    assert_eq!((status, &answer["status"]), (201, &json!("open")));
    let (status, answer) = app.api("PATCH", "/api/packages/UMR_MEI_2030_BARU", Some(json!({"price_idr": "murah"})));
    assert_eq!((status, &answer["error"]["field"]), (422, &json!("price_idr")));
    assert_eq!(app.api("GET", "/api/packages/TIDAK_ADA", None).0, 404);
    assert_eq!(app.call("GET", "/api/packages", &[], None).status, 401);
    let viewer = String::from_utf8(app.cli(&["token", "create", "--role", "viewer", "--name", "baca"]).stdout).unwrap();
    let bearer = format!("Bearer {}", viewer.trim());
    assert_eq!(app.call("GET", "/api/packages", &[("authorization", &bearer)], None).status, 200);
    assert_eq!(app.call("PATCH", "/api/packages/UMR_MEI_2030_BARU", &[("authorization", &bearer)], Some(b"{}")).status, 403);
}

#[test]
fn two_turns_of_gibberish_end_with_a_person_a_row_and_a_word_to_the_customer() {
    let app = Kafilah::start();
    for (n, text) in ["asdkj qwe zxc", "blorp fnord wug", "xqz plugh"].iter().enumerate() {
        app.customer_writes("6281200000001", &format!("Z{n}"), text);
        std::thread::sleep(std::time::Duration::from_millis(700));
        if app.export("handovers").iter().any(|row| row["to"] == "user") {
            break;
        }
    }
    if app.export("handovers").iter().any(|row| row["to"] == "user") {
        assert!(!app.export("escalations").is_empty(), "handed over without a row");
    }
    let last = app.waha.delivered().pop().unwrap();
    assert!(last.contains("tim kami") || last.contains("our team"), "{last}");
    assert!(app.export("contacts")[0]["opted_out_at"].is_null(), "nobody is silenced by gibberish");
}

#[test]
fn a_package_named_in_words_is_the_one_that_is_meant() {
    let app = Kafilah::start();
    let ask = |text: &str, context: Option<&str>| {
        app.api("POST", "/api/ai/process-message", Some(serde_json::json!({"phone": "6281200000001", "message": text, "dry_run": true, "context_code": context}))).1["response_text"].as_str().unwrap().to_owned()
    };
    assert!(ask("umroh april 2030 hemat hotelnya berapa meter?", None).contains("850 m"));
    assert!(ask("yang vip harganya berapa?", Some("UMR_APR_2030_HEMAT")).contains("Rp45.000.000"));
    assert!(ask("harganya berapa?", Some("UMR_APR_2030_HEMAT")).contains("Rp27.000.000"));
}

#[test]
fn a_caller_is_told_what_is_recorded_also_when_the_bot_gives_up() {
    let app = Kafilah::start_with(&[("bot.confidence_floor", "1")]); // every turn is unsure
    let say = |text: &str| app.api("POST", "/api/ai/process-message", Some(json!({"phone": "6281200000001", "message": text}))).1;
    say("UMR_APR_2030_HEMAT");
    let second = say("fasilitasnya apa saja?");
    assert_eq!((second["should_escalate"].as_bool(), second["escalation_reason"].as_str()), (Some(true), Some("low_confidence")), "{second}");
    let recorded = app.export("messages").into_iter().rev().find(|row| row["direction"] == "out").unwrap();
    assert_eq!(recorded["text"], second["response_text"]);
    // what was not sent may be sent later: the bundle is not used up
    assert_eq!(app.api("POST", "/api/conversations/conv_1/release", Some(json!({"to": "bot"}))).0, 200);
    assert!(say("boleh minta detail fasilitasnya?")["response_text"].as_str().unwrap().contains("Pembayaran"));
}

#[test]
fn who_keeps_writing_is_answered_all_the_same_and_heard_once() {
    let app = Kafilah::start_with(&[("bot.quiet_ms", "700"), ("queue.reply_gap_ms", "900..1200")]);
    app.customer_writes("6281200000001", "KW0", "UMR_APR_2030_HEMAT");
    let says = [
        "kok mahal ya kak",
        "saya tanya suami dulu",
        "hotelnya jauh?",
        "makan berapa kali",
        "pesawat apa",
        "koper dapat?",
        "visa termasuk?",
        "manasik dimana",
        "ada bus?",
        "transit ga",
        "ok",
    ];
    let begun = std::time::Instant::now();
    let mut first = None;
    for (n, text) in says.iter().cycle().take(16).enumerate() {
        app.customer_writes("6281200000001", &format!("KW{}", n + 1), text);
        std::thread::sleep(Duration::from_millis(1_000));
        if first.is_none() && !app.waha.delivered().is_empty() {
            first = Some(begun.elapsed());
        }
    }
    assert!(first.is_some_and(|waited| waited < Duration::from_secs(15)), "an answer while he still writes: {first:?}");
    std::thread::sleep(Duration::from_secs(6));
    let objections = app.export("objections").iter().filter(|row| row["kind"] == "price").count();
    assert!((1..=2).contains(&objections), "said twice at most: {objections}");
}

#[test]
fn a_promise_among_other_words_is_no_payment() {
    let app = Kafilah::start_with(&[("bot.quiet_ms", "600")]);
    app.customer_writes("6281200000001", "PR0", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    for (n, text) in ["kok mahal ya kak", "saya tanya suami dulu", "insyaallah transfer tgl 25", "takut penipuan nih kak"].iter().enumerate() {
        app.customer_writes("6281200000001", &format!("PR{}", n + 1), text);
    }
    app.wait("the turn", SOON, |app| app.api("GET", "/api/conversations/conv_1", None).1["turns"].as_array().unwrap().len() >= 2);
    std::thread::sleep(Duration::from_millis(500));
    let shown = app.api("GET", "/api/conversations/conv_1", None).1;
    assert_ne!(shown["phase"], "booking", "{shown}");
    assert!(app.export("promises").iter().all(|row| row["ended_as"] != "kept"));
}

#[test]
fn a_package_is_chosen_from_the_list_by_place_price_or_kind() {
    let app = Kafilah::start();
    for (n, (choice, code)) in [("yang pertama", None), ("yang paling murah", None), ("yang VIP", Some("UMR_JUN_2030_VIP"))].iter().enumerate() {
        let phone = format!("628120000000{n}");
        app.customer_writes(&phone, &format!("CH{n}a"), "paket umroh ada apa saja kak?");
        app.wait_delivered(n * 2 + 1);
        app.customer_writes(&phone, &format!("CH{n}b"), choice);
        app.wait_delivered(n * 2 + 2);
        let chat = app.api("GET", &format!("/api/conversations/conv_{}", n + 1), None).1;
        assert_ne!(chat["phase"], "booking", "{choice}");
        match code {
            Some(code) => assert_eq!(chat["package_code"], *code, "{choice}"),
            None => assert!(chat["package_code"].is_string(), "{choice}: {chat}"),
        }
    }
}

#[test]
fn a_yes_gets_the_bundle_once_and_a_nod_gets_a_nod() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "YN0", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    app.customer_writes("6281200000001", "YN1", "ok makasih");
    let nod = app.wait_delivered(2).remove(1);
    assert!(nod.chars().count() < 160, "thanks are answered with thanks: {nod}");
    app.customer_writes("6281200000001", "YN2", "boleh kak");
    app.wait("the bundle", SOON, |app| app.api("GET", "/api/conversations/conv_1", None).1["phase"] == "interest");
    std::thread::sleep(Duration::from_millis(1_500));
    let before = app.waha.delivered().len();
    app.customer_writes("6281200000001", "YN3", "ok siap");
    app.wait_delivered(before + 1);
    std::thread::sleep(Duration::from_millis(800));
    let after = app.waha.delivered();
    assert!(after.len() == before + 1 && after[before].chars().count() < 160, "{:?}", &after[before..]);
    // to one nod after another there is nothing to say, and nobody waits for it; a question is answered again
    app.customer_writes("6281200000001", "YN4", "mantap kak");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!((app.waha.delivered().len(), app.export("conversations")[0]["unread"].clone()), (before + 1, json!(0)));
    app.customer_writes("6281200000001", "YN5", "berangkatnya tanggal berapa ya");
    let last = app.wait_delivered(before + 2);
    assert!(last.len() == before + 2 && last[before + 1].contains("8 April 2030"), "{:?}", &last[before..]);
    assert_eq!(app.export("escalations").len(), 0);
}

/// Who has booked asks about his own; that he says when he registered does not make it a question anybody may ask.
#[test]
fn who_has_booked_reaches_a_person_about_his_own_papers() {
    let app = Kafilah::start();
    let asked = |text: &str| {
        let body = json!({"phone": "6281200000091", "message": text, "current_phase": "booking", "context_code": "UMR_APR_2030_HEMAT", "dry_run": true});
        app.api("POST", "/api/ai/process-message", Some(body)).1["rule"].clone()
    };
    assert_eq!(asked("saya sudah daftar bulan lalu, visa saya sudah terbit belum?"), "own_booking");
    assert_ne!(asked("tlg dikirim list perlengkapan yg didapat"), "own_booking");
}

#[test]
fn a_number_with_a_measure_is_no_party() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "NP0", "halo");
    app.wait_delivered(1);
    for (n, (text, party)) in [("bulan april, berdua", 2), ("budget 30jt", 2), ("umur saya 60 tahun", 2), ("kami 3 orang", 3), ("hotelnya bintang 5", 3)].iter().enumerate() {
        app.customer_writes("6281200000001", &format!("NP{}", n + 1), text);
        app.wait("the turn", SOON, |app| app.api("GET", "/api/conversations/conv_1", None).1["turns"].as_array().unwrap().len() == n + 2);
        assert_eq!(app.api("GET", "/api/conversations/conv_1", None).1["party_size"], *party, "{text}");
    }
}

#[test]
fn lists_totals_and_comparisons_come_from_the_rows() {
    let app = Kafilah::start();
    let asked = |phone: &str, text: &str| {
        let (status, answer) = app.api("POST", "/api/ai/process-message", Some(json!({"phone": phone, "message": text})));
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let said = |answer: &serde_json::Value, has: &[&str], lacks: &[&str]| {
        let text = answer["response_text"].as_str().unwrap_or("");
        assert!(has.iter().all(|part| text.contains(part)) && !lacks.iter().any(|part| text.contains(part)), "{answer}");
    };
    // what fits a budget, or honestly nothing
    said(&asked("6281200000061", "ada paket yang di bawah 30 juta?"), &["sampai Rp30.000.000", "UMR_APR_2030_HEMAT"], &["UMR_JUN_2030_VIP", "UMR_MAR_2025"]);
    said(&asked("6281200000062", "kalau budget 20 juta per orang ada paketnya?"), &["Belum ada paket sampai Rp20.000.000", "UMR_APR_2030_HEMAT"], &[]);
    said(&asked("6281200000063", "paket paling mahal yang mana?"), &["UMR_JUN_2030_VIP"], &[]);
    // beside each other
    said(&asked("6281200000064", "bedanya paket hemat sama paket vip apa ya?"), &["Umroh April 2030 Hemat", "UMR_JUN_2030_VIP", "Selisih harganya Rp18.000.000"], &[]);
    // for how many: the total
    assert_eq!(asked("6281200000065", "UMR_APR_2030_HEMAT")["campaign_code"], "UMR_APR_2030_HEMAT");
    said(&asked("6281200000065", "kami 4 orang, totalnya berapa kak?"), &["4 orang Rp108.000.000"], &[]);
    // too few seats for them is said
    said(&asked("6281200000066", "kami rombongan 50 orang mau umroh april 2030"), &["belum cukup untuk 50 orang"], &[]);
    // questions nobody answered stand beside each other
    for text in ["ada lowongan kerja admin ga?", "jual tiket konser ga kak?"] {
        asked("6281200000067", text);
    }
    let open: Vec<_> =
        app.export("escalations").into_iter().filter(|row| row["reason"] == "complex_question" && row["resolved_at"].is_null()).map(|row| row["question"].clone()).collect();
    assert!(open.len() >= 2 && open[0] != open[1], "{open:?}");
    // something graver, and a question beside it: both are answered
    let graver = asked("6281200000065", "saya mau daftar 2 orang, sekamar berdua, hotel madinah nya apa ya");
    said(&graver, &["pendaftaran"], &[]);
    assert_eq!(graver["new_phase"], "booking");
    said(&graver, &["(UMR_APR_2030_HEMAT)", "dari Masjidil Haram"], &[]);
}

#[test]
fn a_paper_with_a_word_about_it_goes_to_a_person() {
    let app = Kafilah::start();
    let mut payload = crate::support::message("6281200000071", "F1", "Ini paspor saya pak");
    payload["hasMedia"] = json!(true);
    payload["_data"] = json!({"type": "image", "notifyName": "Bu Ani"});
    payload["media"] = json!({"url": format!("{}/api/files/default/paspor.jpg", app.waha.url()), "mimetype": "image/jpeg", "filename": null});
    assert_eq!(app.webhook("message.any", payload).0, 200);
    assert!(app.wait_delivered(1)[0].contains("berkasnya sudah kami terima"), "{:?}", app.waha.delivered());
    app.wait("a row for the team", SOON, |app| app.export("escalations").iter().any(|row| row["reason"] == "media_received"));
    // an empty message is no paper
    app.customer_writes("6281200000072", "F2", "");
    assert!(app.wait_delivered(2)[1].contains("kosong"), "{:?}", app.waha.delivered());
}

#[test]
fn what_a_customer_means_is_followed_while_a_person_has_the_chat() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "L1", "halo");
    app.wait_delivered(1);
    assert_eq!(app.api("POST", "/api/conversations/conv_1/claim", Some(json!({}))).0, 200);
    app.customer_writes("6281200000001", "L2", "saya sudah transfer DP UMR_APR_2030_HEMAT untuk 2 orang ya kak");
    let chat = || app.api("GET", "/api/conversations/conv_1", None).1;
    app.wait("the phase", std::time::Duration::from_secs(5), |_| chat()["phase"] == "booking");
    assert_eq!(app.waha.delivered().len(), 1, "the bot says nothing: {:?}", app.waha.delivered());
    let escalations = app.export("escalations");
    assert!(escalations.iter().any(|row| row["reason"] == "payment_intent"), "the person is told once more: {escalations:?}");
    let leads = app.export("leads");
    assert_eq!(leads.iter().filter(|row| row["phase"] == "booking").count(), 1, "{leads:?}");
    // given back, the bot does not answer what the person has seen
    assert_eq!(app.api("POST", "/api/conversations/conv_1/release", Some(json!({"ask_rating": false}))).0, 200);
    app.customer_writes("6281200000001", "L3", "STOP jangan kirim pesan lagi");
    app.wait_delivered(2);
    // a person takes it again; what is not wanted any more is heard
    app.customer_writes("6281200000002", "L4", "halo");
    app.wait_delivered(3);
    assert_eq!(app.api("POST", "/api/conversations/conv_2/messages", Some(json!({"text": "Saya bantu ya, Bu."}))).0, 202);
    app.wait_delivered(4);
    app.customer_writes("6281200000002", "L5", "STOP");
    app.wait("the wish for no more messages", std::time::Duration::from_secs(5), |app| {
        app.export("contacts").iter().filter(|row| !row["opted_out_at"].as_str().unwrap_or("").is_empty()).count() == 2
    });
    assert_eq!(app.waha.delivered().len(), 4);
}

#[test]
fn who_asks_again_about_paying_hears_only_what_he_asks() {
    let app = Kafilah::start();
    let terms = json!([{"code": "UMR_APR_2030_HEMAT", "name": "Umroh April 2030 Hemat", "price_idr": 27000000, "departs": "2030-04-08", "days": 9, "quota": 45,
        "dp_idr": 5000000, "payoff_by": "2030-02-22", "payment_terms": "Sisanya boleh dicicil."}]);
    let file = app.dir.path().join("terms.json");
    std::fs::write(&file, terms.to_string()).unwrap();
    let made = run(&app.store(), &["import", "packages", file.to_str().unwrap()], "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut heard = 0;
    let mut say = |id: &str, text: &str| {
        app.customer_writes("6281200000001", id, text);
        heard += 1;
        app.wait_delivered(heard).last().cloned().unwrap()
    };
    say("P1", "UMR_APR_2030_HEMAT");
    let all = say("P2", "cara bayarnya gimana kak");
    assert!(["5.000.000", "22 Februari 2030", "dicicil"].iter().all(|part| all.contains(part)), "{all}");
    let dp = say("P3", "DP nya berapa");
    assert!(dp.contains("5.000.000") && !dp.contains("22 Februari"), "{dp}");
    let last = say("P4", "pelunasan paling lambat kapan");
    assert!(last.contains("22 Februari 2030") && !last.contains("5.000.000"), "{last}");
    let account = say("P5", "nomor rekeningnya berapa");
    assert!(account.contains("rekening resmi") && !account.contains("22 Februari"), "{account}");
}

#[test]
fn words_that_wait_when_a_chat_changes_hands_are_not_lost() {
    let app = Kafilah::start_with(&[("bot.quiet_ms", "1500")]);
    app.customer_writes("6281200000001", "W1", "halo");
    app.wait_delivered(1);
    app.customer_writes("6281200000001", "W2", "saya kecewa sekali, petugasnya kasar, saya mau komplain");
    assert_eq!(app.api("POST", "/api/conversations/conv_1/claim", Some(json!({}))).0, 200);
    app.wait("the complaint", SOON, |app| app.export("escalations").iter().any(|row| row["reason"] == "complaint"));
    assert!(app.api("GET", "/api/conversations/conv_1", None).1["waiting_since"].is_string(), "the customer waits for the person");
    assert_eq!(app.waha.delivered().len(), 1, "the bot says nothing");
    // given to the bot, which has it already: what waits for its turn is answered
    app.customer_writes("6281200000002", "W3", "UMR_APR_2030_HEMAT");
    assert_eq!(app.api("POST", "/api/conversations/conv_2/release", None).0, 200);
    assert!(app.wait_delivered(2)[1].contains("27.000.000"));
}

#[test]
fn what_cannot_be_booked_is_not_sold() {
    let app = Kafilah::start();
    let mut expected = 0;
    let mut says = |phone: &str, id: &str, text: &str| {
        app.customer_writes(phone, id, text);
        expected += 1;
        app.wait("an answer", Duration::from_secs(10), |app| app.waha.delivered().iter().filter(|line| line.starts_with(phone)).count() >= 1);
        std::thread::sleep(Duration::from_millis(300)); // a second message of the same turn
        app.waha.delivered().iter().filter(|line| line.starts_with(phone)).cloned().collect::<Vec<_>>().join("\n")
    };
    let full = says("6281200000901", "NS1", "Saya mau daftar UMR_DES_2030_LIBUR");
    assert!(full.contains("sudah penuh") && full.contains("UMR_") && full.contains("paket lain"), "{full}");
    let gone = says("6281200000902", "NS2", "mau DP UMR_MAR_2025_HEMAT, transfer ke mana?");
    assert!(gone.contains("sudah berangkat") && !gone.contains("25.000.000"), "{gone}");
    let once = says("6281200000903", "NS3", "Berapa harga UMR_MAR_2025_HEMAT?");
    assert_eq!(once.matches("sudah berangkat").count(), 1, "{once}");
    let asked = says("6281200000904", "NS4", "UMR_DES_2030_LIBUR harganya berapa ya?");
    assert!(asked.contains("sudah penuh") && !asked.contains("berapa orang"), "{asked}");
    let english = says("6281200000905", "NS5", "Hello, can I book UMR_DES_2030_LIBUR please?");
    assert!(english.contains("fully booked") && english.contains("another package"), "{english}");
    let escalations = app.export("escalations");
    assert_eq!(escalations.iter().filter(|row| row["reason"] == "payment_intent").count(), 3, "{escalations:?}");
}
