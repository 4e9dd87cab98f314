//! The command line: settings, users, imports, exports, backup, restore, doctor.

use crate::support::{EMAIL, Kafilah, binary, message, run};
use serde_json::{Value, json};
use std::time::Duration;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn settings_are_checked_secret_and_seen_by_the_running_server() {
    let app = Kafilah::start();
    assert_eq!(text(&app.cli(&["get", "waha.hmac_key"]).stdout).trim(), "***");
    assert!(!text(&app.cli(&["get"]).stdout).contains("kunci-uji"));
    for (args, part) in [(&["set", "no.such", "1"][..], "no setting"), (&["set", "bot.quiet_ms", "soon"], "whole number"), (&["set", "waha.url", "ftp://x"], "address")] {
        let out = app.cli(args);
        assert_eq!(out.status.code(), Some(1));
        assert!(text(&out.stderr).contains(part), "{}", text(&out.stderr));
    }
    assert_eq!(app.cli(&["set"]).status.code(), Some(2), "usage");
    assert!(app.cli(&["set", "bot.enabled", "off"]).status.success());
    std::thread::sleep(std::time::Duration::from_millis(600));
    app.customer_writes("6281200000001", "SET1", "UMR_APR_2030_HEMAT");
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert!(app.waha.delivered().is_empty(), "the running server heard of it");
}

#[test]
fn users_come_and_go_but_never_the_last_admin() {
    let app = Kafilah::start();
    let add = |email: &str, role: &str, password: &str| run(&app.store(), &["user", "add", "--email", email, "--name", "Orang", "--role", role, "--password-stdin"], password);
    assert!(add("cs@biro.example", "cs", "sandi-panjang\n").status.success());
    assert!(!add("cs@biro.example", "cs", "sandi-panjang\n").status.success());
    assert!(!add("x@biro.example", "cs", "pendek\n").status.success());
    assert_eq!(add("x@biro.example", "king", "sandi-panjang\n").status.code(), Some(2));
    assert!(text(&app.cli(&["user", "list"]).stdout).contains("cs@biro.example\tOrang\tcs\tactive"));
    assert!(app.cli(&["user", "disable", "cs@biro.example"]).status.success());
    let last = app.cli(&["user", "disable", EMAIL]);
    assert!(text(&last.stderr).contains("last active system_admin"), "{}", text(&last.stderr));
}

