//! What one running server holds: the store, the settings and catalogue of the moment, wakes for the workers, the
//! live hub and a few counters. Made once by `serve` and shared by web and workers.

use crate::chat::knowledge::KnowledgeCache;
use crate::chat::prompt::PromptError;
use crate::chat::{faq, prompt};
use crate::db::setting::{SecretKey, Settings};
use crate::db::writer::Lines;
use crate::db::{DataDir, Store, StoreError, event, setting};
use crate::kernel::clock::Clock;
use crate::kernel::hours::Hours;
use crate::people::{contact, holiday, user};
use crate::travel::catalog::CatalogCache;
use crate::web::presence::Presence;
use crate::wire::client::Http;
use crate::worker::model::Model;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, watch};

/// Lines of the live log a slow socket may be behind before it resumes from the store.
const LIVE_BUFFER: usize = 2_048;

/// A second look at the same contact within this time is the same look.
const LOOK_AGAIN: Duration = Duration::from_secs(10 * 60);
/// Looks remembered.
const MOST_LOOKS: usize = 10_000;

/// A wake that is never lost: set while nobody waits, it ends the next wait at once.
#[derive(Default)]
pub struct Wake {
    bell: Mutex<Bell>,
    changed: Condvar,
}

#[derive(Default)]
struct Bell {
    rung: bool,
    listeners: usize,
}

impl Wake {
    /// Wakes whoever waits, now or next.
    pub fn notify(&self) {
        let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        let already = std::mem::replace(&mut bell.rung, true);
        let nobody = bell.listeners == 0;
        drop(bell);
        // a call into the kernel, only where somebody sleeps who has not been called yet
        if !already && !nobody {
            self.changed.notify_all();
        }
    }

    /// Waits for a wake, `timeout` at the longest.
    pub fn wait(&self, timeout: Duration) {
        let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        bell.listeners += 1;
        let (mut bell, _) = self.changed.wait_timeout_while(bell, timeout, |bell| !bell.rung).unwrap_or_else(PoisonError::into_inner);
        bell.listeners -= 1;
        bell.rung = false;
    }
}

/// Counters since the start, for `/metrics`.
#[derive(Default)]
pub struct Counters {
    /// Webhook deliveries by answer: accepted, duplicate, ignored, quarantined, refused, unavailable.
    pub webhooks: [AtomicU64; 6],
    /// Turns decided.
    pub turns: AtomicU64,
    /// Sends by outcome: accepted, later, refused, unknown.
    pub sends: [AtomicU64; 4],
    /// Requests that panicked.
    pub panics: AtomicU64,
    /// Webhooks waiting for their commit.
    pub waiting: AtomicU64,
    /// Open sockets.
    pub sockets: AtomicU64,
}

impl Counters {
    /// Deliveries, turns and sends since the start.
    pub fn done(&self) -> u64 {
        let sum = |all: &[AtomicU64]| all.iter().map(|one| one.load(Ordering::Relaxed)).sum::<u64>();
        sum(&self.webhooks) + sum(&self.sends) + self.turns.load(Ordering::Relaxed)
    }
}

/// How a number's line to its gateway is.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct LineState {
    /// The circuit breaker is open: nothing is tried but a probe every 30 s.
    pub open: bool,
    /// Why.
    pub cause: String,
    /// Since when, unix ms.
    pub since_at: i64,
}

/// Everything the running server shares.
pub struct App {
    /// The store.
    pub store: Store,
    /// Packages of the moment.
    pub catalog: CatalogCache,
    /// Prompt and questions of the moment.
    pub knowledge: KnowledgeCache,
    /// The model, and what is known of how it likes to be asked.
    pub model: Model,
    /// For calls that leave.
    pub http: Http,
    /// Wakes the turn worker.
    pub turns: Wake,
    /// Wakes the media fetcher.
    pub media: Wake,
    /// Wakes the replay lab.
    pub lab: Wake,
    /// Wakes the label worker.
    pub labels: Wake,
    /// Wakes the scheduler.
    pub chores: Wake,
    /// Wakes the queue threads, one wake each by channel id, and their manager (0).
    pub queues: Mutex<BTreeMap<i64, Arc<Wake>>>,
    /// State of each number's line.
    pub lines: Mutex<BTreeMap<i64, LineState>>,
    /// Office hours of the moment.
    hours: RwLock<Arc<Hours>>,
    /// Who looked at whom lately, so that a page that reloads writes nothing.
    looks: Mutex<HashMap<(String, i64), Instant>>,
    /// New lines of the live log.
    pub live: broadcast::Sender<event::Framed>,
    /// Who is there.
    pub presence: Presence,
    /// Counters.
    pub counters: Counters,
    /// `/api/test/clock` is there.
    pub test_clock: bool,
    /// Where we listen.
    pub listen: OnceLock<SocketAddr>,
    /// True once the program is ending.
    pub stop: watch::Sender<bool>,
    stopping: AtomicBool,
    settings: RwLock<Arc<Settings>>,
    key: SecretKey,
}

