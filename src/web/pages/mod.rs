//! The dashboard's pages: server-rendered, readable without JavaScript. Every handler gets its visitor from [`enter`],
//! which knows who is signed in and what he may do; a changing request also passes [`Visitor::check`].

pub mod access;
pub mod audit;
pub mod bookings;
pub mod canned;
pub mod chats;
pub mod contacts;
pub mod faq;
pub mod files;
pub mod flows;
pub mod home;
pub mod labels;
pub mod lessons;
pub mod login;
pub mod packages;
pub mod profile;
pub mod prompts;
pub mod queue;
pub mod replay;
pub mod settings;
pub mod simulator;
pub mod team;
pub mod trials;
pub mod usage;
pub mod whatsapp;

use super::api::auth::Caller;
use super::policy::{self, Action};
use super::{session, view};
use crate::app::App;
use crate::chat::inbox::Scope;
use crate::chat::{channel, thread};
use crate::db::StoreError;
use crate::kernel::language::Language;
use crate::people::user::Session;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use minijinja::value::Value as View;
use serde_json::{Value, json};
use std::sync::Arc;
use tower_http::compression::CompressionLayer;

/// All pages. Reading needs `Action::View` unless the handler asks for more.
pub fn router(app: Arc<App>) -> Router<Arc<App>> {
    let uploads = Router::new().route("/packages/{code}/media", post(packages::upload)).layer(DefaultBodyLimit::max(packages::MAX_UPLOAD));
    let lists = Router::new().route("/contacts/import", get(contacts::import_form).post(contacts::import)).layer(DefaultBodyLimit::max(contacts::MAX_LIST));
    let files = Router::new()
        .route("/chats/{id}/files", post(chats::send_file))
        .route("/canned", get(canned::list).post(canned::save))
        .layer(DefaultBodyLimit::max(chats::MAX_FILE + (1 << 20)));
    Router::new()
        .route("/", get(home::show))
        .route("/promises/{id}", post(home::settle))
        .route("/login", get(login::show).post(login::submit))
        .route("/logout", post(login::logout))
        .route("/chats", get(chats::list))
        .route("/chats/{id}", get(chats::thread))
        .route("/chats/views", post(chats::save_view))
        .route("/chats/{id}/messages", post(chats::send))
        .route("/chats/{id}/ready", get(chats::ready))
        .route("/chats/{id}/do", post(chats::act))
        .route("/chats/{id}/take", post(chats::take))
        .route("/chats/{id}/release", post(chats::release))
        .route("/packages", get(packages::list))
        .route("/packages/new", get(packages::blank))
        .route("/packages/save", post(packages::save))
        .route("/packages/{code}", get(packages::edit))
        .route("/packages/{code}/media/{id}/remove", post(packages::remove_media))
        .route("/packages/{code}/media/{id}/raise", post(packages::raise_media))
        .route("/bookings", get(bookings::list).post(bookings::add))
        .route("/bookings/new", get(bookings::blank))
        .route("/bookings/{id}", get(bookings::show))
        .route("/bookings/{id}/payments", post(bookings::pay))
        .route("/bookings/{id}/do", post(bookings::act))
        .route("/queue", get(queue::list))
        .route("/queue/{id}/retry", post(queue::retry))
        .route("/queue/{id}/discard", post(queue::discard))
        .route("/queue/unread/{id}/again", post(queue::read_again))
        .route("/queue/unread/{id}/discard", post(queue::throw_away))
        .route("/bot", get(prompts::show).post(prompts::save))
        .route("/bot/release", post(prompts::turn))
        .route("/bot/faq", get(faq::list).post(faq::save))
        .route("/bot/faq/new", get(faq::blank))
        .route("/bot/faq/{key}", get(faq::edit))
        .route("/bot/flows", get(flows::list).post(flows::make))
        .route("/bot/flows/{key}", get(flows::show).post(flows::save))
        .route("/bot/lessons", get(lessons::show).post(lessons::save))
        .route("/bot/trials", get(trials::show).post(trials::save))
        .route("/bot/usage", get(usage::show))
        .route("/bot/replay", get(replay::list).post(replay::ask))
        .route("/bot/replay/{id}", get(replay::show))
        .route("/bot/replay/{id}/publish", post(replay::publish))
        .route("/whatsapp", get(whatsapp::show).post(whatsapp::save))
        .route("/whatsapp/connect", post(whatsapp::connect))
        .route("/whatsapp/verb", post(whatsapp::verb))
        .route("/whatsapp/pairing", post(whatsapp::pairing))
        .route("/whatsapp/qr.svg", get(whatsapp::qr))
        .route("/simulator", get(simulator::show).post(simulator::write))
        .route("/simulator/reset", post(simulator::reset))
        .route("/team", get(team::list).post(team::add))
        .route("/team/change", post(team::change))
        .route("/team/duty", post(team::duty))
        .route("/settings/holidays", post(settings::holiday))
        .route("/settings", get(settings::show).post(settings::save))
        .route("/audit", get(audit::show))
        .route("/access", get(access::show))
        .route("/labels", get(labels::list).post(labels::save))
        .route("/contacts", get(contacts::list).post(contacts::bulk))
        .route("/contacts/new", get(contacts::new).post(contacts::add))
        .route("/contacts/fields", post(contacts::save_field))
        .route("/export/{what}", get(contacts::export))
        .route("/contacts/{id}", get(contacts::show).post(contacts::save))
        .route("/contacts/{id}/do", post(contacts::act))
        .route("/profile", get(profile::show).post(profile::save))
        .route("/profile/password", post(profile::password))
        .route("/profile/away", post(profile::away))
        .route("/profile/sessions", post(profile::end_session))
        .route("/profile/factor", post(profile::second_factor))
        .merge(uploads)
        .merge(files)
        .merge(lists)
        .fallback(not_found)
        // inside of the compression: a notice said again must not wear the headers of the first
        .layer(axum::middleware::from_fn_with_state(app, in_readers_words))
        .layer(CompressionLayer::new().gzip(true))
        .route("/sw.js", get(files::service_worker))
        .route("/manifest.webmanifest", get(files::manifest))
        .route("/offline", get(files::offline))
        .route("/files/{id}", get(files::media))
        .route("/assets/{*path}", get(files::asset))
}

