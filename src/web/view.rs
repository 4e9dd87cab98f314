//! Makes pages: templates with escaping always on, words from the catalogue, times and money as the office writes them.

use crate::app::App;
use crate::kernel::language::Language;
use crate::kernel::phone::Phone;
use crate::kernel::{date, rupiah};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};
use rust_embed::RustEmbed;
use std::sync::LazyLock;

/// Everything below `assets/`, inside the executable.
#[derive(RustEmbed)]
#[folder = "assets/"]
pub struct Assets;

/// A file of `assets/` as text; an empty one for a name that is not there, which a test rules out.
pub fn asset_text(path: &str) -> String {
    Assets::get(path).map_or_else(String::new, |file| String::from_utf8_lossy(&file.data).into_owned())
}

type Catalogue = FluentBundle<FluentResource>;

fn catalogue(language: Language) -> Catalogue {
    let name = language.as_str();
    let mut bundle = FluentBundle::new_concurrent(vec![name.parse().expect("id and en are language names")]);
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(asset_text(&format!("i18n/{name}.ftl"))).unwrap_or_else(|(resource, errors)| {
        tracing::error!(language = name, ?errors, "the words of this language have mistakes");
        resource
    });
    if let Err(errors) = bundle.add_resource(resource) {
        tracing::error!(language = name, ?errors, "words of this language stand twice");
    }
    bundle
}

static CATALOGUES: LazyLock<[Catalogue; 2]> = LazyLock::new(|| [catalogue(Language::Id), catalogue(Language::En)]);

/// A text of the catalogue; the key itself when there is none (a test rules that out).
pub fn say(language: Language, key: &str, args: &FluentArgs<'_>) -> String {
    let bundle = &CATALOGUES[usize::from(language == Language::En)];
    let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else { return key.to_owned() };
    bundle.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned()
}

/// A text without arguments.
pub fn words(language: Language, key: &str) -> String {
    say(language, key, &FluentArgs::new())
}

fn language_of(state: &State<'_, '_>) -> Language {
    state.lookup("lang").and_then(|value| value.as_str().map(Language::parse)).unwrap_or_default()
}

fn zone_of(state: &State<'_, '_>) -> chrono_tz::Tz {
    state.lookup("zone").and_then(|value| value.as_str().and_then(|name| name.parse().ok())).unwrap_or(chrono_tz::Tz::Asia__Jakarta)
}

fn now_of(state: &State<'_, '_>) -> i64 {
    state.lookup("now").and_then(|value| value.as_i64()).unwrap_or(0)
}

fn translate(state: &State<'_, '_>, key: &str, kwargs: Kwargs) -> Result<String, Error> {
    let mut args = FluentArgs::new();
    for name in kwargs.args().map(str::to_owned).collect::<Vec<_>>() {
        let value: Value = kwargs.get(&name)?;
        let fluent = match value.as_i64() {
            Some(n) => FluentValue::from(n),
            None => FluentValue::from(value.to_string()),
        };
        args.set(name, fluent);
    }
    let language = language_of(state);
    let said = say(language, key, &args);
    // a gateway's own code for a failure has no words of ours
    match key.strip_prefix("cause-").filter(|_| said == key) {
        Some(code) => Ok(format!("{} ({code})", words(language, "cause-unknown"))),
        None => Ok(said),
    }
}

/// `14.05`.
fn clock(state: &State<'_, '_>, at: i64) -> String {
    date::clock_time(at, zone_of(state))
}

/// `14.05` today, `kemarin`, else `15 Mar 2026`.
fn when(state: &State<'_, '_>, at: i64) -> String {
    let (zone, language, now) = (zone_of(state), language_of(state), now_of(state));
    let (day, today) = (date::day_of(at, zone), date::day_of(now, zone));
    match (today - day).num_days() {
        0 => date::clock_time(at, zone),
        1 => words(language, "yesterday"),
        _ => date::short(day, language),
    }
}

/// `15 Mar 2026 · 14.05`.
fn stamp(state: &State<'_, '_>, at: i64) -> String {
    let zone = zone_of(state);
    format!("{} · {}", date::short(date::day_of(at, zone), language_of(state)), date::clock_time(at, zone))
}

/// How long since: `18 m`, `1 j 24 m`, `3 hr`.
fn since(state: &State<'_, '_>, at: i64) -> String {
    let minutes = (now_of(state) - at).max(0) / 60_000;
    let language = language_of(state);
    let (m, h, d) = if language == Language::En { ("m", "h", "d") } else { ("m", "j", "hari") };
    match minutes {
        0..=59 => format!("{minutes} {m}"),
        60..=1439 => format!("{} {h} {} {m}", minutes / 60, minutes % 60),
        _ => format!("{} {d}", minutes / 1440),
    }
}

/// A span of milliseconds the same way.
fn span(state: &State<'_, '_>, ms: i64) -> String {
    since(state, now_of(state) - ms)
}

/// `8 April 2027` from `2027-04-08`.
fn day(state: &State<'_, '_>, text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), |day| date::long(day, language_of(state)))
}

