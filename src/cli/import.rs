//! `import`: a CSV or JSON file, checked row by row, written whole or not at all.

use super::{Desk, progress::Progress, say};
use crate::chat::faq::{self, Faq, FaqError};
use crate::chat::lesson::{self, Lesson, LessonError};
use crate::db::writer::Tx;
use crate::db::{DataDir, StoreError};
use crate::growth::campaign;
use crate::kernel::table::{self, words};
use crate::kernel::{rupiah, text};
use crate::people::purchase::{self, Purchase};
use crate::people::roster::{self, Person};
use crate::travel::package::{self, Package};
use anyhow::{Context, bail};
use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// What the file holds.
#[derive(Clone, Copy, ValueEnum)]
pub enum What {
    /// Columns or fields as in `export packages`
    Packages,
    /// code, name, package_code, source
    Campaigns,
    /// phone, name, email, address, interest, labels (several with ;)
    Contacts,
    /// key, topic, question, variants, answer, answer_en, status (JSON, as `export faq --format jsonl` writes it)
    Faq,
    /// phone, name, product, quantity, price_idr, bought_on
    Purchases,
    /// text, intents, payment_intent (JSON, as `export training --format jsonl` writes it). Rows whose source is `turn` are the
    /// bot's own guesses and are left out: set it to `lesson` where they are right or mended
    Training,
}

impl What {
    /// Names of columns or fields that are read; others are told and left alone.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Packages => Package::FIELDS,
            Self::Campaigns => &["code", "name", "package_code", "source"],
            Self::Contacts => roster::COLUMNS,
            Self::Faq => &["key", "topic", "question", "variants", "answer", "answer_en", "status", "said", "updated_at", "updated_by"],
            Self::Training => &["source", "text", "intents", "payment_intent", "language", "decided_by", "confidence", "phase", "escalation", "at"],
            Self::Purchases => &["phone", "contact_phone", "name", "email", "address", "product", "quantity", "price_idr", "bought_on", "date"],
        }
    }
}