/// Somebody who is signed in.
pub struct Visitor {
    /// The session.
    pub session: Session,
    app: Arc<App>,
}

/// Why a page is not shown.
pub enum Refusal {
    /// Not signed in.
    Login,
    /// Not there, or not for this visitor.
    NotFound,
    /// The form did not come from one of our pages.
    Foreign,
    /// The store cannot be used now.
    Trouble(StoreError),
    /// A page with one sentence of the catalogue.
    Notice(u16, &'static str),
    /// Something to say in the visitor's words.
    Said(u16, String),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Trouble(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let plain = |status: StatusCode, text: String| (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response();
        match self {
            Self::Login => Redirect::to("/login").into_response(),
            Self::NotFound => notice(404, "notfound"),
            Self::Foreign => notice(403, "foreign"),
            Self::Notice(status, which) => notice(status, which),
            Self::Trouble(StoreError::Db(cause)) => {
                tracing::error!(%cause, "a page failed in the store");
                notice(500, "broken")
            }
            Self::Trouble(_) => {
                let mut response = notice(503, "unavailable");
                response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("2"));
                response
            }
            Self::Said(status, text) => plain(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), text),
        }
    }
}

/// Which notice a response is.
#[derive(Clone, Copy)]
struct Noticed(&'static str);

/// A bare page with one sentence and the way home; [`in_readers_words`] says it again for whoever reads another language.
fn notice(status: u16, which: &'static str) -> Response {
    let mut response = notice_for(status, which, Language::Id, "auto");
    response.extensions_mut().insert(Noticed(which));
    response
}

fn notice_for(status: u16, which: &str, language: Language, theme: &str) -> Response {
    let context = json!({"lang": language.as_str(), "theme": theme, "title_key": format!("notice-{which}"), "text_key": format!("notice-{which}-text")});
    view::page(status, "notice.html", &View::from(minijinja::value::Serde(context)))
}

/// Notices in the language and theme of whoever is signed in, else of the agency: who refuses no longer knows who asked.
pub async fn in_readers_words(State(app): State<Arc<App>>, request: Request, next: axum::middleware::Next) -> Response {
    let headers = request.headers().clone();
    let said = next.run(request).await;
    let Some(Noticed(which)) = said.extensions().get::<Noticed>().copied() else { return said };
    let (language, theme) = match session::signed_in(&app, &headers).await {
        Some(session) => (session.user.language, session.user.theme),
        None => (app.settings().language(), "auto".to_owned()),
    };
    let (mut parts, _) = said.into_parts();
    let again = notice_for(parts.status.as_u16(), which, language, &theme);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, again.into_body())
}