impl App {
    /// Opens the store and reads the settings.
    pub fn open(dir: DataDir, test_clock: bool) -> anyhow::Result<Arc<Self>> {
        let store = Store::open(dir, Clock::default())?;
        let key = store.dir.key()?;
        let settings = store.read_blocking(|connection| Settings::load(connection, &key))?;
        let hours = settings.hours(store.read_blocking(holiday::all)?);
        for name in &settings.sealed {
            tracing::error!(setting = name, "this secret was sealed with another secret.key; set it again");
        }
        let app = Arc::new(Self {
            store,
            catalog: CatalogCache::default(),
            knowledge: KnowledgeCache::default(),
            model: Model::default(),
            http: Http::default(),
            turns: Wake::default(),
            media: Wake::default(),
            lab: Wake::default(),
            labels: Wake::default(),
            chores: Wake::default(),
            queues: Mutex::default(),
            lines: Mutex::default(),
            hours: RwLock::new(Arc::new(hours)),
            looks: Mutex::default(),
            live: broadcast::channel(LIVE_BUFFER).0,
            presence: Presence::default(),
            counters: Counters::default(),
            test_clock,
            listen: OnceLock::new(),
            stop: watch::channel(false).0,
            stopping: AtomicBool::new(false),
            settings: RwLock::new(Arc::new(settings)),
            key,
        });
        if app.settings().text("push.vapid_key").is_empty() {
            let made = app.store.write_blocking(|tx| setting::set(tx, "system", "push.vapid_key", &crate::wire::webpush::new_vapid_key()));
            match made {
                Ok(()) => drop(app.refresh_settings()?),
                Err(error) => tracing::warn!(%error, "the key for notifications was not made"), // a full disk: the server still reads
            }
        }
        let seeded = app.store.write_blocking(|tx| -> Result<(), PromptError> {
            user::all_offline(tx).map_err(PromptError::Db)?;
            prompt::seed(tx)?;
            faq::seed(tx).map_err(|error| PromptError::Db(StoreError::Unavailable(error.to_string())))
        });
        if let Err(error) = seeded {
            tracing::warn!(%error, "the built-in prompt and questions were not put in place"); // a full disk: the server still reads
        }
        let weak = Arc::downgrade(&app);
        app.store.writer().on_commit(Box::new(move |woken, live| {
            let Some(app) = weak.upgrade() else { return };
            if woken.turns {
                app.turns.notify();
            }
            app.wake_queues(woken.outbox);
            if woken.media {
                app.media.notify();
            }
            if woken.labels {
                app.labels.notify();
            }
            if woken.settings {
                app.chores.notify();
            }
            if app.live.receiver_count() > 0 {
                for line in live {
                    let _ = app.live.send(line.framed()); // no receiver left in the meantime: nobody to tell
                }
            }
        }));
        Ok(app)
    }

    /// The settings of the moment.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the settings again if they changed, here or in another process.
    pub fn refresh_settings(&self) -> Result<bool, StoreError> {
        let held = self.settings().generation;
        let fresh = self.store.read_blocking(|connection| {
            let now = setting::generation(connection)?;
            if now == held { Ok(None) } else { Settings::load(connection, &self.key).map(Some) }
        })?;
        let changed = fresh.is_some();
        if let Some(fresh) = fresh {
            *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
            self.refresh_hours()?;
            self.wake_queues(Lines::All);
            self.turns.notify();
        }
        Ok(changed)
    }

    /// Office hours of the moment.
    pub fn hours(&self) -> Arc<Hours> {
        Arc::clone(&self.hours.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the days off again.
    pub fn refresh_hours(&self) -> Result<(), StoreError> {
        let holidays = self.store.read_blocking(holiday::all)?;
        *self.hours.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(self.settings().hours(holidays));
        Ok(())
    }

    /// Notes for the owner that somebody of the team looked at a contact; nobody waits for it.
    pub fn note_look(self: &Arc<Self>, actor: &str, contact_id: i64) {
        {
            let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (actor.to_owned(), contact_id);
            if looks.get(&key).is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
                return;
            }
            if looks.len() > MOST_LOOKS {
                looks.retain(|_, at| at.elapsed() < LOOK_AGAIN);
            }
            looks.insert(key, Instant::now());
        }
        let (app, actor, day) = (Arc::clone(self), actor.to_owned(), self.settings().day_of(self.now_ms()).to_string());
        tokio::spawn(async move {
            if let Err(error) = app.store.write(move |tx| contact::looked_at(tx, &actor, contact_id, &day)).await {
                tracing::warn!(%error, "who looked at whom was not written down");
            }
        });
    }

    /// Wakes queue threads; [`Lines::All`] also the one that starts them.
    pub fn wake_queues(&self, lines: Lines) {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        match lines {
            Lines::None => {}
            Lines::One(channel_id) => queues.get(&channel_id).into_iter().for_each(|wake| wake.notify()),
            Lines::All => queues.values().for_each(|wake| wake.notify()),
        }
    }

    /// True once the program is ending: workers finish what they hold and leave.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Begins the end: wakes everybody so that they notice.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop.send_replace(true); // kept also while nobody listens yet
        self.turns.notify();
        self.media.notify();
        self.chores.notify();
        self.lab.notify();
        self.labels.notify();
        self.wake_queues(Lines::All);
    }

    /// Wall clock, unix ms.
    pub fn now_ms(&self) -> i64 {
        self.store.clock.now_ms()
    }
}
