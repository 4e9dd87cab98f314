//! The dashboard without a browser: login, CSRF, roles, every page in both languages, hostile text, headers.

use crate::support::{EMAIL, Kafilah, PASSWORD, run};
use kafilah::people::user::Role;

pub struct Browserless {
    cookie: String,
}

fn form(pairs: &[(&str, &str)]) -> String {
    let escape = |text: &str| text.bytes().map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") }).collect::<String>();
    pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect::<Vec<_>>().join("&")
}

/// One request by hand: the shared client sends JSON only and hides `Set-Cookie`.
fn request(app: &Kafilah, method: &str, path: &str, cookie: &str, body: &str, origin: Option<&str>) -> (u16, String, String) {
    use std::io::{Read, Write};
    let host = app.address.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(15))).unwrap();
    let origin = origin.map_or(String::new(), |origin| format!("origin: {origin}\r\n"));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{origin}cookie: kafilah={cookie}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

impl Browserless {
    pub fn login(app: &Kafilah, email: &str, password: &str) -> Self {
        let own = app.address.clone();
        let (status, head, _) = request(app, "POST", "/login", "", &form(&[("email", email), ("password", password)]), Some(&own));
        assert_eq!(status, 303, "{head}");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: kafilah=")).expect("a cookie").split(';').next().unwrap().to_owned();
        assert!(head.contains("HttpOnly") && head.contains("SameSite=Lax"));
        Self { cookie }
    }

    pub fn get(&self, app: &Kafilah, path: &str) -> (u16, String) {
        let (status, _, body) = request(app, "GET", path, &self.cookie, "", None);
        (status, body)
    }

    pub fn csrf(&self, app: &Kafilah) -> String {
        self.get(app, "/profile").1.split("name=\"csrf\" value=\"").nth(1).unwrap()[..64].to_owned()
    }

    pub fn post_raw(&self, app: &Kafilah, path: &str, kind: &str, body: &[u8]) -> u16 {
        app.call("POST", path, &[("cookie", &format!("kafilah={}", self.cookie)), ("content-type", kind), ("origin", &app.address)], Some(body)).status
    }

    pub fn post(&self, app: &Kafilah, path: &str, pairs: &[(&str, &str)]) -> (u16, String) {
        let csrf = self.csrf(app);
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend_from_slice(pairs);
        let own = app.address.clone();
        let (status, _, body) = request(app, "POST", path, &self.cookie, &form(&all), Some(&own));
        (status, body)
    }
}

const PAGES: [&str; 34] = [
    "/contacts/new",
    "/bot/lessons",
    "/bot/trials",
    "/contacts/import",
    "/",
    "/chats",
    "/chats?tab=unclaimed&sort=longest",
    "/chats?q=paket&label=hilang",
    "/contacts",
    "/contacts?expr=status:active",
    "/labels",
    "/canned",
    "/access",
    "/packages",
    "/packages/new",
    "/bookings",
    "/queue",
    "/queue?tab=sent",
    "/queue?tab=unread",
    "/simulator",
    "/whatsapp",
    "/team",
    "/settings",
    "/audit",
    "/profile",
    "/bot",
    "/bot?block=rules",
    "/bot/faq",
    "/bot/faq?try=paspor+tinggal+5+bulan",
    "/bot/faq/new",
    "/bot/faq/passport-validity",
    "/bot/flows",
    "/bot/replay",
    "/bot/usage",
];