#[test]
fn an_import_is_all_or_nothing_with_a_line_per_wrong_row() {
    let app = Kafilah::start();
    let file = app.dir.path().join("paket.csv");
    std::fs::write(
        &file,
        "code,name,price_idr,departs,days\nUMR_MEI_2030_A,Paket A,Rp 25.000.000,2030-05-01,9\nUMR_MEI_2030_B,Paket B,murah,2030-05-02,9\nbad code,C,1,2030-05-02,9\n",
    )
    .unwrap();
    let out = app.cli(&["import", "packages", file.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    let said = text(&out.stderr);
    assert!(said.contains("row 3: price_idr") && said.contains("row 4: code") && said.contains("nothing was written"), "{said}");
    assert_eq!(app.export("packages").len(), 4);
    std::fs::write(&file, "code;name;price_idr;departs;days;features\nUMR_MEI_2030_A;Paket A;Rp 25.000.000;2030-05-01;9;dekat|murah\n").unwrap();
    let dry = app.cli(&["import", "packages", file.to_str().unwrap(), "--dry-run"]);
    assert!(dry.status.success() && app.export("packages").len() == 4);
    assert!(app.cli(&["import", "packages", file.to_str().unwrap()]).status.success());
    assert_eq!(app.api("GET", "/api/packages/UMR_MEI_2030_A", None).1["features"][1], "murah");
    let people = app.dir.path().join("kontak.csv");
    std::fs::write(&people, "phone,name\n0812-0000-0009,\"Ibu Sari\n0812-0000-0010,Pak Adi\n").unwrap();
    let cut = app.cli(&["import", "contacts", people.to_str().unwrap()]);
    assert!(!cut.status.success() && text(&cut.stderr).contains("never closed"), "{}", text(&cut.stderr));
    std::fs::write(&people, "phone,name,shoe_size\n0812-0000-0009,Ibu Sari,38\n").unwrap();
    assert!(text(&app.cli(&["import", "contacts", people.to_str().unwrap(), "--dry-run"]).stderr).contains("shoe_size"));
    std::fs::write(&people, "phone,name\n0812-0000-0009,Ibu Sari\n").unwrap();
    assert!(app.cli(&["import", "contacts", people.to_str().unwrap()]).status.success());
    let sales = app.dir.path().join("beli.json");
    std::fs::write(&sales, r#"[{"phone":"081200000009","product":"Umroh 2024","quantity":2,"price_idr":25000000,"bought_on":"2024-03-01"}]"#).unwrap();
    for _ in 0..2 {
        assert!(app.cli(&["import", "purchases", sales.to_str().unwrap()]).status.success());
    }
    let purchases = app.export("purchases");
    assert_eq!((purchases.len(), &purchases[0]["total_idr"], &purchases[0]["contact_name"]), (1, &Value::from(50_000_000), &Value::from("Ibu Sari")));
    // one line of an export is a row, and a list may come in a wrapper that has a name, laid out or not
    let row = json!({"code": "UMR_MEI_2031_A", "name": "Paket A", "price_idr": 25000000, "departs": "2031-05-01", "days": 9, "itinerary": [{"day": 1, "text": "Berangkat"}]});
    let wrapped = json!({"name": "Katalog", "packages": [row]});
    for given in [row.to_string(), wrapped.to_string(), format!("{wrapped:#}")] {
        let file = app.dir.path().join("satu.json");
        std::fs::write(&file, &given).unwrap();
        let out = app.cli(&["import", "packages", file.to_str().unwrap(), "--dry-run"]);
        assert!(out.status.success() && text(&out.stdout).starts_with("1 rows are right"), "{given}: {}", text(&out.stderr));
    }
}

#[test]
fn exports_are_atomic_neutral_and_remember_where_they_were() {
    let app = Kafilah::start();
    app.customer_writes("6281200000001", "X1", "=HYPERLINK(\"http://x\")");
    app.wait_delivered(1);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let file = app.dir.path().join("pesan.csv");
    let path = file.to_str().unwrap();
    assert!(app.cli(&["export", "messages", "--out", path, "--since", "last"]).status.success());
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(first.starts_with("\"message_id\",\"conversation_id\",\"contact_phone\",\"direction\""), "{first}");
    assert!(first.contains("\"'=HYPERLINK") && first.contains("\"+6281200000001\""), "{first}");
    assert!(first.ends_with("\r\n") && first.matches("\"\r\n").count() == first.matches("\r\n").count(), "records end so, and nothing else does: {first}");
    assert!(app.cli(&["export", "messages", "--out", path, "--since", "last"]).status.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1, "nothing new since");
    // a state that changes is brought again, whenever it was made
    let states = |what: &str| {
        let out = app.cli(&["export", what, "--format", "jsonl", "--since", "last"]);
        text(&out.stdout).lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
    };
    app.customer_writes("6281200000001", "X2", "saya mau bicara dengan orang");
    app.wait("an escalation", std::time::Duration::from_secs(10), |app| app.export("escalations").iter().any(|row| row["reason"] == "human_requested"));
    let before = states("escalations");
    assert!(before.iter().any(|row| row["resolved_at"].is_null()), "{before:?}");
    assert_eq!(states("escalations"), Vec::<serde_json::Value>::new());
    assert_eq!(app.api("POST", "/api/conversations/conv_1/release", Some(serde_json::json!({"to": "bot"}))).0, 200);
    let after = states("escalations");
    assert!(!after.is_empty() && after.iter().all(|row| row["resolved_at"].is_string()), "{after:?}");
    for private in [file.clone(), app.store().join("kafilah.db"), app.store().join("kafilah.db-wal"), app.store().join("secret.key")] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&private).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{}", private.display());
    }
    assert!(!app.cli(&["export", "messages", "--out", "/no/such/folder/x.csv"]).status.success());
    assert!(!app.cli(&["export", "nothing"]).status.success());
    assert!(app.cli(&["export", "messages", "--format", "xlsx", "--out", app.dir.path().join("p.xlsx").to_str().unwrap()]).status.success());
    for what in text(&app.cli(&["export", "list"]).stdout).lines() {
        assert!(app.cli(&["export", what]).status.success(), "{what}");
    }
}

#[test]
fn a_backup_of_the_running_store_restores_to_what_was() {
    let mut app = Kafilah::start();
    app.customer_writes("6281200000001", "BK1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let file = app.dir.path().join("cadangan.db");
    let out = app.cli(&["backup", "--out", file.to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let before = app.export("messages");
    app.customer_writes("6281200000002", "BK2", "sesudah cadangan");
    let running = app.cli(&["restore", file.to_str().unwrap()]);
    assert!(!running.status.success() && text(&running.stderr).contains("stop it first"));
    app.stop();
    let out = app.cli(&["restore", file.to_str().unwrap()]);
    assert!(out.status.success() && text(&out.stdout).contains("kafilah-before-restore"), "{}", text(&out.stderr));
    assert_eq!(app.export("messages").len(), before.len());
    app.boot();
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(run(&elsewhere.path().join("data"), &["restore", file.to_str().unwrap()], "").status.success());
    std::fs::write(&file, b"not a backup").unwrap();
    assert!(!run(&elsewhere.path().join("data2"), &["restore", file.to_str().unwrap()], "").status.success());
}

#[test]
fn nothing_is_written_over_the_store_itself() {
    let mut app = Kafilah::start();
    app.customer_writes("6281200000001", "OW1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let alias = app.dir.path().join("alias.db");
    std::os::unix::fs::symlink(app.store().join("kafilah.db"), &alias).unwrap();
    let hard = app.dir.path().join("hard.key");
    std::fs::hard_link(app.store().join("secret.key"), &hard).unwrap();
    for own in [app.store().join("kafilah.db"), app.store().join("../data/kafilah.db-wal"), app.store().join("secret.key"), app.store().join("media/x"), alias, hard] {
        for args in [["backup", "--out", own.to_str().unwrap()].to_vec(), ["export", "messages", "--out", own.to_str().unwrap()].to_vec()] {
            let out = app.cli(&args);
            assert!(!out.status.success() && text(&out.stderr).contains("part of the store"), "{args:?}: {}", text(&out.stderr));
        }
    }
    assert_eq!(app.export("messages").iter().filter(|row| row["direction"] == "in").count(), 1);
    // somebody else's hand puts another file there: nothing more is acknowledged into the one that is gone
    let copy = app.dir.path().join("copy.db");
    assert!(app.cli(&["backup", "--out", copy.to_str().unwrap()]).status.success());
    std::fs::rename(&copy, app.store().join("kafilah.db")).unwrap();
    let body = json!({"event": "message", "session": "default", "payload": message("6281200000002", "OW2", "halo")}).to_string();
    let (status, answer) = app.webhook_raw(body.as_bytes());
    assert_eq!((status, answer["error"]["reason"].as_str().or(answer["error"]["message"].as_str()).is_some_and(|why| why.contains("replaced"))), (503, true), "{answer}");
    app.stop();
    app.boot();
    assert_eq!(app.webhook_raw(body.as_bytes()).1["status"], "accepted", "the gateway's next try, after a new start");
}

#[test]
fn the_samples_can_be_imported() {
    let app = Kafilah::start();
    for what in ["packages", "campaigns", "contacts", "purchases"] {
        let out = app.cli(&["import", what, &format!("{}/examples/{what}.csv", env!("CARGO_MANIFEST_DIR"))]);
        assert!(out.status.success() && !text(&out.stderr).contains("left out"), "{what}: {}", text(&out.stderr));
    }
    let file = app.dir.path().join("iklan.csv");
    std::fs::write(&file, "code,package_code\nIG_A,UMR_SEP_2027_HEMAT\nIG_B,UMR_TIDAK_ADA\nIG_A,\n").unwrap();
    let said = text(&app.cli(&["import", "campaigns", file.to_str().unwrap()]).stderr);
    assert!(said.contains("row 3: package_code: there is no package UMR_TIDAK_ADA") && said.contains("row 4: code: IG_A stands in row 2"), "{said}");
    // the demo makes conversations up: not in a store of somebody's own
    let demo = app.cli(&["demo"]);
    assert!(!demo.status.success() && text(&demo.stderr).contains("real agency"), "{}", text(&demo.stderr));
}

#[test]
fn looking_at_what_is_not_there_makes_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    for args in [&["get"][..], &["export", "messages"], &["backup", "--out", "x.db"], &["doctor"]] {
        assert_eq!(run(&nowhere, args, "").status.code(), Some(1), "{args:?}");
        assert!(!nowhere.exists(), "{args:?} made a store");
    }
    let said: serde_json::Value = serde_json::from_slice(&run(&nowhere, &["doctor", "--json"], "").stdout).expect("JSON also when there is no store");
    assert_eq!((&said["ok"], &said["checks"][0]["verdict"]), (&serde_json::json!(false), &serde_json::json!("failed")), "{said}");
}

#[test]
fn help_and_completions_tell_every_command() {
    let out = crate::support::binary().arg("--help").output().unwrap();
    for command in ["demo", "serve", "init", "set", "unset", "get", "user", "token", "import", "export", "backup", "restore", "doctor", "completions"] {
        assert!(text(&out.stdout).contains(command), "{command}");
    }
    assert!(crate::support::binary().args(["completions", "bash"]).output().unwrap().stdout.len() > 1_000);
}

/// A restore is wanted most when the store is damaged: the old files go aside whole, whatever state they are in.
#[test]
fn a_damaged_store_can_be_restored_over() {
    let mut app = crate::support::Kafilah::start();
    app.customer_writes("6281200000001", "R1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let backup = app.store().join("../backup.db");
    assert!(app.cli(&["backup", "--out", backup.to_str().unwrap()]).status.success());
    app.stop();
    let database = app.store().join("kafilah.db");
    let whole = std::fs::read(&database).unwrap();
    let half_bad: Vec<u8> = whole.iter().enumerate().map(|(at, byte)| if at > 8192 { 0xA5 } else { *byte }).collect();
    for damaged in [half_bad, vec![0x42; 8192]] {
        std::fs::write(&database, &damaged).unwrap();
        let restored = app.cli(&["restore", backup.to_str().unwrap()]);
        assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
        let kept: Vec<_> = std::fs::read_dir(app.store()).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("kafilah-before-restore-")).collect();
        assert!(kept.iter().any(|entry| std::fs::read(entry.path()).unwrap() == damaged), "the damaged file is kept aside, byte for byte");
        assert!(!app.store().join(".kafilah.db.restoring").exists());
        assert_eq!(app.export("messages").iter().filter(|row| row["direction"] == "in").count(), 1);
        std::thread::sleep(std::time::Duration::from_millis(1100)); // the kept file is named by the second
    }
}

/// Anybody can open a short link; only codes the agency knows leave a row.
#[test]
fn clicks_on_codes_nobody_knows_leave_no_rows() {
    let app = crate::support::Kafilah::start();
    let before = app.export("campaigns").len();
    for n in 0..20 {
        app.call("GET", &format!("/c/JUNK_{n}"), &[], None);
    }
    assert_eq!((app.export("campaigns").len(), app.export("clicks").len()), (before, 0));
    app.call("GET", "/c/umr_apr_2030_hemat", &[], None);
    assert_eq!((app.export("clicks").len(), app.export("campaigns")[0]["clicks"].as_i64()), (1, Some(1)));
}

/// The paths and commands the README names are there.
#[test]
fn the_readme_tells_what_is() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let paths: Vec<&str> =
        readme.split('`').filter(|quoted| ["src/", "tests/", "examples/", "assets/"].iter().any(|folder| quoted.starts_with(folder)) && !quoted.contains(' ')).collect();
    assert!(paths.len() > 8, "{paths:?}");
    for path in paths {
        assert!(root.join(path).exists(), "{path} is named and not there");
    }
    let commands = readme.lines().map(str::trim_start).filter_map(|line| line.split("kafilah ").nth(1).filter(|_| line.starts_with("kafilah ") || line.contains("| kafilah ")));
    let mut seen = 0;
    for line in commands {
        let name = line.split_whitespace().next().unwrap();
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_kafilah")).args([name, "--help"]).output().unwrap();
        assert!(out.status.success(), "kafilah {name} is named and not there");
        let help = text(&out.stdout);
        for option in line.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "kafilah {name} {option} is named and not there");
        }
        seen += 1;
    }
    assert!(seen >= 6, "{seen} commands");
}

#[test]
fn a_store_that_gives_way_to_a_backup_is_never_lost() {
    let mut app = Kafilah::start();
    app.customer_writes("6281200000081", "RS1", "UMR_APR_2030_HEMAT");
    app.wait_delivered(1);
    let folder = tempfile::tempdir().unwrap();
    let (backup, other) = (folder.path().join("satu.db"), folder.path().join("dua.db"));
    for file in [&backup, &other] {
        assert!(app.cli(&["backup", "--out", file.to_str().unwrap()]).status.success());
    }
    app.stop();
    // what a killed restore left must not be rolled into the next one
    std::fs::write(app.store().join(".kafilah.db.part-journal"), std::fs::read(&backup).unwrap()).unwrap();
    for file in [&backup, &other, &backup] {
        let done = app.cli(&["restore", file.to_str().unwrap()]);
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
    let kept = std::fs::read_dir(app.store()).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("kafilah-before-restore")).count();
    assert_eq!(kept, 3, "each keeps the one before it");
    let leftovers: Vec<_> = std::fs::read_dir(app.store()).unwrap().flatten().map(|entry| entry.file_name()).filter(|name| name.to_string_lossy().contains("part")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
    // a store that is a link to another disk is kept too, not only its name
    let elsewhere = folder.path().join("elsewhere.db");
    std::fs::rename(app.store().join("kafilah.db"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, app.store().join("kafilah.db")).unwrap();
    let before = std::fs::read(&elsewhere).unwrap();
    let done = app.cli(&["restore", other.to_str().unwrap()]);
    let said = text(&done.stdout);
    let kept = said.trim().rsplit("kept as ").next().unwrap();
    assert!(done.status.success() && std::fs::read(kept).unwrap().len() == before.len() && !std::path::Path::new(kept).is_symlink(), "{said}");
    // what is no backup leaves the store alone and says so
    let wrong = app.cli(&["restore", "/etc/passwd"]);
    assert_eq!((wrong.status.code(), text(&wrong.stderr).contains("The store was not touched")), (Some(1), true), "{}", text(&wrong.stderr));
    // what is no file is not replaced by one
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let refused = app.cli(&["export", "messages", "--out", socket.to_str().unwrap()]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("is no file"), "{}", text(&refused.stderr));
    assert!(!app.cli(&["backup", "--out", "-"]).status.success());
    // a key that opens nothing lets nobody in
    std::fs::write(app.store().join("secret.key"), "ab".repeat(32)).unwrap();
    app.boot();
    let body = json!({"event": "message.any", "session": "default", "payload": message("6281200000082", "RS2", "halo")}).to_string();
    assert_eq!(app.call("POST", "/api/whatsapp/webhook", &[], Some(body.as_bytes())).status, 503, "unsigned");
    assert_eq!(app.webhook_raw(body.as_bytes()).0, 503, "signed: the gateway tries again");
}

#[test]
fn what_fails_at_the_beginning_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("data");
    for args in [["--agency", "", "--owner-email", "a@b.example"], ["--agency", "Biro", "--owner-email", "bukan email"]] {
        let mut all = vec!["init", "--owner-password-stdin"];
        all.extend(args);
        assert!(!run(&store, &all, "kata-sandi-uji\n").status.success());
        assert!(!store.exists(), "{args:?}");
    }
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/packages.csv");
    assert!(!run(&store, &["import", "packages", samples, "--dry-run"], "").status.success());
    assert!(!store.exists());
    let set = run(&store, &["set", "agency.name", "Biro"], "");
    assert!(set.status.success() && text(&set.stderr).contains("a new, empty one was made"), "{}", text(&set.stderr));
    // a result nobody can take is an error, not a panic
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let said = binary().arg("--data").arg(&store).arg("get").stdout(full).output().unwrap();
    assert_eq!((said.status.code(), text(&said.stderr).contains("standard output")), (Some(1), true), "{}", text(&said.stderr));
}

#[test]
fn a_state_comes_again_when_a_receipt_or_a_label_has_changed_it() {
    let app = Kafilah::start();
    let conversation = app.customer_writes("6281200000083", "ST1", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    app.wait("the outcome", Duration::from_secs(5), |app| app.export("outbox")[0]["state"] == "accepted");
    let since = |what: &str| -> usize {
        let out = app.cli(&["export", what, "--since", "last", "--format", "jsonl"]);
        assert!(out.status.success(), "{}", text(&out.stderr));
        text(&out.stdout).lines().count()
    };
    let all = || ["outbox", "contacts", "conversations"].map(since);
    assert_eq!((all(), all()), ([1, 1, 1], [0, 0, 0]));
    let id = app.waha.memory().sent[0].id.clone();
    app.webhook("message.ack", json!({"id": format!("true_6281200000083@c.us_{id}"), "from": "6281200000083@c.us", "fromMe": true, "ack": 3, "ackName": "READ"}));
    app.webhook("label.chat.added", json!({"labelId": "6", "chatId": "6281200000083@c.us", "label": {"id": "6", "name": "Grade A", "color": 1}}));
    assert_eq!(all(), [1, 1, 1], "{conversation}");
}
