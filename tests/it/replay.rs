//! The replay lab: a draft over past conversations, offline, with gates in front of publishing.

use crate::fake_llm::{FakeLlm, proposal};
use crate::pages::Browserless;
use crate::support::{EMAIL, Kafilah, PASSWORD};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

const ODD: &str = "kucing saya namanya Momo, bolehkah ikut ke pesawat?";

#[test]
fn a_draft_is_tried_on_the_past_and_published_only_when_its_gates_hold() {
    let llm = FakeLlm::start(|request, _| {
        let system = request["messages"][0]["content"].as_str().unwrap();
        proposal(if system.contains("SINGKAT") {
            "Belum bisa, Kak."
        } else if system.contains("NGAWUR") {
            "Bisa Kak, cukup Rp19.000.000!"
        } else {
            "Mohon maaf Kak, hewan peliharaan belum bisa ikut."
        })
    });
    let url = llm.url();
    let app = Kafilah::start_with(&[("llm.base_url", url.as_str()), ("llm.model", "uji"), ("llm.timeout_ms", "4000")]);
    app.customer_writes("6281200000001", "R1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    app.customer_writes("6281200000001", "R2", "fasilitasnya apa saja?");
    app.wait_delivered(2);
    app.customer_writes("6281200000002", "R3", ODD);
    let sent = app.wait_delivered(3);
    let before = app.export("messages").len();
    let draft = app.dir.path().join("draft.md");
    let replay = |words: &str, more: &[&str]| {
        std::fs::write(&draft, words).unwrap();
        let block = format!("base={}", draft.display());
        let mut args = vec!["replay", "--block", &block, "--json", "--ask-model"];
        args.extend_from_slice(more);
        let out = app.cli(&args);
        let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
        (out.status.code().unwrap(), report)
    };
    let (code, good) = replay("Jawablah SINGKAT.", &["--publish", "2.0"]);
    assert_eq!((code, good["summary"]["turns"].as_i64(), good["summary"]["changed"].as_i64()), (0, Some(3), Some(1)), "{good}");
    let case = &good["cases"][0];
    assert!(case["before"]["reply"].as_str().unwrap().contains("hewan peliharaan") && case["after"]["reply"] == "Belum bisa, Kak.", "{case}");
    assert_eq!(app.api("GET", "/api/ai/prompts", None).1["active"]["blocks"]["base"], "2.0", "its gates held");
    let (code, bad) = replay("Jawablah NGAWUR.", &["--publish", "3.0"]);
    let failed: Vec<&str> = bad["summary"]["gates"].as_array().unwrap().iter().filter(|gate| gate["passed"] == false).map(|gate| gate["name"].as_str().unwrap()).collect();
    assert_eq!((code, bad["passed"].as_bool()), (1, Some(false)));
    assert!(failed.contains(&"facts"), "{bad}");
    assert_eq!(app.api("GET", "/api/ai/prompts", None).1["active"]["blocks"]["base"], "2.0", "and these did not");
    // a draft nobody has asked the model with has not been tried
    std::fs::write(&draft, "Kasih diskon 90%").unwrap();
    let untried = app.cli(&["replay", "--block", &format!("base={}", draft.display()), "--publish", "9.0"]);
    assert!(!untried.status.success(), "{}", String::from_utf8_lossy(&untried.stdout));
    assert_eq!((app.export("messages").len(), app.waha.delivered().len()), (before, sent.len()), "nothing was sent and no conversation changed");
}

#[test]
fn draft_questions_answer_what_was_escalated() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "Q1", ODD);
    app.wait_delivered(1);
    let file = app.dir.path().join("faq.json");
    let faq = json!([{"key": "kucing", "topic": "travel", "question": "Bolehkah kucing ikut ke pesawat?", "variants": ["kucing saya bolehkah ikut ke pesawat"], "answer": "Hewan peliharaan belum bisa ikut, Kak."}]);
    std::fs::write(&file, faq.to_string()).unwrap();
    let out = app.cli(&["replay", "--faq", file.to_str().unwrap(), "--json"]);
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((out.status.code(), report["cases"][0]["after"]["decided_by"].as_str()), (Some(0), Some("faq")), "{report}");
    let none = app.cli(&["replay", "--block", "mood=/dev/null"]);
    assert!(!none.status.success() && String::from_utf8_lossy(&none.stderr).contains("no prompt block"));
}