#[test]
fn every_page_is_whole_in_both_languages_with_and_without_data() {
    let app = Kafilah::start();
    let me = Browserless::login(&app, EMAIL, PASSWORD);
    for language in ["id", "en"] {
        assert_eq!(me.post(&app, "/profile", &[("language", language), ("theme", "dark")]).0, 303);
        for path in PAGES {
            let (status, body) = me.get(&app, path);
            assert_eq!(status, 200, "{path}");
            assert!(body.contains("</html>") && body.contains(&format!("lang=\"{language}\"")), "{path}");
        }
    }
    let conversation = app.customer_writes("6281200000001", "PG1", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    for path in PAGES.iter().map(|path| (*path).to_owned()).chain([format!("/chats/{conversation}"), "/packages/UMR_APR_2030_HEMAT".into()]) {
        assert_eq!(me.get(&app, &path).0, 200, "{path}");
    }
    assert_eq!(me.get(&app, "/tidak-ada").0, 404);
}

#[test]
fn every_page_is_whole_on_the_first_day() {
    let app = Kafilah::start_empty();
    let me = Browserless::login(&app, EMAIL, PASSWORD);
    for path in PAGES {
        assert_eq!(me.get(&app, path).0, 200, "{path}");
    }
    assert!(!app.log().contains("panicked"), "{}", app.log());
}

#[test]
fn forms_need_their_token_and_their_origin() {
    let app = Kafilah::start();
    let me = Browserless::login(&app, EMAIL, PASSWORD);
    let csrf = me.csrf(&app);
    let body = form(&[("csrf", csrf.as_str()), ("language", "en"), ("theme", "auto")]);
    assert_eq!(request(&app, "POST", "/profile", &me.cookie, &body, Some("http://evil.example")).0, 403);
    let bad = form(&[("csrf", "00"), ("language", "en"), ("theme", "auto")]);
    assert_eq!(request(&app, "POST", "/profile", &me.cookie, &bad, Some(&app.address)).0, 403);
    assert_eq!(request(&app, "POST", "/profile", &me.cookie, &body, Some(&app.address)).0, 303);
    let (status, head, _) = request(&app, "GET", "/", "", "", None);
    assert!(status == 303 && head.contains("location: /login"));
    for header in ["content-security-policy: default-src 'self'", "x-content-type-options: nosniff", "cache-control: no-store"] {
        assert!(head.contains(header), "{header}: {head}");
    }
    assert_eq!(me.post(&app, "/logout", &[]).0, 303);
    assert_eq!(me.get(&app, "/").0, 303, "the session ended on the server");
}

#[test]
fn guessing_passwords_slows_down() {
    let app = Kafilah::start();
    let mut last = 0;
    for _ in 0..7 {
        last = request(&app, "POST", "/login", "", &form(&[("email", EMAIL), ("password", "salah-sekali")]), Some(&app.address)).0;
    }
    assert_eq!(last, 429);
}

/// Every page and every changing route for all five roles and a visitor.
#[test]
fn roles_see_and_do_what_the_table_says() {
    let app = Kafilah::start();
    let conversation = app.customer_writes("6281200000001", "RL1", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    for role in Role::ALL {
        let email = format!("{}@peran.example", role.as_str().replace('_', "-"));
        assert!(run(&app.store(), &["user", "add", "--email", &email, "--name", "P", "--role", role.as_str(), "--password-stdin"], "sandi-panjang\n").status.success());
        let who = Browserless::login(&app, &email, "sandi-panjang");
        let admin = role == Role::SystemAdmin;
        let audit = matches!(role, Role::SystemAdmin | Role::MarketingAdmin);
        let edits = !matches!(role, Role::Cs | Role::Viewer);
        let chats = role != Role::Viewer;
        for (path, may) in [
            ("/", true),
            ("/chats", true),
            ("/packages", true),
            ("/queue", true),
            ("/bookings", true),
            ("/bookings/new?contact=1", chats),
            ("/simulator", chats),
            ("/packages/new", edits),
            ("/audit", audit),
            ("/bot", true),
            ("/bot/faq/new", audit),
            ("/contacts", true),
            ("/contacts/1", true),
            ("/labels", true),
            ("/canned", true),
            ("/access", admin),
            ("/team", admin),
            ("/settings", admin),
            ("/whatsapp", admin),
        ] {
            assert_eq!(who.get(&app, path).0, if may { 200 } else { 404 }, "{} {path}", role.as_str());
        }
        let take = format!("/chats/{conversation}/take");
        let act = format!("/chats/{conversation}/do");
        for (path, may) in [
            (take.as_str(), chats),
            (act.as_str(), chats),
            ("/contacts/1", chats),
            ("/contacts", chats),
            ("/chats/views", chats),
            ("/labels", edits),
            ("/contacts/fields", edits),
            ("/settings", admin),
            ("/whatsapp/verb", admin),
            ("/team/change", admin),
            ("/bot/release", audit),
            ("/bot/flows", audit),
            ("/bot/lessons", audit),
        ] {
            let fields: &[(&str, &str)] = &[("email", "x"), ("what", "back"), ("verb", "start"), ("release", "1"), ("name", "Menu")];
            let status = who.post(&app, path, fields).0;
            assert_eq!(status != 404, may, "{} POST {path}: {status}", role.as_str());
        }
    }
    for path in PAGES {
        assert_eq!(request(&app, "GET", path, "", "", None).0, 303, "a visitor at {path}");
    }
}

#[test]
fn hostile_text_stays_text() {
    let app = Kafilah::start();
    let nasty = "<script>alert(1)</script> {{ 7*7 }} \"onmouseover=\" ' \u{202e}gnp.exe \u{0} *<b>*";
    let mut payload = crate::support::message("6281200000001", "HX1", nasty);
    payload["_data"]["Info"]["PushName"] = "<img src=x onerror=alert(1)>".into();
    let conversation = app.webhook("message.any", payload).1["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    let me = Browserless::login(&app, EMAIL, PASSWORD);
    for path in ["/".to_owned(), "/chats".into(), format!("/chats/{conversation}"), "/queue?tab=sent".into(), "/audit".into()] {
        let (status, body) = me.get(&app, &path);
        assert_eq!(status, 200);
        assert!(!body.contains("<script>alert") && !body.contains("<img src=x"), "{path}");
    }
    let thread = me.get(&app, &format!("/chats/{conversation}")).1;
    assert!(thread.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && thread.contains("{{ 7*7 }}"), "shown as it was written");
}

#[test]
fn a_person_takes_over_replies_and_hands_back_in_the_page() {
    let app = Kafilah::start();
    let conversation = app.customer_writes("6281200000001", "TK1", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    let me = Browserless::login(&app, EMAIL, PASSWORD);
    assert_eq!(me.post(&app, &format!("/chats/{conversation}/messages"), &[("text", "Siap Bu, saya bantu")]).0, 303);
    assert!(app.wait_delivered(2)[1].ends_with("Siap Bu, saya bantu"));
    assert!(me.get(&app, &format!("/chats/{conversation}")).1.contains("Siap Bu, saya bantu"));
    assert_eq!(app.export("conversations")[0]["handler"], "user");
    assert_eq!(me.post(&app, &format!("/chats/{conversation}/release"), &[]).0, 303);
    assert_eq!(app.export("conversations")[0]["handler"], "bot");
    // a form with a mistake is shown again with what was typed
    let (status, body) = me.post(
        &app,
        "/packages/save",
        &[("new", "1"), ("code", "UMR_X_2030_Y"), ("name", "Paket Baru"), ("price_idr", "murah"), ("departs", "2030-01-01"), ("days", "9"), ("status", "open")],
    );
    assert!(status == 422 && body.contains("Paket Baru") && body.contains("murah"));
}

#[test]
fn the_connect_page_makes_the_session_with_our_webhook_and_key() {
    let app = Kafilah::start();
    app.waha.memory().chaos.session = "NONE".into();
    let me = Browserless::login(&app, EMAIL, PASSWORD);
    let hook = format!("{}/api/whatsapp/webhook", app.address);
    assert_eq!(me.post(&app, "/whatsapp", &[("url", &app.waha.url()), ("api_key", "k"), ("session", "default"), ("webhook_url", &hook)]).0, 303);
    assert_eq!(me.post(&app, "/whatsapp/connect", &[]).0, 303);
    let config = app.waha.memory().config.clone();
    assert_eq!(config["webhooks"][0]["url"], hook.as_str());
    assert_eq!(config["webhooks"][0]["hmac"]["key"], crate::support::KEY);
    let page = me.get(&app, "/whatsapp").1;
    assert!(page.contains("data-qr-image") && !page.contains(crate::support::KEY));
    assert!(me.get(&app, "/whatsapp/qr.svg").1.contains("<svg"));
    assert_eq!(me.post(&app, "/whatsapp/pairing", &[("phone", "0811-2200-4571")]).0, 303);
}

#[test]
fn the_bots_rooms_write_what_their_forms_say() {
    let app = Kafilah::start();
    let me = Browserless::login(&app, EMAIL, PASSWORD);
    // a new version of a block, its difference, and the way back
    assert_eq!(me.post(&app, "/bot", &[("block", "base"), ("version", "1.1"), ("content", "Jawab singkat saja."), ("from", "")]).0, 303);
    let (_, page) = me.get(&app, "/bot?block=base&version=1");
    assert!(page.contains("class=\"added\"") && page.contains("class=\"removed\"") && page.contains("Jawab singkat saja."), "the difference is shown");
    assert_eq!(me.post(&app, "/bot/release", &[("release", "1"), ("what", "back")]).0, 303);
    assert_eq!(app.api("GET", "/api/ai/prompts", None).1["active"]["blocks"]["base"], "1.0");
    // a question
    let fields = [
        ("key", ""),
        ("topic", "travel"),
        ("question", "Bolehkah membawa kucing?"),
        ("variants", "kucing ikut pesawat\nbawa kucing"),
        ("answer", "Belum bisa."),
        ("answer_en", ""),
        ("status", "published"),
    ];
    assert_eq!(me.post(&app, "/bot/faq", &fields).0, 303);
    assert!(me.get(&app, "/bot/faq?try=boleh+bawa+kucing").1.contains("Belum bisa."));
    assert_eq!(
        me.post(&app, "/bot/faq", &[("key", ""), ("topic", "cuaca"), ("question", "X"), ("variants", ""), ("answer", "Y"), ("answer_en", ""), ("status", "published")]).0,
        422
    );
    // a flow: made, a branch added and filled, published
    assert_eq!(me.post(&app, "/bot/flows", &[("name", "Menu utama")]).0, 303);
    let key = app.api("GET", "/api/ai/flows", None).1["flows"][0]["draft"]["key"].as_str().unwrap().to_owned();
    let path = format!("/bot/flows/{key}");
    let (status, drawn) = me.get(&app, &format!("{path}?view=canvas"));
    assert!(status == 200 && drawn.contains("<svg") && drawn.contains("#node-"), "{drawn}");
    let root = [("name", "Menu utama"), ("order", "awal"), ("parent.awal", ""), ("title.awal", "Menu"), ("keywords.awal", "menu, info"), ("say.awal", "Pilih:")];
    let mut more = root.to_vec();
    more.push(("add", "awal"));
    assert_eq!(me.post(&app, &path, &more).0, 303);
    let flow = app.api("GET", &format!("/api/ai/flows/{key}"), None).1;
    assert_eq!((flow["draft"]["nodes"].as_array().unwrap().len(), flow["published"].is_null()), (2, true), "{flow}");
    let mut published = root.to_vec();
    published.push(("publish", "1"));
    assert_eq!(me.post(&app, &path, &published).0, 303);
    assert_eq!(app.api("GET", &format!("/api/ai/flows/{key}"), None).1["published"]["nodes"][0]["keywords"], serde_json::json!(["menu", "info"]));
    assert_eq!(me.post(&app, &path, &[("name", ""), ("order", "")]).0, 422);
    // what could not be read: shown as text, read again, thrown away
    app.webhook_raw(b"{\"event\":\"message\",\"payload\":\"<script>\"}");
    let (_, page) = me.get(&app, "/queue?tab=unread");
    assert!(page.contains("&lt;script&gt;") && !page.contains("\"<script>"), "the raw body is text");
    assert_eq!(me.post(&app, "/queue/unread/1/again", &[]).0, 303);
    assert_eq!(app.export("quarantine").len(), 1, "still unreadable, still kept");
    assert_eq!(me.post(&app, "/queue/unread/1/discard", &[]).0, 303);
    assert_eq!(app.export("quarantine").len(), 0);
}

#[test]
fn a_notice_can_be_read_also_packed_and_in_the_readers_language() {
    let app = Kafilah::start();
    let page = Browserless::login(&app, EMAIL, PASSWORD);
    let get = |packed: &str| app.call("GET", "/chats/conv_999", &[("cookie", &format!("kafilah={}", page.cookie)), ("accept-encoding", packed)], None);
    let plain = String::from_utf8(get("identity").body).unwrap();
    let packed = get("gzip");
    let unpacked = match packed.body.starts_with(&[0x1f, 0x8b]) {
        true => std::io::read_to_string(flate2::read::GzDecoder::new(&packed.body[..])).unwrap(),
        false => String::from_utf8(packed.body).unwrap(),
    };
    assert_eq!((packed.status, unpacked.as_str()), (404, plain.as_str()));
    assert!(plain.contains("Tidak ditemukan"));
    assert_eq!(page.post(&app, "/profile", &[("name", "pemilik"), ("language", "en"), ("theme", "dark")]).0, 303);
    assert!(String::from_utf8(get("identity").body).unwrap().contains("Not found"));
}
