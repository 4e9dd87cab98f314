//! Bookings and payments: seats sold once, money counted once, and the customer moved on to BOOKING and PAID.

use crate::pages::Browserless;
use crate::support::{EMAIL, Kafilah, PASSWORD};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

const CODE: &str = "UMR_APR_2030_HEMAT";

/// A customer, and a package with so many seats left.
fn start(seats: i64) -> (Kafilah, i64) {
    let app = Kafilah::start();
    let id = app.customer_writes("6281200007001", "BK1", CODE)["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    assert_eq!(app.api("PATCH", &format!("/api/packages/{CODE}"), Some(json!({"quota": seats, "seats_taken": 0}))).0, 200);
    let contact = app.api("GET", &format!("/api/conversations/{id}"), None).1["contact"]["id"].as_i64().unwrap();
    (app, contact)
}

fn book(app: &Kafilah, key: &str, body: &Value) -> (u16, Value) {
    keyed(app, "/api/bookings", key, body)
}

fn keyed(app: &Kafilah, path: &str, key: &str, body: &Value) -> (u16, Value) {
    let token = format!("Bearer {}", app.token);
    let answer = app.call("POST", path, &[("authorization", &token), ("idempotency-key", key), ("content-type", "application/json")], Some(body.to_string().as_bytes()));
    (answer.status, answer.json())
}

fn phase(app: &Kafilah) -> String {
    app.api("GET", "/api/conversations", None).1["conversations"][0]["phase"].as_str().unwrap().to_owned()
}

#[test]
fn a_booking_is_paid_in_parts_and_the_customer_moves_on() {
    let (app, contact) = start(10);
    let (status, made) = book(&app, "b1", &json!({"contact": contact, "package": CODE.to_lowercase(), "seats": 2, "note": "kamar berdua"}));
    assert_eq!((status, &made["seats"], &made["state"], &made["paid_idr"]), (201, &json!(2), &json!("unpaid"), &json!(0)), "{made}");
    let total = made["total_idr"].as_i64().unwrap();
    let price = app.api("GET", &format!("/api/packages/{CODE}"), None).1;
    assert_eq!((total, &price["seats_left"]), (price["price_idr"].as_i64().unwrap() * 2, &json!(8)), "its price for each, its seats taken");
    assert_eq!(book(&app, "b1", &json!({"contact": contact, "package": CODE, "seats": 2})).1["id"], made["id"], "the same call again");
    assert_eq!(app.api("GET", &format!("/api/packages/{CODE}"), None).1["seats_left"], 8, "takes no seats again");
    assert_eq!(phase(&app), "booking");
    let (id, pay) = (made["id"].as_i64().unwrap(), format!("/api/bookings/{}/payments", made["id"]));
    let (status, half) = keyed(&app, &pay, "p1", &json!({"amount_idr": 5_000_000, "method": "transfer", "reference": "BSI-001"}));
    assert_eq!((status, &half["state"], phase(&app).as_str()), (201, &json!("part"), "booking"), "{half}");
    assert_eq!(keyed(&app, &pay, "p1", &json!({"amount_idr": 5_000_000, "method": "transfer", "reference": "BSI-001"})).1["paid_idr"], 5_000_000);
    let (status, refused) = keyed(&app, &pay, "p2", &json!({"amount_idr": 5_000_000, "method": "transfer", "reference": "BSI-001"}));
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("repeated")), "somebody else reports the same transfer");
    let (_, whole) = keyed(&app, &pay, "p3", &json!({"amount_idr": total - 5_000_000, "method": "cash"}));
    assert_eq!((&whole["state"], phase(&app).as_str()), (&json!("paid"), "paid"));
    for (field, body) in [
        ("amount_idr", json!({"amount_idr": 0, "method": "cash"})),
        ("amount_idr", json!({"amount_idr": -total - 1, "method": "cash"})),
        ("amount_idr", json!({"amount_idr": i64::MIN, "method": "cash"})),
        ("amount_idr", json!({"amount_idr": i64::MAX, "method": "cash"})),
        ("received_on", json!({"amount_idr": 1, "method": "cash", "received_on": "-0044-03-15"})),
        ("method", json!({"amount_idr": 1, "method": "emas"})),
        ("received_on", json!({"amount_idr": 1, "method": "cash", "received_on": "2999-01-01"})),
        ("received_on", json!({"amount_idr": 1, "method": "cash", "received_on": "kemarin"})),
    ] {
        let (status, said) = app.api("POST", &pay, Some(body));
        assert_eq!((status, &said["error"]["field"]), (422, &json!(field)), "{said}");
    }
    let (status, said) = app.api("POST", &pay, Some(json!({"amount_idr": 1, "method": "cash"})));
    assert_eq!((status, &said["error"]["code"], &said["error"]["still_to_pay_idr"]), (409, &json!("too_much"), &json!(0)), "{said}");
    // a key that came with something else before books and counts nothing, and says so
    assert_eq!(keyed(&app, &pay, "p1", &json!({"amount_idr": 7_000_000, "method": "cash"})).1["error"]["code"], "idempotency_key_reused");
    assert_eq!(book(&app, "b1", &json!({"contact": contact, "package": CODE, "seats": 1})).1["error"]["code"], "idempotency_key_reused");
    // the catalogue written anew leaves what is booked as it is
    let mut again = price.clone();
    again.as_object_mut().unwrap().remove("seats_taken");
    assert_eq!(app.api("PUT", &format!("/api/packages/{CODE}"), Some(again)).1["seats_left"], 8);
    // who writes money down does not give it back alone
    let cs = String::from_utf8(app.cli(&["token", "create", "--role", "cs", "--name", "kasir"]).stdout).unwrap().trim().to_owned();
    let refund = json!({"amount_idr": -1, "method": "cash"}).to_string();
    assert_eq!(app.call("POST", &pay, &[("authorization", &format!("Bearer {cs}"))], Some(refund.as_bytes())).status, 403);
    let (_, void) = app.api("POST", &format!("/api/payments/{}/void", whole["payments"][0]["id"]), None);
    assert_eq!((&void["state"], &void["paid_idr"]), (&json!("part"), &json!(total - 5_000_000)));
    assert_eq!(app.api("POST", &format!("/api/bookings/{id}/cancel"), None).1["state"], "cancelled");
    assert_eq!(app.api("POST", &format!("/api/bookings/{id}/cancel"), None).1["state"], "cancelled", "twice changes nothing");
    assert_eq!(app.api("GET", &format!("/api/packages/{CODE}"), None).1["seats_left"], 10);
    assert_eq!(app.api("POST", &pay, Some(json!({"amount_idr": 1, "method": "cash"}))).1["error"]["code"], "cancelled");
    assert_eq!(app.api("POST", &pay, Some(json!({"amount_idr": 5_000_000 - total, "method": "transfer"}))).1["paid_idr"], 0, "money goes back");
    let (bookings, payments) = (app.export("bookings"), app.export("payments"));
    assert_eq!((bookings.len(), payments.len(), &bookings[0]["contact_phone"], &bookings[0]["state"]), (1, 3, &json!("+6281200007001"), &json!("cancelled")), "{bookings:?}");
    assert_eq!(phase(&app), "paid", "phases only move forward");
    let doctor: Value = serde_json::from_slice(&app.cli(&["doctor", "--json"]).stdout).unwrap();
    assert!(doctor["checks"].as_array().unwrap().iter().any(|check| check["name"] == "bookings" && check["verdict"] == "ok"), "{doctor}");
}