/// Options.
#[derive(Args)]
pub struct Options {
    /// What the file holds
    what: What,
    /// A .csv file with a header line, or a .json file with a list of objects
    file: PathBuf,
    /// Check only; write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Largest file, bytes, and most rows: an import is one transaction.
const MAX_FILE: u64 = 64 << 20;
const MAX_ROWS: usize = 200_000;

/// Why the transaction is given up.
#[derive(Debug, thiserror::Error)]
enum Undo {
    #[error("nothing was written")]
    DryRun,
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for Undo {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// One checked row.
enum Row {
    Package(Box<Package>),
    Campaign {
        code: String,
        name: String,
        package_code: Option<String>,
        source: Option<String>,
    },
    Contact(Person),
    Question(Box<Faq>),
    Lesson(Lesson),
    /// Nothing to write.
    Guess,
    Purchase {
        person: Person,
        product: String,
        quantity: i64,
        price_idr: i64,
        bought_on: String,
    },
}

/// Does it: a line per row that is wrong, then how many are new, changed, the same.
pub fn run(dir: &DataDir, options: &Options) -> anyhow::Result<()> {
    let rows = read_rows(&options.file, options.what.columns())?;
    let mut strange: Vec<&String> = rows.iter().flat_map(|(_, row)| row.keys()).filter(|name| !options.what.columns().contains(&name.as_str())).collect();
    strange.sort_unstable();
    strange.dedup();
    if !strange.is_empty() {
        let list = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
        eprintln!("left out, because it is not known here: {} (known: {})", list(&mut strange.iter().map(|n| n.as_str())), list(&mut options.what.columns().iter().copied()));
    }
    let mut good = Vec::with_capacity(rows.len());
    let mut wrong = 0;
    let known = known_packages(dir, options.what)?;
    let mut codes: HashMap<String, usize> = HashMap::new();
    for (line, row) in &rows {
        match check(options.what, row).and_then(|row| fits(row, *line, &mut codes, &known)) {
            Ok(row) => good.push(row),
            Err(problem) => {
                wrong += 1;
                eprintln!("row {line}: {problem}");
            }
        }
    }
    if wrong > 0 {
        bail!("{wrong} of {} rows are wrong; nothing was written. Mend them and run the import again", rows.len());
    }
    let mut desk = if options.dry_run { Desk::open_existing(dir)? } else { Desk::open_or_make(dir)? };
    let total = good.len() as u64;
    let mut bar = Progress::default();
    let mut counts = (0, 0);
    let done = desk.write(|tx| -> Result<(), Undo> {
        for (at, row) in good.iter().enumerate() {
            if put(tx, row)? {
                counts.0 += 1;
            } else {
                counts.1 += 1;
            }
            bar.tell("rows", at as u64 + 1, total);
        }
        if options.dry_run { Err(Undo::DryRun) } else { Ok(()) }
    });
    bar.end();
    match done {
        Ok(()) => say(format_args!("{} rows: {} new, {} already there or changed", total, counts.0, counts.1))?,
        Err(Undo::DryRun) => say(format_args!("{} rows are right: {} new, {} already there or changed. Nothing was written (--dry-run)", total, counts.0, counts.1))?,
        Err(error) => return Err(error).context("nothing was written"),
    }
    Ok(())
}

/// Codes a campaign may point at; empty for other kinds.
fn known_packages(dir: &DataDir, what: What) -> anyhow::Result<HashSet<String>> {
    if !matches!(what, What::Campaigns) {
        return Ok(HashSet::new());
    }
    if !dir.database().exists() {
        return Ok(HashSet::new());
    }
    let desk = Desk::open(dir)?;
    let mut query = desk.connection().prepare("SELECT code FROM package")?;
    let codes = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(codes)
}

/// What a row alone cannot tell: a code that stands twice in the file, a package that is not there.
fn fits(row: Row, line: usize, codes: &mut HashMap<String, usize>, known: &HashSet<String>) -> Result<Row, String> {
    let code = match &row {
        Row::Package(package) => &package.code,
        Row::Campaign { code, package_code, .. } => {
            if let Some(package) = package_code.as_ref().filter(|package| !known.contains(*package)) {
                return Err(format!("package_code: there is no package {package}; import packages first"));
            }
            code
        }
        _ => return Ok(row),
    };
    match codes.insert(code.clone(), line) {
        Some(first) => Err(format!("code: {code} stands in row {first} already")),
        None => Ok(row),
    }
}

/// The packages of a JSON or CSV file, for `init` and the demo.
pub fn read_packages(file: &Path) -> anyhow::Result<Vec<Package>> {
    read_rows(file, What::Packages.columns())?
        .into_iter()
        .map(|(line, row)| match check(What::Packages, &row) {
            Ok(Row::Package(package)) => Ok(*package),
            Ok(_) => bail!("{}: not a package", file.display()),
            Err(problem) => bail!("{}, row {line}: {problem}", file.display()),
        })
        .collect()
}

/// Rows with their line numbers (CSV, header = 1) or positions (JSON, first = 1).
fn read_rows(file: &Path, columns: &[&str]) -> anyhow::Result<Vec<(usize, Map<String, Value>)>> {
    let size = std::fs::metadata(file).with_context(|| format!("while opening {}", file.display()))?.len();
    anyhow::ensure!(size <= MAX_FILE, "{} is larger than 64 MB; split it", file.display());
    let bytes = std::fs::read(file)?;
    let Ok(whole) = std::str::from_utf8(&bytes) else { bail!("{} is not UTF-8 text; save it as \"CSV UTF-8\"", file.display()) };
    let whole = whole.trim_start_matches('\u{feff}');
    let is_json = file.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("json")) || whole.trim_start().starts_with(['[', '{']);
    let rows = if is_json { json_rows(whole, columns)? } else { table::read(whole).map_err(|problem| anyhow::anyhow!(problem))? };
    anyhow::ensure!(!rows.is_empty(), "{} holds no rows", file.display());
    anyhow::ensure!(rows.len() <= MAX_ROWS, "{} holds more than {MAX_ROWS} rows; split it", file.display());
    Ok(rows)
}

fn json_rows(whole: &str, columns: &[&str]) -> anyhow::Result<Vec<(usize, Map<String, Value>)>> {
    let parsed: Value = match serde_json::from_str(whole) {
        // one row alone: its names are a row's, or it holds no list
        Ok(Value::Object(row)) if is_row(&row, columns) => Value::Array(vec![Value::Object(row)]),
        Ok(parsed) => parsed,
        // one object a line, as an export writes it
        Err(error) => {
            let lines: Result<Vec<Value>, _> = whole.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str).collect();
            Value::Array(lines.map_err(|_| error).context("the file is not valid JSON")?)
        }
    };
    let list = match parsed {
        Value::Array(list) => list,
        Value::Object(mut object) => match object.values_mut().find(|value| value.is_array()) {
            Some(Value::Array(list)) => std::mem::take(list),
            _ => bail!("the JSON holds no list of objects"),
        },
        _ => bail!("the JSON holds no list of objects"),
    };
    list.into_iter()
        .enumerate()
        .map(|(at, row)| match row {
            Value::Object(row) => Ok((at + 1, row)),
            _ => bail!("row {} is not an object", at + 1),
        })
        .collect()
}

/// Whether an object is a row itself and no wrapper of a list: a wrapper may have a `name`, hardly two names of columns.
fn is_row(object: &Map<String, Value>, columns: &[&str]) -> bool {
    object.keys().filter(|key| columns.contains(&key.as_str())).count() > 1 || !object.values().any(Value::is_array)
}

fn money(row: &Map<String, Value>, name: &str) -> Result<i64, String> {
    let given = words(row, name).ok_or_else(|| format!("{name} is missing"))?;
    rupiah::parse(&given).ok_or_else(|| format!("{name}: {given:?} is not an amount in whole rupiah"))
}

fn check(what: What, row: &Map<String, Value>) -> Result<Row, String> {
    match what {
        What::Packages => check_package(row),
        What::Campaigns => {
            let code = words(row, "code").ok_or("code is missing")?.to_uppercase();
            if code.len() > 64 || !code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
                return Err(format!("code: {code:?} has other characters than letters, digits, _ and -"));
            }
            Ok(Row::Campaign {
                name: words(row, "name").unwrap_or_else(|| code.clone()),
                package_code: words(row, "package_code").map(|c| c.to_uppercase()),
                source: words(row, "source"),
                code,
            })
        }
        What::Faq => {
            let mut row = row.clone();
            row.entry("status").or_insert("published".into());
            // a CSV or exported cell holds the list as JSON
            if let Some(Value::String(cell)) = row.get("variants") {
                let list: Value = serde_json::from_str(cell).map_err(|_| "variants: a JSON list of texts".to_owned())?;
                row.insert("variants".into(), list);
            }
            ["said", "updated_at", "updated_by", "id"].iter().for_each(|own| drop(row.remove(*own)));
            serde_json::from_value(Value::Object(row)).map(|faq| Row::Question(Box::new(faq))).map_err(|error| error.to_string())
        }
        What::Training => {
            if words(row, "source").as_deref() == Some("turn") {
                return Ok(Row::Guess);
            }
            // a CSV or exported cell holds the list as JSON
            let intents: Vec<String> = match row.get("intents") {
                Some(Value::String(cell)) => serde_json::from_str(cell).map_err(|_| "intents: a JSON list of intent names".to_owned())?,
                Some(list) => serde_json::from_value(list.clone()).map_err(|_| "intents: a JSON list of intent names".to_owned())?,
                None => return Err("intents is missing".into()),
            };
            let told = row.get("payment_intent").and_then(Value::as_bool).map(|pays| i64::from(pays).to_string()).or_else(|| words(row, "payment_intent"));
            let pays = match told.as_deref() {
                None | Some("") => None,
                Some("1" | "true") => Some(true),
                Some("0" | "false") => Some(false),
                Some(other) => return Err(format!("payment_intent: {other:?} is neither 1 nor 0")),
            };
            Lesson::new(&words(row, "text").unwrap_or_default(), &intents, pays).map(Row::Lesson).map_err(|error| error.to_string())
        }
        What::Contacts => Ok(Row::Contact(roster::read(row).map_err(|error| error.to_string())?)),
        What::Purchases => {
            let quantity: i64 = words(row, "quantity").map_or(Ok(1), |n| n.parse().map_err(|_| format!("quantity: {n:?} is not a whole number")))?;
            if !(1..=10_000).contains(&quantity) {
                return Err("quantity: 1 to 10,000".into());
            }
            let bought_on = words(row, "bought_on").or_else(|| words(row, "date")).ok_or("bought_on is missing")?;
            bought_on.parse::<NaiveDate>().map_err(|_| format!("bought_on: {bought_on:?} is not a date YYYY-MM-DD"))?;
            let product = words(row, "product").ok_or("product is missing")?;
            Ok(Row::Purchase {
                person: roster::read(row).map_err(|error| error.to_string())?,
                product: text::clean(&product, 300),
                quantity,
                price_idr: money(row, "price_idr")?,
                bought_on,
            })
        }
    }
}

