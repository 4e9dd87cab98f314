//! Keyword flows: a tree of nodes, each with the words that lead to it and what is said there. A customer who is in a flow
//! picks one of the node's children by number or keyword, goes back with `0`, and is never held: after two answers that fit
//! nothing a person takes over, and what is graver and meant beyond doubt (a code, paying, asking for a person) leaves the flow.

use super::TurnContext;
use super::reading::Reading;
use super::rules::{Outcome, words};
use super::understand;
use crate::chat::escalation::Reason;
use crate::kernel::language::Language;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Stable name.
    pub key: String,
    /// On screens.
    pub name: String,
    /// Nodes; those without a parent are where a flow begins.
    pub nodes: Vec<Node>,
}

/// One place in the tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Stable name within the flow.
    pub id: String,
    /// The node it is chosen from; none: it begins the flow.
    #[serde(default)]
    pub parent: Option<String>,
    /// As listed among the choices.
    pub title: String,
    /// Words that lead here.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// What is said.
    pub say: String,
    /// In English.
    #[serde(default)]
    pub say_en: Option<String>,
    /// A person takes over from here.
    #[serde(default)]
    pub person: bool,
}

/// Where a conversation stands in a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The flow.
    pub flow: String,
    /// The node.
    pub node: String,
    /// Answers in a row that fitted nothing.
    #[serde(default)]
    pub missed: u8,
}

/// What a flow came to: what to say, and where the conversation stands then (`None`: it has left the flow).
pub struct Stepped {
    /// What the bot does.
    pub outcome: Outcome,
    /// Where it stands.
    pub place: Option<Place>,
}

/// Answers that fit nothing before a person takes over.
const MOST_MISSED: u8 = 2;
/// Nodes of one flow, and children of one node.
const MOST_NODES: usize = 200;
const MOST_CHOICES: usize = 9;

impl Flow {
    /// Checks that it is one tree that can be walked.
    ///
    /// Errors: what is wrong, in a sentence.
    pub fn check(&self) -> Result<(), String> {
        let fits = |text: &str, most: usize| (1..=most).contains(&text.trim().chars().count());
        if !fits(&self.key, 60) || !self.key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err("key: 1 to 60 letters, digits and dashes".into());
        }
        if !fits(&self.name, 100) {
            return Err("name: 1 to 100 characters".into());
        }
        if self.nodes.is_empty() || self.nodes.len() > MOST_NODES {
            return Err(format!("nodes: 1 to {MOST_NODES}"));
        }
        let mut seen = HashSet::new();
        for node in &self.nodes {
            let name = &node.id;
            if !fits(name, 40) || !seen.insert(name.as_str()) {
                return Err(format!("node {name:?}: its id is empty, too long or there twice"));
            }
            if !fits(&node.title, 60) || !fits(&node.say, 3_000) {
                return Err(format!("node {name}: a title of 1 to 60 characters and words of 1 to 3,000"));
            }
            if node.parent.is_none() && node.keywords.is_empty() {
                return Err(format!("node {name}: nothing leads to it; give it keywords or a parent"));
            }
            if node.keywords.len() > 40 || node.keywords.iter().any(|word| !fits(word, 60)) {
                return Err(format!("node {name}: at most 40 keywords of 1 to 60 characters"));
            }
            if self.children(name).count() > MOST_CHOICES {
                return Err(format!("node {name}: at most {MOST_CHOICES} choices"));
            }
            if let Some(parent) = node.parent.as_deref().and_then(|parent| self.node(parent)).filter(|parent| parent.person) {
                return Err(format!("node {name}: never reached, a person takes over at {}", parent.id));
            }
            // up to the root in fewer steps than there are nodes, or it goes in a circle
            let mut up = Some(node);
            for _ in 0..self.nodes.len() {
                up = match up.and_then(|node| node.parent.as_deref()) {
                    Some(parent) => Some(self.node(parent).ok_or_else(|| format!("node {name}: its parent {parent:?} is not there"))?),
                    None => None,
                };
            }
            if up.is_some() {
                return Err(format!("node {name}: its parents go in a circle"));
            }
        }
        // the first beginning that fits is taken
        let begins: Vec<&Node> = self.nodes.iter().filter(|node| node.parent.is_none()).collect();
        for (at, node) in begins.iter().enumerate() {
            let is_taken = |words: &String| begins[..at].iter().any(|earlier| says(&folded(words), earlier));
            if node.keywords.iter().chain([&node.title]).all(is_taken) {
                return Err(format!("node {}: never reached, every one of its keywords leads to an earlier node", node.id));
            }
        }
        Ok(())
    }

    fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    fn children(&self, id: &str) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.parent.as_deref() == Some(id))
    }
}

