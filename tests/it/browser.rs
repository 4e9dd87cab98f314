//! Real Chromium through ChromeDriver: the commonest jobs at phone and desktop width. On a machine without a browser
//! the tests say that they were skipped.

use crate::support::{EMAIL, Kafilah, PASSWORD};
use kafilah::wire::client::{Call, Http};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Browser {
    http: Http,
    base: String,
    session: String,
    driver: Child,
}

impl Browser {
    fn open(width: u32, height: u32) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver").arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(driver) = driver else {
            println!("SKIPPED: chromedriver is not installed (Debian: chromium chromium-driver)");
            return None;
        };
        let mut browser = Self { http: Http::default(), base: format!("http://127.0.0.1:{port}"), session: String::new(), driver };
        let until = Instant::now() + Duration::from_secs(20);
        while browser.http.call(&Call::new("GET", &format!("{}/status", browser.base), &[], None, Duration::from_secs(2))).is_err() {
            assert!(Instant::now() < until, "chromedriver did not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
        ];
        let made = browser.ask("POST", "/session", json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"}}}}));
        browser.session = format!("/session/{}", made["sessionId"].as_str().expect("a session"));
        browser.of(
            "POST",
            "/goog/cdp/execute",
            json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}}),
        );
        Some(browser)
    }

    fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let bytes = body.to_string();
        let body = (method == "POST").then_some(bytes.as_bytes());
        let url = format!("{}{path}", self.base);
        let answer = self.http.call(&Call { limit: 32 << 20, ..Call::new(method, &url, &[], body, Duration::from_secs(60)) }).expect("chromedriver answers");
        let value = answer.json()["value"].clone();
        assert!(value["error"].is_null(), "{path}: {}", value["message"]);
        value
    }

    fn of(&self, method: &str, path: &str, body: Value) -> Value {
        self.ask(method, &format!("{}{path}", self.session), body)
    }

    fn go(&self, url: &str) {
        self.of("POST", "/url", json!({"url": url}));
    }

    fn js(&self, code: &str) -> Value {
        self.of("POST", "/execute/sync", json!({"script": code, "args": []}))
    }

    fn wait(&self, what: &str, condition: &str) {
        let until = Instant::now() + Duration::from_secs(15);
        while self.js(&format!("return !!({condition})")) != true {
            assert!(Instant::now() < until, "waited in vain for {what}; the page says: {}", self.js("return document.body.innerText.slice(0, 1500)"));
            std::thread::sleep(Duration::from_millis(80));
        }
    }

    fn login(&self, app: &Kafilah) {
        self.go(&format!("{}/login", app.address));
        self.js(&format!("document.querySelector('#email').value='{EMAIL}';document.querySelector('#password').value='{PASSWORD}';document.querySelector('form').requestSubmit()"));
        self.wait("Beranda", "document.querySelector('.rail')");
    }

    /// No sideways scrolling, every tap target reachable, every field and image named, nothing on the console.
    fn looks_right(&self, path: &str) {
        assert_eq!(self.js("return document.documentElement.scrollWidth - document.documentElement.clientWidth"), 0, "{path} scrolls sideways");
        let nameless = self.js(
            "return [...document.querySelectorAll('input:not([type=hidden]),select,textarea')].filter(f => !f.labels?.length && !f.ariaLabel).map(f => f.outerHTML.slice(0, 90))
               .concat([...document.images].filter(i => !i.hasAttribute('alt')).map(i => i.src)).concat([...document.querySelectorAll('button,a')].filter(b => !b.textContent.trim() && !b.ariaLabel && !b.querySelector('img,svg[aria-label]')).map(b => b.outerHTML.slice(0, 90)))",
        );
        assert_eq!(nameless, json!([]), "{path}");
        let log = self.of("POST", "/se/log", json!({"type": "browser"}));
        let errors: Vec<&Value> = log.as_array().into_iter().flatten().filter(|line| line["level"] == "SEVERE").collect();
        assert!(errors.is_empty(), "{path}: {errors:?}");
    }

    /// What axe-core finds serious or worse; nothing where it is not at hand (KAFILAH_AXE names its file; `.ci/run` gets it).
    fn axe(&self) -> Vec<String> {
        let Ok(file) = std::env::var("KAFILAH_AXE") else { return Vec::new() };
        let source = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("KAFILAH_AXE={file}: {error}"));
        self.js(&source);
        let found = self.of(
            "POST",
            "/execute/async",
            json!({"script": "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then((r) => done(r.violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).slice(0, 4).join(' | ')} ${v.nodes[0].any[0]?.message ?? v.help}`)), (e) => done([String(e)]))", "args": []}),
        );
        found.as_array().into_iter().flatten().map(|line| line.as_str().unwrap_or("").to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let url = format!("{}{}", self.base, self.session);
            let _ = self.http.call(&Call::new("DELETE", &url, &[], None, Duration::from_secs(5))); // the driver ends either way
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[test]
fn every_page_fits_a_phone_and_a_desktop() {
    let app = Kafilah::start();
    let long = "Hj. Siti Nurhaliza Rahmawati binti Sulaiman Kusumaningrum Hadiprasetyo";
    let mut payload = crate::support::message("6281200000001", "LOOK1", &format!("UMR_APR_2030_HEMAT {}", "panjangsekali".repeat(20)));
    payload["_data"]["Info"]["PushName"] = long.into();
    let conversation = app.webhook("message.any", payload).1["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    for label in ["Grade%20A", "Komplain%20yang%20namanya%20panjang%20sekali%20sampai%20tidak%20muat", "Lansia"] {
        assert_eq!(app.api("POST", &format!("/api/contacts/1/labels/{label}"), None).0, 200);
    }
    app.api("POST", &format!("/api/conversations/{conversation}/notes"), Some(json!({"text": "catatan tim"})));
    app.api("POST", &format!("/api/conversations/{conversation}/claim"), None);
    let mut faults = Vec::new();
    for (width, height, scheme) in [(390, 844, "light"), (1440, 900, "dark")] {
        let Some(browser) = Browser::open(width, height) else { return };
        browser.of("POST", "/goog/cdp/execute", json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": [{"name": "prefers-color-scheme", "value": scheme}]}}));
        browser.login(&app);
        for path in [
            "/",
            "/chats",
            "/chats?q=panjang",
            "/chats?tab=mine",
            "/contacts",
            "/contacts/1",
            "/labels",
            "/canned",
            "/contacts/import",
            "/bot/trials",
            "/access",
            &format!("/chats/{conversation}"),
            "/packages",
            "/packages/UMR_APR_2030_HEMAT",
            "/packages/new",
            "/queue?tab=sent",
            "/simulator",
            "/whatsapp",
            "/team",
            "/settings",
            "/audit",
            "/profile",
            "/bot",
            "/bot/faq?try=paspor+tinggal+5+bulan",
            "/bot/faq/passport-validity",
            "/bot/flows",
            "/bot/usage",
            "/queue?tab=unread",
        ] {
            browser.go(&format!("{}{path}", app.address));
            browser.wait(path, "document.readyState === 'complete'");
            browser.looks_right(&format!("{width} {path}"));
            faults.extend(browser.axe().into_iter().map(|fault| format!("{width} {scheme} {path} {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_message_appears_live_is_answered_and_the_socket_resumes() {
    let mut app = Kafilah::start();
    let conversation = app.customer_writes("6281200000001", "LV1", "UMR_APR_2030_HEMAT")["conversation_id"].as_str().unwrap().to_owned();
    app.wait_delivered(1);
    let Some(browser) = Browser::open(1440, 900) else { return };
    browser.login(&app);
    browser.go(&format!("{}/chats/{conversation}", app.address));
    browser.wait("the socket", "document.querySelector('[data-live-state]').textContent && !document.querySelector('[data-live-state]').classList.contains('off')");
    app.customer_writes("6281200000001", "LV2", "Ini pesan kedua yang datang sendiri");
    browser.wait("the live message", "document.querySelector('#bubbles').innerText.includes('Ini pesan kedua yang datang sendiri')");
    browser.js("const box = document.querySelector('#reply'); box.value = 'Baik Bu, sebentar ya'; box.form.requestSubmit()");
    browser.wait("the reply", "document.querySelector('#bubbles')?.innerText.includes('Baik Bu, sebentar ya')");
    app.wait("the reply at the gateway", Duration::from_secs(8), |app| app.waha.delivered().iter().any(|line| line.ends_with("Baik Bu, sebentar ya")));
    // the server restarts on another port: a page on the old one only says that it is offline
    app.stop();
    browser.wait("the offline word", "document.querySelector('[data-live-state]').classList.contains('off')");
}

#[test]
fn the_simulator_answers_in_the_page() {
    let app = Kafilah::start();
    let Some(browser) = Browser::open(390, 844) else { return };
    browser.login(&app);
    browser.go(&format!("{}/simulator", app.address));
    browser.js("const box = document.querySelector('#sim-text'); box.value = 'UMR_APR_2030_HEMAT'; box.form.requestSubmit()");
    browser.wait("the bot's answer", "document.querySelector('.phone')?.innerText.includes('Rp27.000.000')");
    browser.wait("the trace", "document.querySelector('#trace')?.innerText.includes('98%')");
    assert!(app.waha.delivered().is_empty(), "nothing leaves for WhatsApp");
}

/// The commonest jobs of the inbox by hand, on a phone and on a desktop.
#[test]
fn the_inbox_is_worked_by_hand() {
    for (width, height) in [(390, 844), (1440, 900)] {
        let app = Kafilah::start_with(&[("payment.accounts", "BSI 7123456789")]);
        for n in 1..=3 {
            app.customer_writes(&format!("628120000000{n}"), &format!("HD{n}"), "UMR_APR_2030_HEMAT");
        }
        app.wait_delivered(3);
        let Some(browser) = Browser::open(width, height) else { return };
        browser.login(&app);
        let click = |selector: &str| assert_eq!(browser.js(&format!("const it = document.querySelector(`{selector}`); it?.click(); return !!it")), true, "{selector} is there");
        let type_in = |words: &str| {
            browser.js(&format!("const it = document.querySelector('#reply'); it.focus(); it.value = `{words}`; it.dispatchEvent(new Event('input', {{bubbles: true}}))"))
        };
        browser.go(&format!("{}/chats/conv_1", app.address));
        browser.wait("the live line", "document.readyState === 'complete'");
        // take it
        click("form[action$='/take'] button");
        browser.wait("mine", "document.querySelector('#handled').textContent.includes('Ditangani')");
        // a note, which no customer sees
        click("[name=mode][value=note]");
        type_in("tolong tahan dua kursi");
        click("[data-send]");
        browser.wait("the note", "document.querySelector('.noted')?.textContent.includes('tahan dua kursi')");
        // a note's draft never comes back as a reply
        type_in("jangan sampai terkirim");
        browser.go(&format!("{}/chats/conv_1", app.address));
        browser.wait("the draft in its tab", "document.querySelector('#reply').value.includes('jangan') && document.querySelector('[name=mode]:checked').value === 'note'");
        click("[name=mode][value=reply]");
        assert_eq!(browser.js("return document.querySelector('#reply').value"), "");
        // a quick reply, with the name in it
        let kept = crate::pages::Browserless::login(&app, EMAIL, PASSWORD);
        let part = |name: &str, value: &str| format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let body = [part("csrf", &kept.csrf(&app)), part("shortcut", "salam"), part("text", "Halo {{nama}}, dengan {{cs}}"), "--x--\r\n".into()].concat();
        assert_eq!(kept.post_raw(&app, "/canned", "multipart/form-data; boundary=x", body.as_bytes()), 303);
        type_in("/sal");
        browser.wait("the offer", "document.querySelector('[data-ready-list] li')");
        browser.js("document.querySelector('[data-ready-list] li').dispatchEvent(new MouseEvent('mousedown', {bubbles: true}))");
        browser.wait("the words", "document.querySelector('#reply').value.startsWith('Halo Bu Uji, dengan')");
        click("[data-send]");
        app.wait("the reply", Duration::from_secs(10), |app| app.waha.delivered().iter().any(|line| line.contains("Halo Bu Uji, dengan")));
        // one message answered by name, after another one was chosen and let go
        browser.wait("a button that can be seen", "document.querySelector('#bubbles [data-quote]').checkVisibility()");
        click("#bubbles [data-quote]");
        browser.wait("the quote", "document.querySelector('[data-quoted]').textContent.includes('UMR_APR_2030_HEMAT')");
        click("[data-quoted] button");
        assert_eq!(browser.js("return document.querySelector('[data-quoted]').hidden"), true);
        click("#bubbles [data-quote]");
        type_in("yang ini kursinya masih ada");
        click("[data-send]");
        browser.wait(
            "the answer under it",
            "[...document.querySelectorAll('.bubble')].some((b) => b.querySelector('.quote')?.textContent.includes('UMR_APR') && b.textContent.includes('kursinya masih ada'))",
        );
        assert_eq!(browser.js("return document.querySelector('[data-quoted]').hidden"), true);
        app.wait("the quote at WhatsApp", Duration::from_secs(10), |app| {
            app.waha.memory().sent.iter().any(|sent| sent.reply_to.as_deref() == Some("false_6281200000001@c.us_HD1"))
        });
        // out of reach: what was sent waits and goes out by itself, once, and a note stays a note
        let reach = |is: bool| browser.of("POST", "/chromium/network_conditions", json!({"network_conditions": {"offline": !is, "latency": 0, "throughput": 50_000_000}}));
        reach(false);
        type_in("dari dalam terowongan");
        click("[data-send]");
        browser.wait("that it waits", "[...document.querySelectorAll('.bubble.bad .why')].some((why) => why.textContent.startsWith('Belum terkirim. Dikirim sendiri'))");
        reach(true);
        app.wait("the reply from the tunnel", Duration::from_secs(30), |app| app.waha.delivered().iter().any(|line| line.contains("dari dalam terowongan")));
        browser.wait("no bubble in trouble", "!document.querySelector('.bubble.bad')");
        browser.of("POST", "/se/log", json!({"type": "browser"})); // what it said of the dead line
        // a page that is left before the answer: no draft of what was sent, and not twice
        browser.js("localStorage.clear()");
        type_in("sebelum pindah halaman");
        browser.js("document.querySelector('[data-send]').click(); location.href = '/chats/conv_2'");
        browser.wait("the other chat", "location.pathname.endsWith('conv_2') && document.readyState === 'complete'");
        browser.go(&format!("{}/chats/conv_1", app.address));
        app.wait("the reply", Duration::from_secs(15), |app| app.waha.delivered().iter().any(|line| line.contains("sebelum pindah halaman")));
        browser.wait(
            "nothing left over",
            "!localStorage.getItem(Object.keys(localStorage).find((key) => key.startsWith('pending:')) ?? '-') && document.querySelector('#reply').value === ''",
        );
        // the customer types: seen in the list and under the name, until the message is there
        let types = |state: &str| app.webhook("presence.update", json!({"id": "6281200000001@c.us", "presences": [{"lastKnownPresence": state}]}));
        types("typing");
        browser.wait("typing", "document.querySelector('#c1 .doing')?.textContent === 'mengetik…' && document.querySelector('#doing').textContent === 'mengetik…'");
        types("recording");
        browser.wait("recording", "document.querySelector('#doing').textContent === 'merekam suara…'");
        app.customer_writes("6281200000001", "HD9", "baik terima kasih");
        browser.wait("the words themselves", "!document.querySelector('.doing:not([hidden])') && document.querySelector('#bubbles').textContent.includes('baik terima kasih')");
        // labels on and off
        browser.js("const it = document.querySelector('#add-label'); it.value = 'Grade A'; it.form.requestSubmit()");
        browser.wait("the label", "document.querySelector('.labels button.chip')?.textContent.includes('Grade A')");
        click(".labels button.chip");
        browser.wait("no label", "!document.querySelector('.labels button.chip')");
        // later, and called off
        type_in("besok kami kabari ya");
        browser.js("const at = new Date(Date.now() + 26 * 3600e3); document.querySelector('#send-at').value = at.toISOString().slice(0, 16); document.querySelector('[data-later]').click()");
        browser.wait("what waits", "document.querySelector('.later')?.textContent.includes('besok kami kabari')");
        click(".later button");
        browser.wait("nothing waits", "!document.querySelector('.later')");
        // give it to a colleague, put it off, done: the next one opens
        browser.js("document.querySelector('#deeds [value=pin]').click()");
        browser.wait("pinned", "document.querySelector('#deeds [value=unpin]')");
        click("[data-key=e]");
        browser.wait("taken back if wanted", "document.querySelector('#undo')");
        browser.js("document.querySelector('#undo button').click()");
        browser.wait("mine again", "document.querySelector('#handled')?.textContent.includes('Ditangani')");
        // found by a word, with the place marked
        app.wait("the words to be findable", Duration::from_secs(15), |app| !app.api("GET", "/api/conversations?q=dengan", None).1["conversations"].as_array().unwrap().is_empty());
        browser.go(&format!("{}/chats?q=dengan", app.address));
        browser.wait("the hit", "document.querySelector('#chat-rows mark')?.textContent.toLowerCase() === 'dengan'");
        click("#chat-rows a[id^=hit]");
        browser.wait("the place", "document.querySelector('#found')");
        browser.looks_right(&format!("{width} a hit"));
        for once in ["dari dalam terowongan", "sebelum pindah halaman"] {
            assert_eq!(app.waha.delivered().iter().filter(|line| line.contains(once)).count(), 1, "{once}");
        }
        assert!(
            !app.waha.delivered().iter().any(|line| line.contains("tahan dua kursi") || line.contains("jangan sampai") || line.contains("besok kami")),
            "{:?}",
            app.waha.delivered()
        );
    }
}