fn check_package(row: &Map<String, Value>) -> Result<Row, String> {
    let mut object = Map::new();
    for field in Package::FIELDS {
        let Some(value) = row.get(*field) else { continue };
        let fitted = match value {
            // a CSV cell: numbers and lists arrive as text
            Value::String(cell) if field.ends_with("_idr") => Value::from(rupiah::parse(cell).ok_or_else(|| format!("{field}: {cell:?} is not an amount in whole rupiah"))?),
            Value::String(cell) if ["days", "quota", "seats_taken"].contains(field) || field.ends_with("_m") => {
                Value::from(cell.parse::<i64>().map_err(|_| format!("{field}: {cell:?} is not a whole number"))?)
            }
            Value::String(cell) if ["features", "includes", "excludes", "itinerary"].contains(field) => match serde_json::from_str(cell) {
                Ok(list @ Value::Array(_)) => list,
                _ if *field == "itinerary" => Value::Array(cell.split(['|', '\n']).enumerate().map(|(at, line)| serde_json::json!({"day": at + 1, "text": line.trim()})).collect()),
                _ => Value::Array(cell.split(['|', '\n']).map(|line| Value::from(line.trim())).collect()),
            },
            other => other.clone(),
        };
        object.insert((*field).to_owned(), fitted);
    }
    for field in ["code", "name", "price_idr", "departs", "days"] {
        if !object.contains_key(field) {
            return Err(format!("{field} is missing"));
        }
    }
    Package::from_json(None, &Value::Object(object)).map(|package| Row::Package(Box::new(package))).map_err(|error| error.to_string())
}