/// The folded words of a text, for comparing keywords with what was typed.
fn folded(text: &str) -> Vec<String> {
    understand::words::read(text).words.into_iter().map(|word| word.text).collect()
}

fn says(spoken: &[String], node: &Node) -> bool {
    node.keywords.iter().chain([&node.title]).any(|keyword| {
        let wanted = folded(keyword);
        !wanted.is_empty() && spoken.windows(wanted.len()).any(|window| window == wanted.as_slice())
    })
}

/// Whether the message is nothing but a keyword or title that leads on from where the conversation stands.
pub fn is_bare_choice(context: &TurnContext, read: &Reading) -> bool {
    let parent = context.place.as_ref().map(|place| (place.flow.as_str(), Some(place.node.as_str())));
    let spoken = folded(&read.last_text);
    let open = |flow: &&Flow, node: &&Node| match parent {
        Some((key, parent)) => flow.key == key && node.parent.as_deref() == parent,
        None => node.parent.is_none(),
    };
    let named = |node: &Node| node.keywords.iter().chain([&node.title]).any(|keyword| folded(keyword) == spoken);
    !spoken.is_empty() && context.flows.iter().any(|flow| flow.nodes.iter().any(|node| open(&flow, &node) && named(node)))
}

/// The step a published flow takes on what was heard, if one is active or begins.
pub fn step(context: &TurnContext, read: &Reading) -> Option<Stepped> {
    if context.flows.is_empty() || read.text.trim().is_empty() {
        return None;
    }
    let spoken = folded(&read.last_text);
    match &context.place {
        Some(place) => go_on(context, read, &spoken, place),
        None => {
            let begins = |flow: &Flow| flow.nodes.iter().find(|node| node.parent.is_none() && says(&spoken, node)).map(|node| node.id.clone());
            let (flow, node) = context.flows.iter().find_map(|flow| Some((flow, begins(flow)?)))?;
            arrive(context, read, flow, &node)
        }
    }
}

fn go_on(context: &TurnContext, read: &Reading, spoken: &[String], place: &Place) -> Option<Stepped> {
    let flow = context.flows.iter().find(|flow| flow.key == place.flow)?;
    let here = flow.node(&place.node)?;
    let choices: Vec<&Node> = flow.children(&here.id).collect();
    let typed = read.last_text.trim().trim_end_matches(['.', ')']);
    if typed == "0" || spoken.iter().any(|word| word == "kembali" || word == "menu" || word == "back") {
        let up = here.parent.as_deref().unwrap_or(&here.id);
        return arrive(context, read, flow, up);
    }
    let by_number = typed.parse::<usize>().ok().and_then(|n| choices.get(n.checked_sub(1)?)).copied();
    if let Some(chosen) = by_number.or_else(|| choices.iter().find(|node| says(spoken, node)).copied()) {
        return arrive(context, read, flow, &chosen.id);
    }
    if choices.is_empty() {
        return None; // a leaf: whatever comes next is for the other rules
    }
    // a question of its own: the other rules answer it, and the flow stays where it is
    if read.may_be_in_faq() && read.confidence() >= 0.6 {
        return None;
    }
    if place.missed + 1 >= MOST_MISSED {
        let outcome = Outcome { hand_over: true, ..Outcome::escalate(super::fixed::Fixed::Human, read, Reason::ComplexQuestion) };
        return Some(Stepped { outcome, place: None });
    }
    let sorry = match read.lang {
        Language::Id => "Mohon dibalas dengan salah satu pilihan ini, Bapak/Ibu:",
        Language::En => "Please answer with one of these choices:",
    };
    let text = format!("{sorry}\n{}", list(&choices, read.lang));
    Some(Stepped { outcome: Outcome::say(vec![words(&text)]), place: Some(Place { missed: place.missed + 1, ..place.clone() }) })
}