#[test]
fn a_draft_flow_is_walked_through_the_past_before_customers_meet_it() {
    let app = Kafilah::start();
    let node = |id: &str, parent: Option<&str>, keywords: &[&str], say: &str| json!({"id": id, "parent": parent, "title": id, "keywords": keywords, "say": say});
    let live = json!({"name": "Perlengkapan", "publish": true, "nodes": [node("awal", None, &["perlengkapan"], "Silakan pilih:"), node("koper", Some("awal"), &["koper"], "Koper 24 inci."), node("kain", Some("awal"), &["ihram"], "Kain ihram dua lembar.")]});
    assert_eq!(app.api("PUT", "/api/ai/flows/perlengkapan", Some(live.clone())).0, 200);
    for (n, said) in ["perlengkapan", "koper", "0", "ihram"].iter().enumerate() {
        app.customer_writes("6281200000001", &format!("F{n}"), said);
        app.wait_delivered(n + 1);
    }
    let before = app.waha.delivered().len();
    // the draft says something else at one place; only the turn that stands there differs
    let page = Browserless::login(&app, EMAIL, PASSWORD);
    let form = [
        ("name", "Perlengkapan"),
        ("order", "awal,koper,kain"),
        ("replay", "1"),
        ("title.awal", "awal"),
        ("keywords.awal", "perlengkapan"),
        ("say.awal", "Silakan pilih:"),
        ("parent.koper", "awal"),
        ("title.koper", "koper"),
        ("keywords.koper", "koper"),
        ("say.koper", "Koper 20 inci dan tas jinjing."),
        ("parent.kain", "awal"),
        ("title.kain", "kain"),
        ("keywords.kain", "ihram"),
        ("say.kain", "Kain ihram dua lembar."),
    ];
    assert_eq!(page.post(&app, "/bot/flows/perlengkapan", &form).0, 303);
    app.wait("the replay", SOON, |app| page.get(app, "/bot/replay/1").1.contains("Syarat terbit"));
    let shown = page.get(&app, "/bot/replay/1").1;
    assert!(shown.contains("4 giliran diputuskan ulang, 1 berbeda") && shown.contains("Koper 20 inci") && shown.contains("Perlengkapan"), "{shown}");
    let published = |app: &Kafilah| app.api("GET", "/api/ai/flows/perlengkapan", None).1["published"]["nodes"][1]["say"].as_str().unwrap().to_owned();
    assert_eq!(published(&app), "Koper 24 inci.", "customers still meet the old one");
    // a colleague changes it meanwhile: what was tried goes over nothing newer
    let colleague = json!({"name": "Perlengkapan", "publish": true, "nodes": [node("awal", None, &["perlengkapan"], "Silakan pilih:"), node("koper", Some("awal"), &["koper"], "Koper 28 inci.")]});
    assert_eq!(app.api("PUT", "/api/ai/flows/perlengkapan", Some(colleague)).0, 200);
    assert_eq!((page.post(&app, "/bot/replay/1/publish", &[]).0, published(&app).as_str()), (409, "Koper 28 inci."));
    assert_eq!(app.api("PUT", "/api/ai/flows/perlengkapan", Some(live)).0, 200);
    assert_eq!(page.post(&app, "/bot/flows/perlengkapan", &form).0, 303);
    app.wait("the second replay", SOON, |app| page.get(app, "/bot/replay/2").1.contains("Syarat terbit"));
    assert_eq!(page.post(&app, "/bot/replay/2/publish", &[]).0, 303);
    assert_eq!(published(&app), "Koper 20 inci dan tas jinjing.");
    // the same on the command line, and a tree that cannot be walked
    let file = app.dir.path().join("flows.json");
    std::fs::write(&file, app.api("GET", "/api/ai/flows", None).1.to_string()).unwrap();
    let report: Value = serde_json::from_slice(&app.cli(&["replay", "--flows", file.to_str().unwrap(), "--json"]).stdout).unwrap();
    assert_eq!((report["summary"]["turns"].as_i64(), report["summary"]["changed"].as_i64()), (Some(4), Some(0)), "{report}");
    std::fs::write(&file, json!([{"key": "x", "name": "X", "nodes": []}]).to_string()).unwrap();
    let none = app.cli(&["replay", "--flows", file.to_str().unwrap()]);
    assert!(!none.status.success() && String::from_utf8_lossy(&none.stderr).contains("nodes"));
    assert_eq!(app.waha.delivered().len(), before);
}