/// Writes a row; `true` when it is new.
fn put(tx: &Tx<'_>, row: &Row) -> Result<bool, StoreError> {
    match row {
        Row::Package(new) => package::put(tx, "cli", new),
        Row::Campaign { code, name, package_code, source } => {
            let new = campaign::find(tx, code)?.is_none();
            campaign::put(tx, "cli", code, name, package_code.as_deref(), source.as_deref())?;
            Ok(new)
        }
        Row::Question(faq) => faq::put(tx, "cli", faq).map_err(|error| match error {
            FaqError::Db(error) => error,
            invalid => StoreError::Unavailable(format!("{}: {invalid}", faq.key)),
        }),
        Row::Lesson(new) => lesson::put(tx, "cli", new).map_err(|error| match error {
            LessonError::Db(error) => error,
            full => StoreError::Unavailable(full.to_string()),
        }),
        Row::Guess => Ok(false),
        Row::Contact(person) => roster::put(tx, person, "cli").map(|(_, new)| new),
        Row::Purchase { person, product, quantity, price_idr, bought_on } => {
            let (contact_id, _) = roster::put(tx, person, "cli")?;
            purchase::add(tx, &Purchase { contact_id, product: product.clone(), quantity: *quantity, price_idr: *price_idr, bought_on: bought_on.clone() })
        }
    }
}
