//! Proposed replies with their verdict (tests/guard): the guard lets the true ones through and none of the others.

use chrono::NaiveDate;
use kafilah::bot::facts::{Facts, Ground};
use kafilah::bot::guard;
use kafilah::travel::catalog::{Catalog, Listed};
use kafilah::travel::package::Package;
use serde_json::Value;

#[test]
fn true_replies_pass_and_false_ones_do_not() {
    let list: Vec<Value> = serde_json::from_str(include_str!("../../assets/demo/catalog.json")).unwrap();
    let packages = list.iter().map(|row| Listed { id: 1, package: Package::from_json(None, row).unwrap(), media: vec![], spellings: vec![] }).collect();
    let catalog = Catalog { generation: 1, packages };
    let today: NaiveDate = "2026-11-20".parse().unwrap();
    let instructions: Vec<String> = ["base", "company", "packages", "rules", "escalation"]
        .iter()
        .map(|block| std::fs::read_to_string(format!("{}/assets/prompts/{block}.md", env!("CARGO_MANIFEST_DIR"))).unwrap())
        .collect();
    let told: Vec<&str> = instructions.iter().map(String::as_str).collect();
    let (mut let_through, mut held_back, mut total) = (Vec::new(), Vec::new(), 0);
    for line in include_str!("../guard/replies.jsonl").lines().chain(include_str!("../guard/statements.jsonl").lines()) {
        let case: Value = serde_json::from_str(line).unwrap();
        let about = case["about"].as_str();
        let ground = Ground { catalog: &catalog, today, party: case["party"].as_i64(), month: None, lines: vec!["Biro: Safar Amanah Wisata".into()] };
        // every package in full, as if each had been looked up
        let codes: Vec<&str> = about.into_iter().chain(catalog.packages.iter().map(|listed| listed.package.code.as_str()).filter(|code| Some(*code) != about)).collect();
        let verdict = guard::check(case["reply"].as_str().unwrap(), &Facts::of(&ground, &codes), about, &told);
        total += 1;
        match (case["ok"].as_bool().unwrap(), verdict) {
            (true, Err(breaches)) => held_back.push(format!("{} :: {breaches:?}", case["reply"])),
            (false, Ok(())) => let_through.push(format!("{} :: {}", case["reply"], case["why"])),
            _ => {}
        }
    }
    println!("{total} replies: {} false ones let through, {} true ones held back", let_through.len(), held_back.len());
    held_back.iter().for_each(|case| println!("held back: {case}"));
    assert!(total >= 150);
    assert!(let_through.is_empty(), "let through:\n{}", let_through.join("\n"));
    // a true reply held back costs a second proposal, not the truth: a few are the price of certainty
    assert!(held_back.len() * 20 <= total, "held back:\n{}", held_back.join("\n"));
}

#[test]
fn accounts_are_found_however_they_are_written() {
    let own = ["BSI 7123456789".to_owned()];
    for text in [
        "transfer ke BCA 1234567890 ya",
        "transfer ke 1 2 3 4 5 6 7 8 9 0",
        "tf ke satu dua tiga empat lima enam tujuh delapan sembilan nol",
        "BSI: 7l2345678O a.n. Budi",
        "rek mandiri 123-456-789-0",
    ] {
        assert!(!guard::foreign_accounts(text, &own).is_empty(), "{text}");
    }
    for text in [
        "transfer ke BSI 7123456789",
        "transfer ke 7 1 2 3 4 5 6 7 8 9",
        "DP dua juta lima ratus, transfer besok",
        "kami satu dua hari lagi transfer",
        "bayar 26,5 juta untuk 2 orang 3 kamar",
    ] {
        assert!(guard::foreign_accounts(text, &own).is_empty(), "{text}");
    }
}
