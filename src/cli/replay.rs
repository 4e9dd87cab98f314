//! `replay`: a draft prompt, questions or flows over the agency's own past turns, beside what is decided now.

use super::say;
use crate::app::App;
use crate::bot::flow::Flow;
use crate::chat::prompt;
use crate::db::DataDir;
use crate::worker::replay::{self, Case, Draft};
use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

/// Options.
#[derive(Args)]
pub struct Options {
    /// Turns of the last so many days
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=365))]
    days: i64,
    /// At most so many turns, the newest
    #[arg(long, default_value_t = 5_000)]
    limit: usize,
    /// Draft of a prompt block, for example base=draft.md; may be given for every block
    #[arg(long = "block", value_name = "NAME=FILE")]
    blocks: Vec<String>,
    /// Draft questions, a JSON list as `export faq` and `import faq` use it
    #[arg(long, value_name = "FILE")]
    faq: Option<PathBuf>,
    /// Draft keyword flows: the answer of GET /api/ai/flows, or a JSON list of flows
    #[arg(long, value_name = "FILE")]
    flows: Option<PathBuf>,
    /// Ask the model too, where a turn needs it (costs tokens)
    #[arg(long)]
    ask_model: bool,
    /// Differing turns shown
    #[arg(long, default_value_t = 10)]
    show: usize,
    /// Print JSON: the summary and every differing turn
    #[arg(long)]
    json: bool,
    /// Publish the draft blocks under this version name when every gate holds
    #[arg(long, value_name = "VERSION")]
    publish: Option<String>,
}

/// Does it. Fails when a gate does not hold.
pub fn run(dir: &DataDir, options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(dir.database().exists(), "there is no store in {}", dir.0.display());
    let mut draft = Draft::default();
    for given in &options.blocks {
        let (name, file) = given.split_once('=').ok_or_else(|| anyhow!("--block wants NAME=FILE, for example base=draft.md"))?;
        draft.blocks.insert(name.to_owned(), std::fs::read_to_string(file).with_context(|| format!("while reading {file}"))?);
    }
    if let Some(file) = &options.faq {
        let bytes = std::fs::read(file).with_context(|| format!("while reading {}", file.display()))?;
        draft.questions = serde_json::from_slice(&bytes).with_context(|| format!("{} is not a list of questions", file.display()))?;
        draft.questions.iter_mut().filter(|faq| faq.status.is_empty()).for_each(|faq| faq.status = "published".into());
    }
    if let Some(file) = &options.flows {
        let bytes = std::fs::read(file).with_context(|| format!("while reading {}", file.display()))?;
        draft.flows = flows_in(&bytes).with_context(|| format!("{} is not a list of flows", file.display()))?;
    }
    anyhow::ensure!(options.publish.is_none() || !draft.blocks.is_empty(), "--publish needs a --block to publish");
    let app = App::open(dir.clone(), false)?;
    let since = app.now_ms() - options.days * 86_400_000;
    let mut bar = super::progress::Progress::default();
    let mut cases: Vec<Case> = Vec::new();
    let done = replay::run(
        &app,
        since,
        options.limit,
        &draft,
        options.ask_model,
        &mut |done, total| {
            bar.tell("turns", done, total);
            true
        },
        &mut |case| cases.push(case),
    );
    bar.end();
    let summary = done?;
    if options.json {
        say(format_args!("{}", serde_json::json!({"summary": summary, "passed": summary.passed(), "cases": cases})))?;
    } else {
        for case in cases.iter().take(options.show) {
            say(format_args!("conv_{} · {}\n  < {}", case.conversation_id, case.differs.join(", "), indent(&case.heard)))?;
            say(format_args!("  - {} {} {}\n    {}", case.before.decided_by, case.before.phase, case.before.escalation.as_deref().unwrap_or(""), indent(&case.before.reply)))?;
            say(format_args!("  + {} {} {}\n    {}\n", case.after.decided_by, case.after.phase, case.after.escalation.as_deref().unwrap_or(""), indent(&case.after.reply)))?;
        }
        say(format_args!(
            "{} turns, {} differ{}",
            summary.turns,
            summary.changed,
            if summary.not_asked > 0 { format!(", {} need the model (--ask-model)", summary.not_asked) } else { String::new() }
        ))?;
        for gate in &summary.gates {
            say(format_args!("{} {:<12} {:.3} -> {:.3}", if gate.passed { "ok    " } else { "FAILED" }, gate.name, gate.before, gate.after))?;
        }
    }
    anyhow::ensure!(summary.turns > 0, "there are no turns of the last {} days to replay", options.days);
    anyhow::ensure!(summary.passed(), "a gate does not hold; nothing was published");
    if let Some(version) = &options.publish {
        for (name, content) in &draft.blocks {
            let (name, content, version) = (name.clone(), content.clone(), version.clone());
            let release = app.store.write_blocking(move |tx| prompt::put(tx, "cli", &name, &version, &content, "cli", None))?;
            eprintln!("published as {}", release.version());
        }
    }
    app.store.close();
    Ok(())
}

/// Flows as the API gives them (their drafts), or bare.
fn flows_in(bytes: &[u8]) -> anyhow::Result<Vec<Flow>> {
    let given: Value = serde_json::from_slice(bytes)?;
    let list = given.get("flows").unwrap_or(&given).as_array().cloned().ok_or_else(|| anyhow!("no list"))?;
    list.into_iter().map(|one| Ok(serde_json::from_value(one.get("draft").cloned().unwrap_or(one))?)).collect()
}

fn indent(text: &str) -> String {
    crate::kernel::text::preview(text, 400)
}