fn arrive(context: &TurnContext, read: &Reading, flow: &Flow, id: &str) -> Option<Stepped> {
    let node = flow.node(id)?;
    let said = match read.lang {
        Language::En => node.say_en.as_deref().unwrap_or(&node.say),
        Language::Id => &node.say,
    };
    let choices: Vec<&Node> = flow.children(id).collect();
    let mut text = context.with_agency(said);
    if !choices.is_empty() {
        text = format!("{text}\n\n{}", list(&choices, read.lang));
    }
    let mut outcome = Outcome::say(vec![words(&text)]);
    if node.person {
        outcome = Outcome { escalation: Some(Reason::HumanRequested), hand_over: true, ..outcome };
    }
    let place = (!choices.is_empty() && !node.person).then(|| Place { flow: flow.key.clone(), node: id.to_owned(), missed: 0 });
    Some(Stepped { outcome: Outcome { flow_node: Some(format!("{}.{id}", flow.key)), ..outcome }, place })
}

fn list(choices: &[&Node], lang: Language) -> String {
    let mut lines: Vec<String> = choices.iter().enumerate().map(|(at, node)| format!("{}. {}", at + 1, node.title)).collect();
    lines.push(match lang {
        Language::Id => "0. Kembali".into(),
        Language::En => "0. Back".into(),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parent: Option<&str>, title: &str, keywords: &[&str]) -> Node {
        Node {
            id: id.into(),
            parent: parent.map(str::to_owned),
            title: title.into(),
            keywords: keywords.iter().map(|k| (*k).to_owned()).collect(),
            say: format!("Tentang {title}"),
            ..Node::default()
        }
    }

    fn flow(nodes: Vec<Node>) -> Flow {
        Flow { key: "menu".into(), name: "Menu".into(), nodes }
    }

    #[test]
    fn only_trees_that_can_be_walked_are_taken() {
        assert_eq!(flow(vec![node("a", None, "Menu", &["menu"]), node("b", Some("a"), "Haji", &[])]).check(), Ok(()));
        assert_eq!(flow(vec![node("a", None, "Menu", &["menu"]), node("b", None, "Haji", &["menu haji"])]).check(), Ok(()), "its title still leads to it");
        for (nodes, wrong) in [
            (vec![], "nodes"),
            (vec![node("a", None, "Menu", &[])], "nothing leads"),
            (vec![node("a", None, "Menu", &["x"]), node("a", None, "Dua", &["y"])], "twice"),
            (vec![node("a", Some("z"), "Menu", &["x"])], "not there"),
            (vec![node("a", Some("b"), "A", &["x"]), node("b", Some("a"), "B", &["y"])], "circle"),
            (vec![Node { person: true, ..node("a", None, "Menu", &["menu"]) }, node("b", Some("a"), "Haji", &[])], "never reached, a person"),
            (vec![node("a", None, "Menu", &["menu"]), node("b", None, "Menu haji", &["menu lagi"])], "earlier node"),
        ] {
            let said = flow(nodes).check().unwrap_err();
            assert!(said.contains(wrong), "{said}");
        }
    }

    #[test]
    fn keywords_are_found_as_people_type_them() {
        let spoken = folded("mau tnya ttg Haji Khusus dong");
        assert!(says(&spoken, &node("h", None, "Haji khusus", &["haji khusus"])));
        assert!(!says(&spoken, &node("u", None, "Umroh plus", &["turki"])));
    }
}