#[test]
fn the_last_seats_are_sold_once() {
    let (app, contact) = start(5);
    let sold = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for n in 0..12 {
            let (app, sold) = (&app, &sold);
            scope.spawn(move || match book(app, &format!("race{n}"), &json!({"contact": contact, "package": CODE, "seats": 1})) {
                (201, _) => drop(sold.fetch_add(1, Ordering::Relaxed)),
                (409, said) => assert_eq!(said["error"]["code"], "no_seats", "{said}"),
                other => panic!("{other:?}"),
            });
        }
    });
    assert_eq!(sold.load(Ordering::Relaxed), 5);
    let (status, said) = book(&app, "late", &json!({"contact": contact, "package": CODE, "seats": 3}));
    assert_eq!((status, &said["error"]["seats_left"]), (409, &json!(0)));
    assert_eq!(book(&app, "none", &json!({"contact": 999, "package": CODE, "seats": 1})).0, 404);
    assert_eq!(book(&app, "none2", &json!({"contact": contact, "package": "UMR_X_2030_Y", "seats": 1})).0, 404);
    assert_eq!(book(&app, &"k".repeat(201), &json!({"contact": contact, "package": CODE, "seats": 1})).1["error"]["code"], "bad_idempotency_key");
}

#[test]
fn the_pages_book_take_money_and_take_it_back() {
    let (app, contact) = start(4);
    let page = Browserless::login(&app, EMAIL, PASSWORD);
    assert_eq!(page.get(&app, &format!("/bookings/new?contact={contact}&package={CODE}&seats=3")).0, 200);
    let contact = contact.to_string();
    let fields = |seats: &'static str, total: &'static str| {
        vec![
            ("token", "t1".to_owned()),
            ("contact", contact.clone()),
            ("package", CODE.to_owned()),
            ("seats", seats.to_owned()),
            ("total", total.to_owned()),
            ("note", "<b>ibu</b>".to_owned()),
        ]
    };
    let send = |fields: Vec<(&str, String)>| page.post(&app, "/bookings", &fields.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>());
    assert_eq!(send(fields("5", "")).0, 422, "more than there are");
    assert_eq!(send(fields("2", "banyak")).0, 422);
    assert_eq!(send(fields("2", "50.000.000")).0, 303);
    assert_eq!(send(fields("2", "50.000.000")).0, 303, "the button pressed twice");
    let (_, list) = page.get(&app, "/bookings");
    assert!(list.contains("/bookings/1") && !list.contains("/bookings/2") && list.contains("Rp50.000.000"), "{list}");
    assert_eq!(page.post(&app, "/bookings/1/do", &[("what", "total"), ("total", "satu")]).0, 422);
    assert_eq!(page.post(&app, "/bookings/1/do", &[("what", "total"), ("total", "50.500.000")]).0, 303);
    let pay = |token: &str, amount: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("token", token), ("amount", amount), ("method", "transfer"), ("received_on", ""), ("reference", "")];
        fields.extend(more);
        page.post(&app, "/bookings/1/payments", &fields).0
    };
    assert_eq!([pay("a", "Rp 50.000.000", &[]), pay("b", "lima", &[]), pay("c", "60.000.000", &[("back", "1")]), pay("d", "1.000.000", &[("back", "1")])], [303, 422, 422, 303]);
    let (_, shown) = page.get(&app, "/bookings/1");
    assert!(shown.contains("Rp49.000.000") && shown.contains("&lt;b&gt;ibu"), "{shown}");
    assert_eq!(page.post(&app, "/bookings/1/do", &[("what", "void"), ("with", "1")]).0, 422, "part of it was given back since");
    assert_eq!(page.post(&app, "/bookings/1/do", &[("what", "void"), ("with", "2")]).0, 303);
    assert_eq!(page.post(&app, "/bookings/1/do", &[("what", "cancel")]).0, 303);
    assert_eq!(app.api("GET", "/api/bookings/1", None).1["state"], "cancelled");
    assert_eq!(app.api("GET", &format!("/api/packages/{CODE}"), None).1["seats_left"], 4);
    for path in [format!("/contacts/{contact}"), "/bookings?tab=cancelled".into(), "/bookings/1".into()] {
        let (status, text) = page.get(&app, &path);
        assert!(status == 200 && text.contains(CODE) || text.contains("/bookings/1"), "{path}");
    }
}
