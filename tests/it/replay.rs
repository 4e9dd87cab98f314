//! The replay lab: a draft over past conversations, offline, with gates in front of publishing.

use crate::fake_llm::{FakeLlm, proposal};
use crate::support::Kafilah;
use serde_json::{Value, json};

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
