//! Lessons: the team tells what words mean, and the labelled messages leave and come back as a file.

use crate::pages::Browserless;
use crate::support::{EMAIL, Kafilah, PASSWORD};
use serde_json::{Value, json};

fn understood(app: &Kafilah, text: &str) -> Value {
    let body = json!({"phone": "6281234567890", "message": text, "conversation_id": "conv_1", "current_phase": "leads", "dry_run": true});
    let (status, said) = app.api("POST", "/api/ai/process-message", Some(body));
    assert_eq!(status, 200, "{said}");
    said
}

#[test]
fn what_the_team_teaches_is_understood_so_and_goes_out_and_in_as_a_file() {
    let app = Kafilah::start();
    let words = "sampun ngantos kulo niki pripun sae nipun";
    assert_ne!(understood(&app, words)["payment_intent"], true);
    let page = Browserless::login(&app, EMAIL, PASSWORD);
    assert_eq!(page.post(&app, "/bot/lessons", &[("text", words)]).0, 422, "a meaning is wanted");
    assert_eq!(page.post(&app, "/bot/lessons", &[("text", ""), ("intent", "thanks")]).0, 422);
    assert_eq!(page.post(&app, "/bot/lessons", &[("text", words), ("intent", "register"), ("intent", "ask_hotel"), ("pays", "1")]).0, 303);
    let said = understood(&app, "Sampun ngantos,  KULO niki pripun sae nipun!!");
    assert_eq!((&said["payment_intent"], &said["new_phase"], &said["intents"]), (&json!(true), &json!("booking"), &json!(["register", "ask_hotel"])), "{said}");
    assert!(page.get(&app, "/bot/lessons").1.contains(words));
    app.customer_writes("6281200000001", "LS1", "=jumlah hotelnya dekat masjid?");
    app.wait_delivered(1);
    // out: the lessons, and what the bot made of the rest
    let file = app.dir.path().join("training.jsonl");
    assert!(app.cli(&["export", "training", "--format", "jsonl", "--out", file.to_str().unwrap()]).status.success());
    let rows: Vec<Value> = std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["source"].as_str().unwrap()).collect::<Vec<_>>(), ["lesson", "turn"], "{rows:?}");
    assert_eq!((rows[0]["text"].as_str(), rows[0]["payment_intent"].as_i64()), (Some(words), Some(1)));
    assert_eq!(rows[1]["text"], "=jumlah hotelnya dekat masjid?");
    // in, elsewhere: guesses stay out
    let other = Kafilah::start();
    let done = other.cli(&["import", "training", file.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(understood(&other, words)["intents"], json!(["register", "ask_hotel"]));
    assert_eq!(other.export("training").len(), 1);
    let wrong = other.dir.path().join("wrong.json");
    std::fs::write(&wrong, json!([{"text": "halo", "intents": ["salam"]}]).to_string()).unwrap();
    let refused = other.cli(&["import", "training", wrong.to_str().unwrap()]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("row 1: intents"), "{}", String::from_utf8_lossy(&refused.stderr));
    // forgotten, it is a guess again
    assert_eq!(page.post(&app, "/bot/lessons", &[("forget", words)]).0, 303);
    assert_ne!(understood(&app, words)["payment_intent"], true);
}
