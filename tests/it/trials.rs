//! Trials of the first answer: each customer stays on one side, the readout counts whom it should, the winner is the wording.

use crate::pages::Browserless;
use crate::support::{EMAIL, Kafilah, PASSWORD};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const WORDS: &str = "Boleh kami bantu pilihkan kamarnya?";

#[test]
fn the_better_question_wins_by_itself_and_is_said_to_everybody() {
    let app = Kafilah::start();
    let page = Browserless::login(&app, EMAIL, PASSWORD);
    let begin = |slot: &str, b: &str| page.post(&app, "/bot/trials", &[("name", "Penutup"), ("slot", slot), ("b", b), ("goal", "reply")]).0;
    for bad in ["Harga cuma 20 juta", "Klik http://x.example", ""] {
        assert_eq!(begin("closing", bad), 422, "{bad}");
    }
    assert_eq!(begin("hello", "Halo kak"), 422, "a greeting names the package");
    assert_eq!(begin("closing", WORDS), 303);
    assert_eq!(begin("closing", "Yang lain?"), 422, "one trial a part");
    const PEOPLE: usize = 130;
    for n in 0..PEOPLE {
        app.customer_writes(&format!("62812100{n:05}"), &format!("TR{n}"), "UMR_APR_2030_HEMAT");
    }
    let answered =
        |app: &Kafilah| app.export("messages").iter().filter(|row| row["direction"] == "out" && row["text"].as_str().is_some_and(|text| text.contains("Durasi"))).count();
    app.wait("all answers", SOON, |app| answered(app) == PEOPLE);
    let saw_b: Vec<String> = app
        .export("messages")
        .iter()
        .filter(|row| row["direction"] == "out" && row["text"].as_str().is_some_and(|text| text.contains(WORDS)))
        .map(|row| row["contact_phone"].as_str().unwrap().trim_start_matches('+').to_owned())
        .collect();
    assert!((40..=90).contains(&saw_b.len()), "about half: {}", saw_b.len());
    // nearly everybody who saw b answers, nobody else does
    for (n, phone) in saw_b.iter().enumerate() {
        app.customer_writes(phone, &format!("TA{n}"), "boleh kak");
    }
    // and who asks once more stays on his side
    app.customer_writes(&saw_b[0], "TRX", "UMR_JUN_2030_VIP");
    app.wait("his other package", SOON, |app| {
        app.export("messages").iter().any(|row| {
            row["contact_phone"].as_str().is_some_and(|phone| phone.ends_with(&saw_b[0])) && row["text"].as_str().is_some_and(|text| text.contains("VIP") && text.contains(WORDS))
        })
    });
    let later = (chrono::Utc::now() + chrono::Duration::minutes(5)).to_rfc3339();
    app.api("POST", "/api/test/clock", Some(json!({"now": later})));
    app.wait("the verdict", SOON, |app| app.export("audit").iter().any(|row| row["action"] == "experiment.ended" && row["detail"] == "b"));
    let (_, shown) = page.get(&app, "/bot/trials");
    assert!(shown.contains("B menang") && shown.contains(WORDS), "the page says so");
    // from now on it is the wording
    for n in 0..6 {
        app.customer_writes(&format!("62812200{n:05}"), &format!("TN{n}"), "UMR_APR_2030_HEMAT");
    }
    app.wait("six answers in the new words", SOON, |app| {
        let rows = app.export("messages");
        rows.iter()
            .filter(|row| row["contact_phone"].as_str().is_some_and(|phone| phone.starts_with("+62812200")) && row["text"].as_str().is_some_and(|text| text.contains(WORDS)))
            .count()
            == 6
    });
}