/// 404 of every address that is none of ours.
pub async fn not_found(State(_): State<Arc<App>>, headers: HeaderMap, uri: axum::http::Uri) -> Response {
    let wants_json = uri.path().starts_with("/api/") || headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    if wants_json { super::error::ApiError::new(404, "not_found", "there is nothing at this address").into_response() } else { notice(404, "notfound") }
}

/// A form's fields. One that does not hold them did not come from our pages.
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let axum::Form(fields) = axum::Form::from_request(request, state).await.map_err(|_| Refusal::Foreign)?;
        Ok(Self(fields))
    }
}

/// Who is here, if he may do `action`.
pub async fn enter(app: &Arc<App>, headers: &HeaderMap, action: Action) -> Result<Visitor, Refusal> {
    let session = session::signed_in(app, headers).await.ok_or(Refusal::Login)?;
    if !policy::may(session.user.role, action) {
        return Err(Refusal::NotFound);
    }
    Ok(Visitor { session, app: Arc::clone(app) })
}

impl Visitor {
    /// Whether a form came from one of our own pages in this session.
    pub fn check(&self, headers: &HeaderMap, csrf: &str) -> Result<(), Refusal> {
        if session::is_own_origin(headers) && session::is_right_csrf(&self.session, csrf) { Ok(()) } else { Err(Refusal::Foreign) }
    }

    /// For the audit trail.
    pub fn actor(&self) -> String {
        format!("user:{}", self.session.user.id)
    }

    /// As the JSON contracts know him.
    pub fn caller(&self) -> Caller {
        Caller { actor: self.actor(), user_id: Some(self.session.user.id), role: self.session.user.role, is_page: true }
    }

    /// Which chats he may see.
    pub fn scope(&self) -> Scope {
        policy::scope(self.session.user.role, &self.actor(), self.app.settings().text("team.cs_sees"))
    }

    /// Language of his screens.
    pub fn language(&self) -> Language {
        self.session.user.language
    }

    /// Whether he may.
    pub fn may(&self, action: Action) -> bool {
        policy::may(self.session.user.role, action)
    }

    /// Renders a page inside the shell: navigation, counts, banner.
    pub async fn page(&self, status: u16, template: &str, nav: &str, values: Value) -> Response {
        let app = &self.app;
        let tells = app.settings().text("whatsapp.provider") == "waha" && ["home", "chats", "queue"].contains(&nav);
        let now_ms = app.now_ms();
        let known = app.store.read(move |connection| -> Result<_, StoreError> {
            let down = if tells { channel::down(connection, now_ms)? } else { None };
            Ok((thread::counts(connection)?, down))
        });
        let (counts, session_down) = known.await.unwrap_or(((0, 0), None));
        let mut context = view::base(app, self.language(), &self.session.user.theme);
        let rights: serde_json::Map<String, Value> = [
            ("chat", Action::Chat),
            ("contacts", Action::EditContacts),
            ("labels", Action::EditLabels),
            ("edit", Action::EditCatalog),
            ("bot", Action::EditBot),
            ("simulate", Action::Simulate),
            ("audit", Action::Audit),
            ("admin", Action::Administer),
        ]
        .into_iter()
        .map(|(name, action)| (name.to_owned(), self.may(action).into()))
        .collect();
        let more = json!({
            "nav": nav, "csrf": self.session.csrf, "me": {"id": self.session.user.id, "name": self.session.user.name, "email": self.session.user.email, "role": self.session.user.role},
            "may": rights, "session_down": session_down, "waiting_count": counts.0, "escalated_count": counts.1,
        });
        for part in [more, values] {
            if let (Value::Object(into), Value::Object(from)) = (&mut context, part) {
                into.extend(from);
            }
        }
        view::page(status, template, &View::from(minijinja::value::Serde(context)))
    }
}

/// Back to a page after a form (303).
pub fn see(address: &str) -> Response {
    Redirect::to(address).into_response()
}