/// `Hari ini, 8 April 2027`, `Kemarin, …`, else the day alone.
fn day_line(state: &State<'_, '_>, text: &str) -> String {
    let (zone, language) = (zone_of(state), language_of(state));
    let Ok(day) = text.parse::<chrono::NaiveDate>() else { return text.to_owned() };
    match (date::day_of(now_of(state), zone) - day).num_days() {
        0 => format!("{}, {}", words(language, "today-word"), date::long(day, language)),
        1 => format!("{}, {}", words(language, "yesterday-word"), date::long(day, language)),
        _ => date::long(day, language),
    }
}

/// `8 Apr 2027` from `2027-04-08`.
fn short_day(state: &State<'_, '_>, text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), |day| date::short(day, language_of(state)))
}

fn phone(digits: &str) -> String {
    Phone::from_digits(digits).map_or_else(|| digits.to_owned(), |phone| phone.pretty())
}

/// First letters of the first and last word of a name.
fn initials(name: &str) -> String {
    let letters: Vec<char> = name
        .split_whitespace()
        .filter(|word| !matches!(word.trim_end_matches('.').to_lowercase().as_str(), "hj" | "h" | "bapak" | "ibu" | "pak" | "bu"))
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()))
        .collect();
    match letters.as_slice() {
        [] => String::new(),
        [one] => one.to_uppercase().collect(),
        [first, .., last] => first.to_uppercase().chain(last.to_uppercase()).collect(),
    }
}

/// One icon of our set: 24 x 24, stroke 1.5, colour of the text around it.
fn icon(name: &str) -> Result<Value, Error> {
    static SHAPES: LazyLock<serde_json::Value> = LazyLock::new(|| serde_json::from_str(&asset_text("icons.json")).unwrap_or_default());
    let Some(shape) = SHAPES[name].as_str() else { return Err(Error::new(ErrorKind::InvalidOperation, format!("there is no icon {name}"))) };
    Ok(Value::from_safe_string(format!("<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\" focusable=\"false\">{shape}</svg>")))
}

/// WhatsApp's `*bold*` and line breaks, everything else escaped.
fn chat_text(text: &str) -> Value {
    let mut html = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(start) = rest.find('*') {
        let after = &rest[start + 1..];
        let end = after.find('*').filter(|end| *end > 0 && !after[..*end].contains('\n') && !after.starts_with(' ') && !after[..*end].ends_with(' '));
        match end {
            Some(end) => {
                escape(&rest[..start], &mut html);
                html.push_str("<b>");
                escape(&after[..end], &mut html);
                html.push_str("</b>");
                rest = &after[end + 1..];
            }
            None => {
                escape(&rest[..=start], &mut html);
                rest = after;
            }
        }
    }
    escape(rest, &mut html);
    Value::from_safe_string(html)
}

