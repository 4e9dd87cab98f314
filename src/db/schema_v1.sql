-- Kafilah: the whole database.
--
-- This file is the truth for a new store; src/db/migrations.rs brings older stores to the same shape and a
-- test proves the two equal. Every table is STRICT. Columns ending in _at are unix milliseconds, UTC; _ms are
-- milliseconds, _idr whole rupiah, _m metres. Who/when stands beside every change. The tables every message writes state
-- their closed lists as `a OR b OR c`: SQLite builds a temporary b-tree for `IN (…)` of three and more at every insert.
PRAGMA application_id = 1262568012; -- 'KAFL'

-- Facts about the store itself. `settings_generation`, `catalog_generation` and `knowledge_generation` count changes, so that a
-- running server notices what another process (the command line) wrote.
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('settings_generation', 1), ('catalog_generation', 1), ('knowledge_generation', 1);

-- One row per setting that differs from its built-in default. A secret is stored encrypted (XChaCha20-Poly1305
-- with the key file beside the database, bound to this row's key), as nonce || ciphertext in hex.
CREATE TABLE setting (
  key        TEXT PRIMARY KEY,
  value      TEXT NOT NULL,
  secret     INTEGER NOT NULL DEFAULT 0 CHECK (secret IN (0, 1)),
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL              -- actor, as in audit.actor
) STRICT, WITHOUT ROWID;
CREATE TRIGGER setting_added   AFTER INSERT ON setting BEGIN UPDATE meta SET value = value + 1 WHERE key = 'settings_generation'; END;
CREATE TRIGGER setting_changed AFTER UPDATE ON setting BEGIN UPDATE meta SET value = value + 1 WHERE key = 'settings_generation'; END;
CREATE TRIGGER setting_removed AFTER DELETE ON setting BEGIN UPDATE meta SET value = value + 1 WHERE key = 'settings_generation'; END;

-- People who log in. A disabled user keeps his rows in history.
CREATE TABLE user (
  id            INTEGER PRIMARY KEY,
  email         TEXT NOT NULL UNIQUE COLLATE NOCASE,
  name          TEXT NOT NULL,
  role          TEXT NOT NULL CHECK (role IN ('system_admin', 'marketing_admin', 'sales_admin', 'cs', 'viewer')),
  password_hash TEXT NOT NULL,          -- argon2id, PHC string
  language      TEXT NOT NULL DEFAULT 'id' CHECK (language IN ('id', 'en')),
  theme         TEXT NOT NULL DEFAULT 'auto' CHECK (theme IN ('auto', 'light', 'dark')),
  created_at    INTEGER NOT NULL,
  disabled_at   INTEGER,
  takes_chats   INTEGER NOT NULL DEFAULT 1 CHECK (takes_chats IN (0, 1)), -- chats are dealt to him
  chat_cap      INTEGER CHECK (chat_cap BETWEEN 1 AND 1000), -- open chats he gets dealt at the most; null: the setting's
  shift         TEXT,                   -- JSON: hours per weekday; null: the office's
  away_at       INTEGER,                -- said that he is away
  online_at     INTEGER,                -- a page of his is open since; null: none
  dealt_at      INTEGER NOT NULL DEFAULT 0, -- when a chat was last dealt to him
  totp_secret   TEXT,                   -- second factor, sealed like a secret setting; null: none
  totp_step     INTEGER NOT NULL DEFAULT 0  -- last time step used: a code counts once
) STRICT;

-- Browser sessions: the cookie holds 32 random bytes, the store only their SHA-256.
CREATE TABLE session (
  token_hash   BLOB PRIMARY KEY,
  user_id      INTEGER NOT NULL REFERENCES user (id),
  csrf         TEXT NOT NULL,           -- token every form of this session carries
  created_at   INTEGER NOT NULL,
  seen_at      INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  address      TEXT NOT NULL,
  user_agent   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user_id);

-- Bearer tokens for programs; only the SHA-256 is kept.
CREATE TABLE api_token (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,
  role       TEXT NOT NULL CHECK (role IN ('system_admin', 'marketing_admin', 'sales_admin', 'cs', 'viewer')),
  token_hash BLOB NOT NULL UNIQUE,
  user_id    INTEGER REFERENCES user (id), -- acts as this user; null: as itself
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;

-- Failed logins per account and per address; the next try is allowed at next_at.
CREATE TABLE login_failure (
  subject  TEXT PRIMARY KEY,            -- 'email:…' or 'address:…'
  failures INTEGER NOT NULL,
  next_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One WhatsApp number: a WAHA session, a Cloud API number, or the phone simulator inside the program.
CREATE TABLE channel (
  id                     INTEGER PRIMARY KEY,
  kind                   TEXT NOT NULL CHECK (kind IN ('waha', 'cloud', 'simulator')),
  session                TEXT NOT NULL UNIQUE,  -- WAHA session name
  phone                  TEXT,                  -- our own number, digits without plus
  lid                    TEXT,                  -- our own LID, with suffix
  engine                 TEXT,                  -- WEBJS, WPP, NOWEB, GOWS or what the gateway says
  status                 TEXT NOT NULL DEFAULT 'UNKNOWN', -- as the gateway says: WORKING, SCAN_QR_CODE, …
  status_at              INTEGER,
  last_event_at          INTEGER,               -- last webhook delivery, our clock
  gateway_started_at     INTEGER,               -- a changed value means the gateway restarted
  reconciled_to_at       INTEGER,               -- history is known to be complete up to here
  first_contact_until_at INTEGER,               -- WhatsApp forbids writing first until then (reach-out timelock)
  since_at               INTEGER NOT NULL DEFAULT 0, -- first heard of; a new number is warmed up from then
  capping                TEXT                   -- new-chat quota state as WhatsApp names it; only CAPPED blocks
) STRICT;

-- A person. Names have a source; a better source wins: typed > import > phonebook > push.
CREATE TABLE contact (
  id           INTEGER PRIMARY KEY,
  name         TEXT,
  name_source  TEXT CHECK (name_source = 'push' OR name_source = 'phonebook' OR name_source = 'import' OR name_source = 'typed'),
  email        TEXT,
  address      TEXT,
  interest     TEXT,                    -- product he prefers, in the team's words
  is_active    INTEGER CHECK (is_active = 0 OR is_active = 1), -- a person's word; null: computed from when he last wrote
  fields       TEXT,                    -- JSON: custom fields by contact_field.key
  opted_out_at INTEGER,
  merged_into  INTEGER REFERENCES contact (id), -- this row lives on there; kept so that a merge can be undone
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER                  -- last change of what is written above; null: none
) STRICT;

-- Fields the agency adds to its contacts.
CREATE TABLE contact_field (
  key        TEXT PRIMARY KEY,          -- lower case, digits, _
  name       TEXT NOT NULL,             -- as shown
  kind       TEXT NOT NULL CHECK (kind IN ('text', 'number', 'date', 'choice')),
  choices    TEXT NOT NULL DEFAULT '[]', -- JSON list
  position   INTEGER NOT NULL,
  removed_at INTEGER
) STRICT, WITHOUT ROWID;

-- Names and numbers as they are searched for; `enohp` is the number backwards, so that its last digits find it.
-- Filled a little later than the contact is made, up to the mark in `search_mark`.
CREATE VIRTUAL TABLE contact_search USING fts5 (name, phone, enohp, content = '', contentless_delete = 1, prefix = '3', tokenize = "unicode61 remove_diacritics 2");
-- Words of messages; filled when the machine has time, up to the mark.
CREATE VIRTUAL TABLE message_search USING fts5 (text, content = '', contentless_delete = 1, detail = 'none', tokenize = "unicode61 remove_diacritics 2");
-- How far the two have come: the highest id that is in them.
CREATE TABLE search_mark (
  what  TEXT PRIMARY KEY CHECK (what IN ('contact', 'message')),
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO search_mark VALUES ('contact', 0), ('message', 0);

-- One way to reach a contact. A phone is the same everywhere (channel_id 0); a LID belongs to one channel.
CREATE TABLE identity (
  kind       TEXT NOT NULL CHECK (kind IN ('phone', 'lid')),
  channel_id INTEGER NOT NULL,
  value      TEXT NOT NULL,             -- phone: digits without plus; lid: digits without suffix
  contact_id INTEGER NOT NULL REFERENCES contact (id),
  added_at   INTEGER NOT NULL,
  PRIMARY KEY (kind, channel_id, value),
  CHECK (kind = 'lid' OR channel_id = 0),
  CHECK (length(value) BETWEEN 5 AND 20 AND value NOT GLOB '*[^0-9]*')
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_contact ON identity (contact_id);

-- What a merge moved, so that it can be undone by hand.
CREATE TABLE contact_merge (
  id         INTEGER PRIMARY KEY,
  kept_id    INTEGER NOT NULL REFERENCES contact (id),
  merged_id  INTEGER NOT NULL REFERENCES contact (id),
  cause      TEXT NOT NULL,             -- lid_resolved, phone_learned, by_hand
  detail     TEXT NOT NULL,             -- JSON: moved identities, conversations and messages
  at         INTEGER NOT NULL,
  undone_at  INTEGER
) STRICT;

-- One contact on one channel. Personal chats only: the address must end in @c.us or @lid.
CREATE TABLE conversation (
  id                INTEGER PRIMARY KEY,
  contact_id        INTEGER NOT NULL REFERENCES contact (id),
  channel_id        INTEGER NOT NULL REFERENCES channel (id),
  chat_id           TEXT NOT NULL CHECK (chat_id LIKE '%_@c.us' OR chat_id LIKE '%_@lid'),
  phase             TEXT NOT NULL DEFAULT 'leads' CHECK (phase = 'leads' OR phase = 'interest' OR phase = 'booking' OR phase = 'paid'),
  phase_at          INTEGER NOT NULL,
  package_code      TEXT,               -- the package the chat is about
  handler           TEXT NOT NULL DEFAULT 'bot' CHECK (handler IN ('bot', 'user')),
  handler_at        INTEGER,
  assignee_id       INTEGER REFERENCES user (id),
  held_by           TEXT,               -- actor who has claimed it: user:ID or token:ID; null: nobody
  pinned_at         INTEGER,            -- stands on top of its holder's list
  snoozed_until_at  INTEGER,            -- out of the lists until then, or until the customer writes
  resolved_at       INTEGER,            -- a person said: done; until the customer writes
  late_told_at      INTEGER,            -- the leader was told that this one waits too long
  waiting_since_at  INTEGER,            -- since when a person is awaited; null: nobody waits
  unread_count      INTEGER NOT NULL DEFAULT 0,
  last_in_at        INTEGER,            -- customer's last message
  last_in_id        INTEGER,            -- message.id of it
  answered_id       INTEGER NOT NULL DEFAULT 0, -- message.id up to which the bot has answered, or listened while a person has the chat
  last_message_id   INTEGER,            -- message shown in lists
  last_at           INTEGER NOT NULL,
  turn_due_at       INTEGER,            -- the bot's turn is due then (process clock); null: no turn is due
  turn_failures     INTEGER NOT NULL DEFAULT 0, -- turns in a row that broke; two park the turn with a person
  low_confidence    INTEGER NOT NULL DEFAULT 0, -- low-confidence turns in a row
  party_size        INTEGER,            -- slots, remembered across messages
  infants           INTEGER NOT NULL DEFAULT 0, -- babies of party_size
  month             TEXT,               -- YYYY-MM
  suggested_code    TEXT,               -- the bot asked "did you mean …?"
  rating_asked_at   INTEGER,            -- satisfaction was asked
  rating_about      TEXT,               -- of whose help; null: answered, or never asked
  flow_place        TEXT,               -- JSON: where it stands in a keyword flow
  bundle_code       TEXT,               -- package whose brochure, itinerary, hotels and terms have been sent as one bundle
  language          TEXT,               -- language of the last turn: id or en
  first_code        TEXT,               -- campaign source, first and last touch
  last_code         TEXT,
  merged_into       INTEGER REFERENCES conversation (id), -- its messages live on there
  created_at        INTEGER NOT NULL,
  is_human          INTEGER NOT NULL GENERATED ALWAYS AS (merged_into IS NULL AND (handler = 'user' OR held_by IS NOT NULL OR waiting_since_at IS NOT NULL)) STORED -- concerns people, not the bot alone
) STRICT;
CREATE UNIQUE INDEX conversation_contact ON conversation (contact_id, channel_id);
CREATE INDEX conversation_recent ON conversation (last_at, id) WHERE merged_into IS NULL;
CREATE INDEX conversation_turn ON conversation (turn_due_at) WHERE turn_due_at IS NOT NULL;
CREATE INDEX conversation_waiting ON conversation (waiting_since_at) WHERE waiting_since_at IS NOT NULL;
-- One list of all that concerns people: never long, so that mine, unclaimed and handed over are looked for in it.
CREATE INDEX conversation_human ON conversation (last_at, id) WHERE is_human = 1;
CREATE INDEX conversation_snoozed ON conversation (snoozed_until_at) WHERE snoozed_until_at IS NOT NULL;
CREATE INDEX conversation_phase ON conversation (phase, last_at) WHERE phase <> 'leads';
-- Phases only move forward. A person's correction goes through phase_correction, which names the phase first.
CREATE TRIGGER conversation_phase_forward BEFORE UPDATE OF phase ON conversation
WHEN (CASE NEW.phase WHEN 'leads' THEN 0 WHEN 'interest' THEN 1 WHEN 'booking' THEN 2 ELSE 3 END)
   < (CASE OLD.phase WHEN 'leads' THEN 0 WHEN 'interest' THEN 1 WHEN 'booking' THEN 2 ELSE 3 END)
 AND NOT EXISTS (SELECT 1 FROM phase_transition t WHERE t.conversation_id = NEW.id AND t.at = NEW.phase_at
                 AND t.cause = 'correction' AND t.to_phase = NEW.phase)
BEGIN SELECT RAISE(ABORT, 'a phase never moves backward'); END;

-- Every message in or out, once. wa_id is the bare WhatsApp id; for our own sends it is chosen and stored
-- before the call where the gateway lets us. `at` is the message's own time, received_at ours.
CREATE TABLE message (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  channel_id      INTEGER NOT NULL,
  direction       TEXT NOT NULL CHECK (direction IN ('in', 'out')),
  wa_id           TEXT,
  author          TEXT NOT NULL CHECK (author = 'customer' OR author = 'bot' OR author = 'user' OR author = 'phone' OR author = 'broadcast'),
  user_id         INTEGER REFERENCES user (id),
  kind            TEXT NOT NULL,        -- text image video voice document sticker location contact button_reply list_reply view_once call unknown
  text            TEXT,
  status          TEXT NOT NULL CHECK (status = 'received' OR status = 'queued' OR status = 'sent' OR status = 'delivered'
                                       OR status = 'read' OR status = 'failed' OR status = 'unknown' OR status = 'cancelled'),
  at              INTEGER NOT NULL,
  received_at     INTEGER NOT NULL,
  media_id        INTEGER REFERENCES media (id),
  reply_to        TEXT,                 -- bare id of the quoted message
  extra           TEXT,                 -- JSON: location, vcards, reply_id, attribution, reactions
  edited_at       INTEGER,
  revoked_at      INTEGER,
  turn_id         INTEGER REFERENCES turn (id), -- bot messages: the turn that made it
  campaign_code   TEXT                  -- our messages: the campaign they answer (what customers wrote: see touch)
) STRICT;
CREATE UNIQUE INDEX message_wa_id ON message (channel_id, direction, wa_id) WHERE wa_id IS NOT NULL;
CREATE INDEX message_thread ON message (conversation_id, at, id);
CREATE INDEX message_media ON message (media_id) WHERE media_id IS NOT NULL;

-- The words a message had before an edit. A message that was taken back keeps its text too, struck out.
CREATE TABLE message_edit (
  id         INTEGER PRIMARY KEY,
  message_id INTEGER NOT NULL REFERENCES message (id),
  old_text   TEXT,
  at         INTEGER NOT NULL
) STRICT;
CREATE INDEX message_edit_message ON message_edit (message_id);

-- The bytes as the gateway delivered them, kept for repair and for a person to read. Bodies of accepted
-- messages are dropped after `store.raw_days`. outcome 'quarantined' = authentic but not understood.
CREATE TABLE webhook_raw (
  id          INTEGER PRIMARY KEY,
  received_at INTEGER NOT NULL,
  session     TEXT,
  event       TEXT,
  outcome     TEXT NOT NULL CHECK (outcome IN ('accepted', 'quarantined')),
  reason      TEXT,
  message_id  INTEGER,                  -- message.id this became
  body        BLOB NOT NULL
) STRICT;
CREATE INDEX webhook_raw_quarantined ON webhook_raw (id) WHERE outcome = 'quarantined';

-- Receipts, edits and revocations that came before their message; applied when it arrives.
CREATE TABLE early_event (
  channel_id INTEGER NOT NULL,
  wa_id      TEXT NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('ack', 'edit', 'revoke', 'reaction')),
  detail     TEXT NOT NULL,             -- JSON
  at         INTEGER NOT NULL,
  PRIMARY KEY (channel_id, wa_id, kind)
) STRICT, WITHOUT ROWID;

-- A file we hold: bytes live in media/ under their SHA-256. state: wanted = still to be fetched from source_url.
CREATE TABLE media (
  id         INTEGER PRIMARY KEY,
  state      TEXT NOT NULL CHECK (state IN ('wanted', 'ready', 'failed', 'refused')),
  sha256     TEXT,
  mime       TEXT NOT NULL,
  bytes      INTEGER,
  file_name  TEXT,                      -- as the sender named it; never a path
  source_url TEXT,
  message_wa TEXT,                      -- full gateway id, to ask for the file again
  channel_id INTEGER,
  chat_id    TEXT,
  attempts   INTEGER NOT NULL DEFAULT 0,
  due_at     INTEGER,
  cause      TEXT,                      -- why the last fetch failed or the file was refused
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX media_wanted ON media (due_at) WHERE state = 'wanted';
CREATE INDEX media_sha ON media (sha256) WHERE sha256 IS NOT NULL;

-- What is sold. price_idr is the "from" price (cheapest room); seats left = quota - seats_taken - seats_booked.
CREATE TABLE package (
  id                 INTEGER PRIMARY KEY,
  code               TEXT NOT NULL UNIQUE,      -- PKG_MONTH_YEAR_TYPE
  name               TEXT NOT NULL,
  price_idr          INTEGER NOT NULL CHECK (price_idr >= 0),
  departs            TEXT NOT NULL,             -- YYYY-MM-DD
  days               INTEGER NOT NULL CHECK (days BETWEEN 1 AND 90),
  status             TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'full', 'closed')),
  quota              INTEGER CHECK (quota >= 0), -- seats in all; null: not limited here
  seats_taken        INTEGER NOT NULL DEFAULT 0 CHECK (seats_taken >= 0), -- sold elsewhere, as the agency tells
  seats_booked       INTEGER NOT NULL DEFAULT 0 CHECK (seats_booked >= 0), -- booked here; kept by the triggers of booking, doctor proves it
  hotel_makkah       TEXT,
  hotel_makkah_m     INTEGER,                   -- metres to Masjidil Haram
  hotel_madinah      TEXT,
  hotel_madinah_m    INTEGER,                   -- metres to Masjid Nabawi
  airline            TEXT,
  departure_city     TEXT,
  dp_idr             INTEGER,
  payoff_by          TEXT,                      -- YYYY-MM-DD
  price_triple_idr   INTEGER,
  price_double_idr   INTEGER,
  price_infant_idr   INTEGER,
  features           TEXT NOT NULL DEFAULT '[]', -- JSON list of short lines
  includes           TEXT NOT NULL DEFAULT '[]',
  excludes           TEXT NOT NULL DEFAULT '[]',
  payment_terms      TEXT,
  itinerary          TEXT NOT NULL DEFAULT '[]', -- JSON list of {day, text}
  created_at         INTEGER NOT NULL,
  updated_at         INTEGER NOT NULL,
  updated_by         TEXT NOT NULL
) STRICT;
CREATE TRIGGER package_added   AFTER INSERT ON package BEGIN UPDATE meta SET value = value + 1 WHERE key = 'catalog_generation'; END;
CREATE TRIGGER package_changed AFTER UPDATE ON package BEGIN UPDATE meta SET value = value + 1 WHERE key = 'catalog_generation'; END;
CREATE TRIGGER package_removed AFTER DELETE ON package BEGIN UPDATE meta SET value = value + 1 WHERE key = 'catalog_generation'; END;

-- Files of a package in the order the bot sends them.
CREATE TABLE package_media (
  id         INTEGER PRIMARY KEY,
  package_id INTEGER NOT NULL REFERENCES package (id),
  kind       TEXT NOT NULL CHECK (kind IN ('image', 'brochure', 'itinerary', 'location', 'video')),
  media_id   INTEGER REFERENCES media (id),     -- null for a location
  title      TEXT NOT NULL,
  latitude   REAL,
  longitude  REAL,
  position   INTEGER NOT NULL,
  sent_count INTEGER NOT NULL DEFAULT 0,
  added_at   INTEGER NOT NULL,
  removed_at INTEGER                            -- tombstone: what was sent stays explained
) STRICT;
CREATE INDEX package_media_package ON package_media (package_id, position);
CREATE TRIGGER package_media_added   AFTER INSERT ON package_media BEGIN UPDATE meta SET value = value + 1 WHERE key = 'catalog_generation'; END;
CREATE TRIGGER package_media_removed AFTER UPDATE OF removed_at, position, title, media_id ON package_media BEGIN UPDATE meta SET value = value + 1 WHERE key = 'catalog_generation'; END;

-- An ad effort. Its code is a package code or a name of its own that leads to a package.
CREATE TABLE campaign (
  code         TEXT PRIMARY KEY,
  name         TEXT NOT NULL,
  package_code TEXT,
  source       TEXT,                    -- meta_ads, tiktok, …
  clicks       INTEGER NOT NULL DEFAULT 0,
  conversations INTEGER NOT NULL DEFAULT 0,
  created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A click on our short link /c/CODE.
CREATE TABLE click (
  id         INTEGER PRIMARY KEY,
  code       TEXT NOT NULL,
  at         INTEGER NOT NULL,
  referrer   TEXT,
  user_agent TEXT
) STRICT;
CREATE INDEX click_code ON click (code, at);

-- A campaign met a conversation: by a code in the text or by an ad referral. seen = also the codes that were ignored.
CREATE TABLE touch (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  message_id      INTEGER NOT NULL REFERENCES message (id),
  code            TEXT NOT NULL,
  via             TEXT NOT NULL CHECK (via = 'text' OR via = 'ad' OR via = 'ignored'),
  detail          TEXT,                 -- JSON: the ad's referral
  at              INTEGER NOT NULL
) STRICT;
CREATE INDEX touch_conversation ON touch (conversation_id, id);

-- One go of the bot: which messages it answered, what it decided and why.
CREATE TABLE turn (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  at              INTEGER NOT NULL,
  from_id         INTEGER NOT NULL,     -- answered messages: message.id > from_id …
  to_id           INTEGER NOT NULL,     -- … and <= to_id
  decided_by      TEXT NOT NULL CHECK (decided_by = 'rule' OR decided_by = 'faq' OR decided_by = 'flow' OR decided_by = 'llm' OR decided_by = 'fallback'),
  rule            TEXT NOT NULL,        -- name of the rule that won
  confidence      REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  language        TEXT NOT NULL,
  intents         TEXT NOT NULL,        -- JSON list
  phase           TEXT NOT NULL,        -- phase after the turn
  escalation      TEXT,                 -- reason, if it asked for a person
  prompt_version  TEXT,
  trace           TEXT                  -- JSON: what was looked at, for "why?"
) STRICT;
CREATE INDEX turn_conversation ON turn (conversation_id, id);

-- A message on its way to the gateway; the states are those of the state machine in src/chat/outbox.rs.
CREATE TABLE outbox (
  id              INTEGER PRIMARY KEY,
  message_id      INTEGER NOT NULL UNIQUE REFERENCES message (id),
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  channel_id      INTEGER NOT NULL,
  priority        INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2), -- 0 person, 1 bot reply, 2 broadcast
  state           TEXT NOT NULL CHECK (state = 'due' OR state = 'sending' OR state = 'unknown' OR state = 'accepted' OR state = 'delivered'
                                      OR state = 'read' OR state = 'failed' OR state = 'parked' OR state = 'cancelled' OR state = 'expired'),
  attempts        INTEGER NOT NULL DEFAULT 0,
  lookups         INTEGER NOT NULL DEFAULT 0,   -- times the gateway was asked what became of an unknown send
  due_at          INTEGER NOT NULL,     -- process clock; next step (send, or lookup when unknown)
  attempt_at      INTEGER,              -- start of the last attempt
  typing_at       INTEGER,              -- typing was shown; the send is due when it has lasted long enough
  last_cause      TEXT,                 -- named: refused, timed_out, rate_limited, gateway_500, timelock, no_such_number, …
  valid_until     INTEGER NOT NULL,     -- past this the message is not worth sending any more
  render          TEXT,                 -- how to make the text again from live data at the moment of sending; null: text is final
  render_generation INTEGER,            -- catalogue generation the text was made from
  created_at      INTEGER NOT NULL,
  sent_at         INTEGER,
  changed_at      INTEGER,              -- last change of state that none of the other times tells
  is_open         INTEGER NOT NULL GENERATED ALWAYS AS (state = 'due' OR state = 'sending' OR state = 'unknown') STORED,    -- in its conversation's line
  is_dead         INTEGER NOT NULL GENERATED ALWAYS AS (state = 'failed' OR state = 'parked' OR state = 'expired') STORED   -- waits for a person
) STRICT;
CREATE INDEX outbox_due ON outbox (channel_id, priority, due_at) WHERE state = 'due';
CREATE INDEX outbox_unknown ON outbox (channel_id, due_at) WHERE state = 'unknown';
CREATE INDEX outbox_line ON outbox (conversation_id, id) WHERE is_open = 1;
CREATE INDEX outbox_dead ON outbox (id) WHERE is_dead = 1;

-- Phase moves, each with the message that caused it. cause 'correction' = a person's, may go backward.
CREATE TABLE phase_transition (
  id                 INTEGER PRIMARY KEY,
  conversation_id    INTEGER NOT NULL REFERENCES conversation (id),
  at                 INTEGER NOT NULL,
  from_phase         TEXT NOT NULL,
  to_phase           TEXT NOT NULL,
  trigger_message_id INTEGER,
  cause              TEXT NOT NULL,
  actor              TEXT NOT NULL
) STRICT;
CREATE INDEX phase_transition_conversation ON phase_transition (conversation_id, id);

-- The bot asks for a person.
CREATE TABLE escalation (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  turn_id         INTEGER REFERENCES turn (id),
  message_id      INTEGER,
  at              INTEGER NOT NULL,
  reason          TEXT NOT NULL CHECK (reason IN ('payment_intent', 'human_requested', 'complex_question', 'low_confidence',
                                                  'complaint', 'negotiation', 'media_received', 'turn_failed', 'too_many_replies', 'unknown_code', 'llm_failed', 'guard_blocked')),
  question        TEXT,                 -- what the customer asked
  resolved_at     INTEGER,
  resolved_by     TEXT                  -- actor
) STRICT;
CREATE INDEX escalation_open ON escalation (conversation_id) WHERE resolved_at IS NULL;
CREATE INDEX escalation_time ON escalation (at);

-- Who has the conversation, and every change of it.
CREATE TABLE handover (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  at              INTEGER NOT NULL,
  from_handler    TEXT NOT NULL,        -- bot, or user:ID
  to_handler      TEXT NOT NULL,
  reason          TEXT NOT NULL,        -- taken, released, phone_reply, idle, escalation
  waited_ms       INTEGER,              -- how long the customer had waited
  note            TEXT
) STRICT;
CREATE INDEX handover_conversation ON handover (conversation_id, id);

-- Somebody who means to book, as sales works them: one lead a contact, made by the bot on reaching BOOKING or through the API,
-- merged whenever more is learnt.
CREATE TABLE lead (
  id              INTEGER PRIMARY KEY,
  contact_id      INTEGER NOT NULL UNIQUE REFERENCES contact (id),
  conversation_id INTEGER REFERENCES conversation (id),
  phase           TEXT NOT NULL CHECK (phase IN ('leads', 'interest', 'booking', 'paid')), -- as last reported; never moves back
  package_code    TEXT,
  source          TEXT,                 -- campaign code, or what the API named
  summary         TEXT,
  confidence      REAL CHECK (confidence BETWEEN 0 AND 1),
  created_by      TEXT NOT NULL,        -- bot, token:ID, user:ID
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX lead_updated ON lead (updated_at, id);

-- Labels: one set for chats, lists, contacts, segments and exports. A deleted label stays as a tombstone; a renamed one keeps its row.
CREATE TABLE label (
  id         INTEGER PRIMARY KEY,
  name       TEXT,                      -- null until it has been seen
  color      INTEGER CHECK (color BETWEEN 0 AND 19), -- WhatsApp's palette
  color_hex  TEXT,
  contacts   INTEGER NOT NULL DEFAULT 0, -- how many carry it now
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,             -- actor: user:ID, token:ID, whatsapp
  deleted_at INTEGER
) STRICT;

-- The WhatsApp label a label is on one of our numbers.
CREATE TABLE label_link (
  channel_id INTEGER NOT NULL REFERENCES channel (id),
  wa_id      TEXT NOT NULL,             -- the gateway's id, a string
  label_id   INTEGER NOT NULL REFERENCES label (id),
  PRIMARY KEY (channel_id, wa_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX label_link_label ON label_link (label_id);

-- Every label put on or taken off, append-only and of personal chats only; what a contact has now is the fold over it.
CREATE TABLE label_event (
  id              INTEGER PRIMARY KEY,
  label_id        INTEGER NOT NULL REFERENCES label (id),
  contact_id      INTEGER NOT NULL REFERENCES contact (id),
  chat_id         TEXT NOT NULL CHECK (chat_id LIKE '%_@c.us' OR chat_id LIKE '%_@lid'),
  change          TEXT NOT NULL CHECK (change IN ('added', 'removed')),
  source          TEXT NOT NULL CHECK (source IN ('whatsapp', 'dashboard', 'reconcile', 'api')),
  actor           TEXT NOT NULL,        -- user:ID, token:ID, system, or number:PHONE when the phone did it
  actor_certainty TEXT NOT NULL CHECK (actor_certainty IN ('certain', 'likely', 'number_only')),
  likely_user_id  INTEGER REFERENCES user (id), -- who it probably was: had claimed the chat, or was the only one there
  why             TEXT,                 -- merge, merge_undone, missed, spurious; null: somebody's click
  at              INTEGER NOT NULL
) STRICT;
CREATE INDEX label_event_contact ON label_event (contact_id, label_id, id);
CREATE INDEX label_event_label ON label_event (label_id, at);
CREATE TRIGGER label_event_stays BEFORE UPDATE ON label_event BEGIN SELECT RAISE(ABORT, 'what happened to labels is never changed'); END;
CREATE TRIGGER label_event_kept BEFORE DELETE ON label_event BEGIN SELECT RAISE(ABORT, 'what happened to labels is never deleted'); END;

-- The fold: which labels a contact carries now. Written by the log's own trigger; `doctor` proves it.
CREATE TABLE contact_label (
  contact_id INTEGER NOT NULL REFERENCES contact (id),
  label_id   INTEGER NOT NULL REFERENCES label (id),
  added_at   INTEGER NOT NULL,
  PRIMARY KEY (contact_id, label_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_label_label ON contact_label (label_id, added_at);
CREATE TRIGGER label_event_added AFTER INSERT ON label_event WHEN NEW.change = 'added' BEGIN
  UPDATE label SET contacts = contacts + 1 WHERE id = NEW.label_id AND NOT EXISTS (SELECT 1 FROM contact_label WHERE contact_id = NEW.contact_id AND label_id = NEW.label_id);
  INSERT OR IGNORE INTO contact_label (contact_id, label_id, added_at) VALUES (NEW.contact_id, NEW.label_id, NEW.at);
END;
CREATE TRIGGER label_event_removed AFTER INSERT ON label_event WHEN NEW.change = 'removed' BEGIN
  UPDATE label SET contacts = contacts - 1 WHERE id = NEW.label_id AND EXISTS (SELECT 1 FROM contact_label WHERE contact_id = NEW.contact_id AND label_id = NEW.label_id);
  DELETE FROM contact_label WHERE contact_id = NEW.contact_id AND label_id = NEW.label_id;
END;

-- What a gateway has still to be told of labels, or to be asked: a label itself (chat_id ''), or a chat's set.
CREATE TABLE label_job (
  channel_id INTEGER NOT NULL REFERENCES channel (id),
  chat_id    TEXT NOT NULL,             -- '': the label itself
  label_id   INTEGER NOT NULL REFERENCES label (id),
  what       TEXT NOT NULL CHECK (what IN ('tell', 'ask')), -- tell: as it is here; ask: whether it is true there
  due_at     INTEGER NOT NULL,          -- unix ms
  attempts   INTEGER NOT NULL DEFAULT 0,
  last_cause TEXT,
  PRIMARY KEY (channel_id, chat_id, label_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX label_job_due ON label_job (due_at);

-- Comparisons of our labels with a gateway's.
CREATE TABLE label_check (
  id         INTEGER PRIMARY KEY,
  channel_id INTEGER NOT NULL REFERENCES channel (id),
  at         INTEGER NOT NULL,
  labels     INTEGER NOT NULL,          -- labels compared
  added      INTEGER NOT NULL,          -- put right: had been missed
  removed    INTEGER NOT NULL,          -- not found there: each is asked about before it counts
  cause      TEXT                       -- why it could not be made; null: it was made
) STRICT;

-- Notes of the team in a conversation; customers never see them.
CREATE TABLE note (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  text            TEXT NOT NULL,
  actor           TEXT NOT NULL,        -- user:ID or token:ID
  at              INTEGER NOT NULL,
  pinned_at       INTEGER,
  removed_at      INTEGER
) STRICT;
CREATE INDEX note_conversation ON note (conversation_id, at);

-- Who was called by @name in a note, until he has seen it.
CREATE TABLE mention (
  note_id INTEGER NOT NULL REFERENCES note (id),
  user_id INTEGER NOT NULL REFERENCES user (id),
  seen_at INTEGER,
  PRIMARY KEY (note_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX mention_unseen ON mention (user_id) WHERE seen_at IS NULL;

-- Answers kept ready: typed as /shortcut.
CREATE TABLE canned (
  id         INTEGER PRIMARY KEY,
  shortcut   TEXT NOT NULL UNIQUE COLLATE NOCASE,
  text       TEXT NOT NULL,             -- with {{nama}} and the like
  media_id   INTEGER REFERENCES media (id), -- file that goes along
  used       INTEGER NOT NULL DEFAULT 0,
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL
) STRICT;

-- Replies that wait for their time.
CREATE TABLE later (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  text            TEXT NOT NULL,
  media_id        INTEGER REFERENCES media (id), -- file that goes along
  reply_to        INTEGER,              -- message it answers; no reference: a message may be forgotten meanwhile
  user_id         INTEGER NOT NULL REFERENCES user (id),
  at              INTEGER NOT NULL,     -- when it was written
  send_at         INTEGER NOT NULL,
  done_at         INTEGER,
  outcome         TEXT CHECK (outcome IN ('queued', 'called_off', 'refused')),
  cause           TEXT                  -- why it was refused
) STRICT;
CREATE INDEX later_due ON later (send_at) WHERE done_at IS NULL;
CREATE INDEX later_conversation ON later (conversation_id) WHERE done_at IS NULL;

-- A filter of the inbox under a name: of one user, or of everybody.
CREATE TABLE saved_view (
  id      INTEGER PRIMARY KEY,
  user_id INTEGER REFERENCES user (id), -- null: everybody's
  name    TEXT NOT NULL,
  query   TEXT NOT NULL,                -- as in the address of the list
  at      INTEGER NOT NULL
) STRICT;

-- Days the office is closed.
CREATE TABLE holiday (
  day  TEXT PRIMARY KEY,                -- YYYY-MM-DD
  name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Browsers that want to be told (Web Push). Address and keys are secrets.
CREATE TABLE push_subscription (
  id         INTEGER PRIMARY KEY,
  user_id    INTEGER NOT NULL REFERENCES user (id),
  endpoint   TEXT NOT NULL UNIQUE,
  p256dh     BLOB NOT NULL,             -- 65 bytes
  auth       BLOB NOT NULL,             -- 16 bytes
  device     TEXT NOT NULL,
  refusals   INTEGER NOT NULL DEFAULT 0, -- 400 answers in a row
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX push_subscription_user ON push_subscription (user_id);

-- E-mails on their way and, for 30 days, what became of them. One row is one message to one address.
CREATE TABLE mail (
  id         INTEGER PRIMARY KEY,
  to_address TEXT NOT NULL,
  subject    TEXT NOT NULL,
  body       TEXT NOT NULL,             -- plain text
  message_id TEXT NOT NULL UNIQUE,      -- without angle brackets; the same at every try
  created_at INTEGER NOT NULL,
  due_at     INTEGER NOT NULL,          -- next try, process clock
  tries      INTEGER NOT NULL DEFAULT 0,
  ended_at   INTEGER,
  outcome    TEXT CHECK (outcome IN ('sent', 'failed')),
  cause      TEXT                       -- why the last try failed
) STRICT;
CREATE INDEX mail_due ON mail (due_at) WHERE ended_at IS NULL;

-- Who of the team looked at whose chat or contact, per day: for the owner.
CREATE TABLE staff_access (
  day        TEXT NOT NULL,             -- YYYY-MM-DD
  actor      TEXT NOT NULL,             -- user:ID or token:ID
  contact_id INTEGER NOT NULL REFERENCES contact (id),
  first_at   INTEGER NOT NULL,
  times      INTEGER NOT NULL,
  PRIMARY KEY (day, actor, contact_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX staff_access_contact ON staff_access (contact_id, day);

-- The live log: what pages and sockets are told, in order. Rows older than a few days are dropped from the old end.
CREATE TABLE event (
  seq             INTEGER PRIMARY KEY,
  at              INTEGER NOT NULL,
  type            TEXT NOT NULL,
  conversation_id INTEGER,
  data            TEXT NOT NULL         -- JSON
) STRICT;

-- Figures per day (agency's time zone), counted in the transaction that made them true.
CREATE TABLE daily_count (
  day  TEXT NOT NULL,                   -- YYYY-MM-DD
  name TEXT NOT NULL,                   -- in, out.bot, out.user, ignored.group, …
  n    INTEGER NOT NULL,
  PRIMARY KEY (day, name)
) STRICT, WITHOUT ROWID;

-- What happened, by whom; each row's hash covers the row before it, so a change in the past shows.
CREATE TABLE audit (
  seq    INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  actor  TEXT NOT NULL,                 -- customer, bot, phone, system, cli, user:ID, token:ID
  action TEXT NOT NULL,                 -- message.in, message.out, phase.moved, package.changed, …
  object TEXT NOT NULL,                 -- conv_1, msg_9, package:CODE, setting:KEY
  detail TEXT NOT NULL,                 -- JSON or a digest; never a secret
  hash   BLOB NOT NULL                  -- SHA-256(previous hash || at || actor || action || object || detail)
) STRICT;
CREATE INDEX audit_action ON audit (action, seq) WHERE action NOT IN ('message.in', 'message.out');
CREATE INDEX audit_contact ON audit (object, at) WHERE action = 'contact.changed';

-- What the model is told, in five blocks. A version is never changed; a change is a new version.
CREATE TABLE prompt_block (
  id      INTEGER PRIMARY KEY,
  block   TEXT NOT NULL CHECK (block IN ('base', 'company', 'packages', 'rules', 'escalation')),
  version TEXT NOT NULL,                -- as its author named it: 2.0
  content TEXT NOT NULL,
  author  TEXT NOT NULL,                -- as told by who sent it
  actor   TEXT NOT NULL,                -- who it was: user:ID, token:ID, kafilah
  at      INTEGER NOT NULL,
  UNIQUE (block, version)
) STRICT;

-- One version of every block together, and since when it is used: the prompt version of bot messages is p<id>.
-- In force: of those whose active_from has come and that were not withdrawn, the one that became active last.
CREATE TABLE prompt_release (
  id           INTEGER PRIMARY KEY,
  base_id      INTEGER NOT NULL REFERENCES prompt_block (id),
  company_id   INTEGER NOT NULL REFERENCES prompt_block (id),
  packages_id  INTEGER NOT NULL REFERENCES prompt_block (id),
  rules_id     INTEGER NOT NULL REFERENCES prompt_block (id),
  escalation_id INTEGER NOT NULL REFERENCES prompt_block (id),
  active_from  INTEGER NOT NULL,
  cause        TEXT NOT NULL CHECK (cause IN ('first', 'edit', 'schedule', 'rollback')),
  actor        TEXT NOT NULL,
  at           INTEGER NOT NULL,
  withdrawn_at INTEGER                  -- a scheduled release that was called off before it began
) STRICT;
CREATE TRIGGER prompt_release_added   AFTER INSERT ON prompt_release BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;
CREATE TRIGGER prompt_release_changed AFTER UPDATE ON prompt_release BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;

-- Questions with their answers. Only published ones are said to customers.
CREATE TABLE faq (
  id         INTEGER PRIMARY KEY,
  key        TEXT NOT NULL UNIQUE,
  topic      TEXT NOT NULL,
  question   TEXT NOT NULL,
  variants   TEXT NOT NULL,             -- JSON list: other ways to ask it
  answer     TEXT NOT NULL,
  answer_en  TEXT,                      -- null: the Indonesian answer for everybody
  status     TEXT NOT NULL CHECK (status IN ('draft', 'published', 'retired')),
  said       INTEGER NOT NULL DEFAULT 0, -- times it was the answer
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL
) STRICT;
CREATE TRIGGER faq_added   AFTER INSERT ON faq BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;
CREATE TRIGGER faq_changed AFTER UPDATE OF question, variants, answer, answer_en, status ON faq BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;
-- Every published way to ask, in folded words (bot::understand::words), and how many ways each word is in.
CREATE VIRTUAL TABLE faq_phrase USING fts5 (words, faq_id UNINDEXED);
CREATE VIRTUAL TABLE faq_word USING fts5vocab (faq_phrase, row);

-- Messages whose meaning the team has told: the same words mean the same from then on.
CREATE TABLE lesson (
  words          TEXT PRIMARY KEY,      -- the message as it is compared: one spelling, no punctuation
  text           TEXT NOT NULL,         -- as it was written
  intents        TEXT NOT NULL,         -- JSON list of published intent names
  payment_intent INTEGER NOT NULL CHECK (payment_intent IN (0, 1)),
  taught_by      TEXT NOT NULL,
  taught_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER lesson_added   AFTER INSERT ON lesson BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;
CREATE TRIGGER lesson_changed AFTER UPDATE ON lesson BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;
CREATE TRIGGER lesson_removed AFTER DELETE ON lesson BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;

-- Keyword flows, as JSON (bot::flow::Flow): what is edited, and what customers meet.
CREATE TABLE flow (
  key        TEXT PRIMARY KEY,
  draft      TEXT NOT NULL,
  published  TEXT,                      -- null: not for customers
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER flow_added   AFTER INSERT ON flow BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;
CREATE TRIGGER flow_changed AFTER UPDATE ON flow BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;

-- A call of the model: what it cost and what came of it. Prompts and answers are not kept.
CREATE TABLE llm_call (
  id                INTEGER PRIMARY KEY,
  conversation_id   INTEGER,            -- null: a dry run
  at                INTEGER NOT NULL,
  model             TEXT NOT NULL,
  outcome           TEXT NOT NULL,      -- proposed, guard_blocked, declined, or the name of a failure
  latency_ms        INTEGER NOT NULL,
  tries             INTEGER NOT NULL,
  prompt_tokens     INTEGER,            -- null: not told
  completion_tokens INTEGER,
  detail            TEXT                -- JSON: what the guard blocked, what was looked up
) STRICT;
CREATE INDEX llm_call_time ON llm_call (at);
CREATE INDEX llm_call_conversation ON llm_call (conversation_id, at) WHERE conversation_id IS NOT NULL;

-- A trial of two wordings (or places of the picture) of the first answer: whoever is in it sees one side only.
CREATE TABLE experiment (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,
  slot       TEXT NOT NULL CHECK (slot IN ('hello', 'closing', 'media')),
  a          TEXT NOT NULL,             -- as it is now; empty: the built-in words
  b          TEXT NOT NULL,             -- what is tried
  goal       TEXT NOT NULL CHECK (goal IN ('reply', 'interest', 'booking')),
  state      TEXT NOT NULL CHECK (state IN ('running', 'stopped')),
  started_at INTEGER NOT NULL,
  stopped_at INTEGER,
  verdict    TEXT CHECK (verdict IN ('a', 'b', 'none', 'called_off', 'dealing_wrong')),
  actor      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX experiment_running ON experiment (slot) WHERE state = 'running';
CREATE TRIGGER experiment_added   AFTER INSERT ON experiment BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;
CREATE TRIGGER experiment_changed AFTER UPDATE ON experiment BEGIN UPDATE meta SET value = value + 1 WHERE key = 'knowledge_generation'; END;

-- Who saw which side, and when he did what was hoped for.
CREATE TABLE experiment_subject (
  experiment_id   INTEGER NOT NULL REFERENCES experiment (id),
  contact_id      INTEGER NOT NULL REFERENCES contact (id),
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  side            TEXT NOT NULL CHECK (side IN ('a', 'b')),
  at              INTEGER NOT NULL,
  turn_id         INTEGER NOT NULL REFERENCES turn (id),
  reached_at      INTEGER,
  PRIMARY KEY (experiment_id, contact_id)
) STRICT, WITHOUT ROWID;

-- Words that won a trial, in force from then on; each change is a new version.
CREATE TABLE wording (
  slot          TEXT NOT NULL CHECK (slot IN ('hello', 'closing', 'media')),
  version       INTEGER NOT NULL,
  text          TEXT NOT NULL,
  experiment_id INTEGER REFERENCES experiment (id),
  at            INTEGER NOT NULL,
  PRIMARY KEY (slot, version)
) STRICT, WITHOUT ROWID;

-- What a customer said he would do, by when: a task of the team until it ends.
CREATE TABLE promise (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  message_id      INTEGER,
  what            TEXT NOT NULL CHECK (what IN ('pay', 'send', 'visit', 'decide')),
  quote           TEXT NOT NULL,        -- in his own words
  due_on          TEXT NOT NULL,        -- YYYY-MM-DD
  at              INTEGER NOT NULL,
  missed_at       INTEGER,              -- its day had passed and the leader was told
  ended_at        INTEGER,
  ended_as        TEXT CHECK (ended_as IN ('kept', 'dropped', 'renewed'))
) STRICT;
CREATE INDEX promise_open ON promise (due_on) WHERE ended_at IS NULL;
CREATE INDEX promise_conversation ON promise (conversation_id) WHERE ended_at IS NULL;

-- What a customer thought of the help he had, one to five, asked in the chat.
CREATE TABLE satisfaction (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  score           INTEGER NOT NULL CHECK (score BETWEEN 1 AND 5),
  words           TEXT NOT NULL,
  about           TEXT NOT NULL,        -- who helped: user:ID, token:ID, bot
  asked_at        INTEGER NOT NULL,
  at              INTEGER NOT NULL
) STRICT;
CREATE INDEX satisfaction_time ON satisfaction (at);

-- What held a customer back, and the turn that answered it.
CREATE TABLE objection (
  id              INTEGER PRIMARY KEY,
  conversation_id INTEGER NOT NULL REFERENCES conversation (id),
  message_id      INTEGER,
  turn_id         INTEGER REFERENCES turn (id), -- the bot's answer to it; null: a person had the chat
  kind            TEXT NOT NULL CHECK (kind IN ('price', 'family', 'compare', 'schedule', 'fear')),
  phase           TEXT NOT NULL,        -- phase it was raised in
  at              INTEGER NOT NULL
) STRICT;
CREATE INDEX objection_time ON objection (at);

-- A draft of the prompt or of the questions, tried on past turns; published only when its gates hold.
CREATE TABLE replay_run (
  id           INTEGER PRIMARY KEY,
  at           INTEGER NOT NULL,
  actor        TEXT NOT NULL,
  days         INTEGER NOT NULL,        -- turns of so many days back
  draft        TEXT NOT NULL,           -- JSON: blocks, questions, version
  ask_model    INTEGER NOT NULL CHECK (ask_model IN (0, 1)),
  state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
  done         INTEGER NOT NULL DEFAULT 0,
  total        INTEGER NOT NULL DEFAULT 0,
  summary      TEXT,                    -- JSON when done, words when failed
  passed       INTEGER NOT NULL DEFAULT 0 CHECK (passed IN (0, 1)),
  published_at INTEGER
) STRICT;

-- A turn on which draft and present differ.
CREATE TABLE replay_case (
  id     INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES replay_run (id),
  detail TEXT NOT NULL                  -- JSON: what was heard, both sides, in what they differ
) STRICT;
CREATE INDEX replay_case_run ON replay_case (run_id, id);

-- Forms and API calls that must count once: the token they came with.
CREATE TABLE once (
  token TEXT PRIMARY KEY,
  at    INTEGER NOT NULL,
  made  INTEGER               -- row of the message it made, for whoever asks again
) STRICT, WITHOUT ROWID;

-- What customers bought elsewhere or before, from an import.
CREATE TABLE purchase (
  id         INTEGER PRIMARY KEY,
  contact_id INTEGER NOT NULL REFERENCES contact (id),
  product    TEXT NOT NULL,
  quantity   INTEGER NOT NULL CHECK (quantity > 0),
  price_idr  INTEGER NOT NULL CHECK (price_idr >= 0),
  total_idr  INTEGER NOT NULL,
  bought_on  TEXT NOT NULL,             -- YYYY-MM-DD
  imported_at INTEGER NOT NULL,
  UNIQUE (contact_id, product, bought_on, quantity, price_idr)
) STRICT;

-- Seats sold: what a person of the team agreed with a customer. Triggers count the seats at the package, in the same
-- transaction; they are given back when the booking is cancelled.
CREATE TABLE booking (
  id           INTEGER PRIMARY KEY,
  contact_id   INTEGER NOT NULL REFERENCES contact (id),
  package_id   INTEGER NOT NULL REFERENCES package (id),
  seats        INTEGER NOT NULL CHECK (seats BETWEEN 1 AND 500),
  total_idr    INTEGER NOT NULL CHECK (total_idr >= 0), -- for all seats together
  paid_idr     INTEGER NOT NULL DEFAULT 0,              -- sum of its payments that stand; doctor proves it
  note         TEXT,
  token        TEXT UNIQUE,                             -- the form or call it came with: counted once
  created_by   TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL,
  cancelled_at INTEGER,
  state        TEXT NOT NULL GENERATED ALWAYS AS (CASE WHEN cancelled_at IS NOT NULL THEN 'cancelled' WHEN paid_idr >= total_idr THEN 'paid' WHEN paid_idr > 0 THEN 'part' ELSE 'unpaid' END) STORED
) STRICT;
CREATE INDEX booking_state   ON booking (state, id);
CREATE INDEX booking_contact ON booking (contact_id, id);
CREATE INDEX booking_package ON booking (package_id) WHERE cancelled_at IS NULL;
CREATE TRIGGER booking_made AFTER INSERT ON booking BEGIN UPDATE package SET seats_booked = seats_booked + NEW.seats WHERE id = NEW.package_id; END;
CREATE TRIGGER booking_cancelled AFTER UPDATE OF cancelled_at ON booking WHEN OLD.cancelled_at IS NULL AND NEW.cancelled_at IS NOT NULL BEGIN
  UPDATE package SET seats_booked = seats_booked - OLD.seats WHERE id = OLD.package_id;
END;

-- Money a person of the team saw come in for a booking, or go back (below zero). Never changed: a mistake is voided.
CREATE TABLE payment (
  id          INTEGER PRIMARY KEY,
  booking_id  INTEGER NOT NULL REFERENCES booking (id),
  amount_idr  INTEGER NOT NULL CHECK (amount_idr <> 0),
  method      TEXT NOT NULL CHECK (method IN ('transfer', 'cash', 'card', 'other')),
  received_on TEXT NOT NULL,                            -- YYYY-MM-DD
  reference   TEXT,                                     -- the bank's or the receipt's number, as typed
  reference_key TEXT,                                   -- its letters and digits, upper case
  token       TEXT UNIQUE,
  recorded_by TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  voided_at   INTEGER,
  voided_by   TEXT
) STRICT;
CREATE INDEX payment_booking ON payment (booking_id, id);
-- the same transfer counts once for a booking, whoever reports it again; one transfer may pay two bookings
CREATE UNIQUE INDEX payment_reference ON payment (booking_id, method, reference_key) WHERE reference_key IS NOT NULL AND voided_at IS NULL AND amount_idr > 0;

-- How far `export --since last` got, per export: a log by row number, a state by the time it last changed.
CREATE TABLE export_mark (
  what     TEXT PRIMARY KEY,
  until_at INTEGER NOT NULL,
  until_id INTEGER                      -- null: no log
) STRICT, WITHOUT ROWID;