#[test]
fn a_draft_question_is_tried_from_its_form_and_published_from_the_lab() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "D1", ODD);
    app.wait_delivered(1);
    let page = Browserless::login(&app, EMAIL, PASSWORD);
    let form = |answer: &'static str| {
        [
            ("key", ""),
            ("topic", "travel"),
            ("question", "Bolehkah kucing ikut ke pesawat?"),
            ("variants", "kucing saya bolehkah ikut ke pesawat"),
            ("answer", answer),
            ("answer_en", ""),
            ("status", "draft"),
            ("replay", "1"),
        ]
    };
    assert_eq!(page.post(&app, "/bot/faq", &form("")).0, 422, "an empty answer is not tried");
    assert_eq!(page.post(&app, "/bot/faq", &form("Hewan peliharaan belum bisa ikut, Kak.")).0, 303);
    app.wait("the replay", SOON, |app| page.get(app, "/bot/replay/1").1.contains("Syarat terbit"));
    let shown = page.get(&app, "/bot/replay/1").1;
    assert!(shown.contains("1 giliran diputuskan ulang, 1 berbeda") && shown.contains("Bolehkah kucing"), "{shown}");
    assert!(page.get(&app, "/bot/faq/new?replay=1").1.contains("Hewan peliharaan belum bisa ikut"), "the draft can be gone on with");
    assert!(!app.api("GET", "/api/ai/faq", None).1.to_string().contains("Bolehkah kucing"));
    assert_eq!(page.post(&app, "/bot/replay/1/publish", &[]).0, 303);
    assert!(app.api("GET", "/api/ai/faq", None).1.to_string().contains("Bolehkah kucing"));
    app.customer_writes("6281200000002", "D2", ODD);
    assert!(app.wait_delivered(2)[1].contains("Hewan peliharaan belum bisa ikut"));
}

#[test]
fn a_draft_that_answers_what_the_model_answered_shows_without_asking_it() {
    let llm = FakeLlm::start(|_, _| proposal("Mohon maaf Kak, hewan peliharaan belum bisa ikut."));
    let url = llm.url();
    let app = Kafilah::start_with(&[("llm.base_url", url.as_str()), ("llm.model", "uji"), ("llm.timeout_ms", "4000")]);
    app.customer_writes("6281200000001", "M1", ODD);
    app.wait_delivered(1);
    let file = app.dir.path().join("faq.json");
    let faq = json!([{"key": "kucing", "topic": "travel", "question": "Bolehkah kucing ikut ke pesawat?", "variants": ["kucing saya bolehkah ikut ke pesawat"], "answer": "Belum bisa."}]);
    std::fs::write(&file, faq.to_string()).unwrap();
    let report: Value = serde_json::from_slice(&app.cli(&["replay", "--faq", file.to_str().unwrap(), "--json"]).stdout).unwrap();
    assert_eq!((report["summary"]["changed"].as_i64(), report["cases"][0]["after"]["decided_by"].as_str()), (Some(1), Some("faq")), "{report}");
}