/// A browser as people call it: `Chrome · Android`, from what it says of itself; unknown ones as they call themselves.
fn device(user_agent: &str) -> String {
    let has = |names: &[(&str, &'static str)]| names.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name);
    // the signs of one are also in others: the order tells them apart
    let browser = has(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
    ]);
    let system = has(&[("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "Mac"), ("CrOS", "ChromeOS"), ("Linux", "Linux")]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} · {system}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => crate::kernel::text::preview(user_agent, 40),
    }
}

/// Escapes for HTML; bidirectional controls are fenced in by the `dir="auto"` of the bubble, line breaks by its CSS.
fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_loader(|name| Ok(Assets::get(&format!("templates/{name}")).map(|file| String::from_utf8_lossy(&file.data).into_owned())));
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.add_function("t", translate);
    environment.add_function("icon", icon);
    environment.add_filter("clock", clock);
    environment.add_filter("when", when);
    environment.add_filter("stamp", stamp);
    environment.add_filter("since", since);
    environment.add_filter("span", span);
    environment.add_filter("day", day);
    environment.add_filter("short_day", short_day);
    environment.add_filter("day_line", day_line);
    environment.add_filter("phone", phone);
    environment.add_filter("initials", initials);
    environment.add_filter("chat_text", chat_text);
    environment.add_filter("device", device);
    environment.add_filter("rupiah", rupiah::full);
    environment.add_filter("rupiah_short", rupiah::short);
    environment
});

/// Renders `template` with `context` into an answer.
pub fn page(status: u16, template: &str, context: &Value) -> Response {
    match TEMPLATES.get_template(template).and_then(|template| template.render(context)) {
        Ok(html) => (StatusCode::from_u16(status).unwrap_or(StatusCode::OK), [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            tracing::error!(template, error = format!("{error:#}"), "a page could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, "Halaman ini gagal dibuat; kesalahannya sudah dicatat.").into_response()
        }
    }
}

/// What every template may use, besides its own values.
pub fn base(app: &App, language: Language, theme: &str) -> serde_json::Value {
    let settings = app.settings();
    serde_json::json!({
        "lang": language.as_str(), "theme": theme, "zone": settings.zone.name(), "zone_name": date::zone_name(settings.zone), "now": app.now_ms(),
        "agency": settings.text("agency.name"), "trouble": app.store.writer().trouble(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chat_text_is_escaped_and_bold_is_bold() {
        assert_eq!(chat_text("*Rp1* <script>").to_string(), "<b>Rp1</b> &lt;script&gt;");
        assert_eq!(chat_text("a * b * c").to_string(), "a * b * c");
        assert_eq!(chat_text("2*3").to_string(), "2*3");
    }

    #[test]
    fn browsers_have_names() {
        let phone = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36";
        assert_eq!(device(phone), "Samsung Internet · Android");
        assert_eq!(
            device("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"),
            "Safari · iPhone"
        );
        assert_eq!(device("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0"), "Edge · Windows");
        assert_eq!(device("curl/8.5.0"), "curl/8.5.0");
    }

    #[test]
    fn initials_skip_honorifics() {
        assert_eq!(initials("Hj. Siti Nurhaliza"), "SN");
        assert_eq!(initials("dewi"), "D");
        assert_eq!(initials("+62"), "6");
    }

    /// Keys and placeholders of both languages are the same, every key is used, and every used key is there.
    #[test]
    fn catalogues_agree_and_cover() {
        use std::collections::{BTreeMap, BTreeSet};
        let read = |name: &str| -> BTreeMap<String, BTreeSet<String>> {
            let mut keys = BTreeMap::new();
            let mut last = String::new();
            for line in asset_text(&format!("i18n/{name}.ftl")).lines() {
                if let Some((key, _)) = line.split_once(" =").filter(|_| !line.starts_with([' ', '#'])) {
                    last = key.to_owned();
                    assert!(keys.insert(last.clone(), BTreeSet::new()).is_none(), "{name}: {key} stands twice");
                }
                let places = line.split("{ $").skip(1).filter_map(|rest| rest.split([' ', '}']).next());
                if let Some(set) = keys.get_mut(&last) {
                    set.extend(places.map(str::to_owned));
                }
            }
            keys
        };
        let (id, en) = (read("id"), read("en"));
        assert!(id.len() > 100, "the comparison looks at something");
        assert_eq!(id.keys().collect::<Vec<_>>(), en.keys().collect::<Vec<_>>());
        for (key, places) in &id {
            assert_eq!(places, &en[key], "{key}");
        }
        let mut used = BTreeSet::new();
        let mut families = BTreeSet::new();
        let mut sources: Vec<String> = Assets::iter().filter(|name| name.starts_with("templates/") || name.starts_with("js/")).map(|name| asset_text(&name)).collect();
        for file in [
            "chats",
            "home",
            "login",
            "packages",
            "queue",
            "settings",
            "simulator",
            "team",
            "whatsapp",
            "profile",
            "audit",
            "prompts",
            "faq",
            "usage",
            "replay",
            "flows",
            "labels",
            "contacts",
            "canned",
            "access",
            "trials",
            "bookings",
            "lessons",
            "mod",
        ] {
            sources.push(std::fs::read_to_string(format!("{}/src/web/pages/{file}.rs", env!("CARGO_MANIFEST_DIR"))).unwrap());
        }
        sources.push(include_str!("../people/push.rs").to_owned());
        sources.push(include_str!("../worker/push.rs").to_owned());
        sources.push(include_str!("view.rs").split("mod tests").next().unwrap().to_owned());
        for source in &sources {
            for quote in ['"', '\''] {
                for piece in source.split(quote).filter(|p| !p.is_empty() && p.len() < 60 && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')) {
                    used.insert(piece.to_owned());
                    if piece.ends_with('-') {
                        families.insert(piece.to_owned());
                    }
                }
            }
            let calls = ["{{ t(\"", "(t(\"", "words(language, \""].into_iter().flat_map(|opening| source.split(opening).skip(1));
            for call in calls {
                let key = call.split('"').next().unwrap();
                assert!(id.contains_key(key) || key.ends_with('-'), "{key} is used but has no words");
            }
        }
        for key in id.keys() {
            assert!(
                used.contains(key)
                    || families.iter().any(|family| key.starts_with(family.as_str()))
                    || key.starts_with("notice-")
                    || key.starts_with("did-") // `pages::audit` proves these against the sources
                    || key.starts_with("actor-")
                    || key.starts_with("weekday-")
                    || key.starts_with("set-"),
                "{key} has words but is not used"
            );
        }
    }

    #[test]
    fn templates_never_switch_escaping_off_and_all_compile() {
        for name in Assets::iter().filter(|name| name.starts_with("templates/")) {
            let text = asset_text(&name);
            assert!(!text.contains("|safe") && !text.contains("| safe") && !text.contains("autoescape"), "{name}");
            assert!(!text.contains("style=") && !text.contains("onclick"), "{name}: inline style or handler");
            TEMPLATES.get_template(name.trim_start_matches("templates/")).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
        for name in Assets::iter().filter(|name| name.starts_with("js/")) {
            let text = asset_text(&name);
            assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML") && !text.contains("eval("), "{name}");
        }
    }
}
