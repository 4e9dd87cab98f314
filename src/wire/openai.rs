//! OpenAI-compatible chat completions: our question as a request body, their answer as an outcome. Shapes only, no calls.
//! Sources: the OpenAI API reference (chat completions, structured outputs) and the answers of llama.cpp, llama-cpp-python,
//! vLLM, Ollama, OpenRouter and Gemini's compatible layer.

use crate::kernel::text;
use serde_json::{Value, json};

/// Who says a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Us: rules and facts.
    System,
    /// The customer.
    User,
    /// What was answered before.
    Assistant,
}

/// One line of the conversation put to the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Who.
    pub role: Role,
    /// What.
    pub content: String,
}

/// How JSON is asked for, strongest first. A server that refuses one step is asked with the next, and remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// `response_format: json_schema`, strict.
    Schema,
    /// A forced tool call.
    Tool,
    /// `response_format: json_object`, with the schema beside it and in words.
    Object,
    /// Words only.
    Words,
}

impl Rung {
    /// The next weaker one.
    pub fn weaker(self) -> Option<Self> {
        match self {
            Self::Schema => Some(Self::Tool),
            Self::Tool => Some(Self::Object),
            Self::Object => Some(Self::Words),
            Self::Words => None,
        }
    }
}

/// What a provider has been found to want differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// How JSON is asked for.
    pub rung: Rung,
    /// The limit is called `max_completion_tokens` (reasoning models).
    pub new_limit_name: bool,
    /// A temperature is refused.
    pub no_temperature: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self { rung: Rung::Schema, new_limit_name: false, no_temperature: false }
    }
}

/// Name of the schema and of the forced tool.
const NAME: &str = "proposal";

/// The request body. `lines` begin with the system line; neighbours of one role are merged, which many chat templates demand.
pub fn body(model: &str, lines: &[Line], schema: &Value, habits: Habits, max_tokens: u32) -> Value {
    let mut merged: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        match merged.last_mut() {
            Some(last) if last.role == line.role => last.content = format!("{}\n{}", last.content, line.content),
            _ => merged.push(line.clone()),
        }
    }
    if habits.rung >= Rung::Object
        && let Some(first) = merged.first_mut()
    {
        first.content = format!("{}\n\nAnswer with one JSON object and nothing else. It must fit this JSON schema:\n{schema}", first.content);
    }
    let messages: Vec<Value> = merged
        .into_iter()
        .map(|line| {
            let role = match line.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            json!({"role": role, "content": line.content})
        })
        .collect();
    let limit = if habits.new_limit_name { "max_completion_tokens" } else { "max_tokens" };
    let mut body = json!({"model": model, "messages": messages, "stream": false, limit: max_tokens});
    if !habits.no_temperature {
        body["temperature"] = json!(0.2);
    }
    match habits.rung {
        Rung::Schema => body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": NAME, "strict": true, "schema": schema}}),
        Rung::Tool => {
            body["tools"] = json!([{"type": "function", "function": {"name": NAME, "description": "The proposed answer", "parameters": schema}}]);
            body["tool_choice"] = json!({"type": "function", "function": {"name": NAME}});
        }
        Rung::Object => body["response_format"] = json!({"type": "json_object", "schema": schema}),
        Rung::Words => {}
    }
    body
}

/// Tokens an answer cost, as far as it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read.
    pub prompt: i64,
    /// Written, thinking included.
    pub completion: i64,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Text, or the arguments of a tool call.
    Said {
        /// The words; for a tool call its arguments as JSON text.
        text: String,
        /// Tokens, where told.
        usage: Option<Usage>,
    },
    /// Asked again after so many seconds.
    RetryAfter(u64),
    /// The answer was cut off: asked again with more room. What it cost all the same.
    Cut(Option<Usage>),
    /// Asked again a little later: the cause by name.
    Retry(&'static str),
    /// Asked again with a weaker way of wanting JSON.
    Downgrade,
    /// Asked again with this habit.
    Adapt(Adapt),
    /// Not asked again: the cause by name. The owner should know.
    GiveUp(&'static str),
    /// The model would not answer: a person.
    Declined,
}

/// What to do differently from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapt {
    /// Call the limit `max_completion_tokens`.
    NewLimitName,
    /// Leave the temperature out.
    NoTemperature,
}

/// Longest wait a server may ask for, seconds: a customer is waiting too.
const MOST_WAIT_S: u64 = 60;

/// Reads an answer. `retry_after_s` is the header, where it was a number.
pub fn read(status: u16, retry_after_s: Option<u64>, bytes: &[u8]) -> Outcome {
    let body: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let choice = &body["choices"][0];
    let error = [&body["error"], &body[0]["error"], &choice["error"]].into_iter().find(|error| !error.is_null());
    let words = error.map_or_else(|| body["detail"].to_string(), Value::to_string).to_lowercase();
    match status {
        200 if error.is_some() => Outcome::Retry("upstream_error"),
        200 => said(choice, &body["usage"]),
        400 | 422 => refused(&words),
        401 | 403 => Outcome::GiveUp("unauthorised"),
        402 if retry_after_s.is_none() => Outcome::GiveUp("out_of_credit"),
        404 => Outcome::GiveUp("no_such_model"),
        429 if words.contains("insufficient_quota") => Outcome::GiveUp("out_of_credit"),
        402 | 429 => Outcome::RetryAfter(retry_after_s.unwrap_or(2).min(MOST_WAIT_S)),
        // llama-cpp-python says 500 to a kind of response_format it does not know
        500 if wants_less(&words) => Outcome::Downgrade,
        408 | 409 | 500..=599 => Outcome::Retry("server_error"),
        _ => Outcome::GiveUp("refused"),
    }
}

fn wants_less(words: &str) -> bool {
    ["response_format", "json_schema", "tool_choice", "tools", "grammar", "literal_error"].iter().any(|name| words.contains(name))
}

fn refused(words: &str) -> Outcome {
    if words.contains("max_completion_tokens") || (words.contains("max_tokens") && words.contains("unsupported")) {
        Outcome::Adapt(Adapt::NewLimitName)
    } else if words.contains("temperature") {
        Outcome::Adapt(Adapt::NoTemperature)
    } else if wants_less(words) {
        Outcome::Downgrade
    } else if words.contains("context") || words.contains("tokens") {
        Outcome::GiveUp("context_too_long")
    } else {
        Outcome::GiveUp("refused")
    }
}

fn said(choice: &Value, usage: &Value) -> Outcome {
    let message = &choice["message"];
    if message["refusal"].is_string() || choice["finish_reason"] == "content_filter" {
        return Outcome::Declined;
    }
    let usage = usage["prompt_tokens"].as_i64().filter(|n| *n > 0).map(|prompt| Usage { prompt, completion: usage["completion_tokens"].as_i64().unwrap_or(0).max(0) });
    let call = &message["tool_calls"][0]["function"]["arguments"];
    // a call counts whatever finish_reason says: some servers write "stop" beside it
    let arguments = match call {
        Value::String(arguments) => Some(arguments.clone()),
        Value::Object(_) => Some(call.to_string()),
        _ => None,
    };
    if choice["finish_reason"] == "length" {
        return Outcome::Cut(usage);
    }
    let text = arguments.or_else(|| match &message["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        _ => None,
    });
    match text.map(|text| without_thoughts(&text)).filter(|text| !text.trim().is_empty()) {
        Some(text) => Outcome::Said { text, usage },
        None => Outcome::Retry("empty"),
    }
}

/// Thinking that leaked into the answer is cut out; thinking without an end takes the rest with it.
fn without_thoughts(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<think>") {
        kept.push_str(before);
        rest = after.split_once("</think>").map_or("", |(_, after)| after);
    }
    kept.push_str(rest.rsplit_once("</think>").map_or(rest, |(_, after)| after));
    kept
}

/// The first JSON object in a text: code fences and words around it are left out.
pub fn object_in(text: &str) -> Option<Value> {
    let body = text::cut(&text[text.find('{')?..], 256 << 10);
    let first = |text: &str| serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?.ok().filter(Value::is_object);
    first(body).or_else(|| first(&escaped(body)))
}

/// Line breaks and other control characters within strings, as some grammars let through, written as JSON wants them.
fn escaped(text: &str) -> String {
    let (mut out, mut inside, mut after_backslash) = (String::with_capacity(text.len() + 16), false, false);
    for c in text.chars() {
        match c {
            '\n' if inside => out.push_str("\\n"),
            c if inside && c.is_control() => out.push(' '),
            c => out.push(c),
        }
        inside ^= c == '"' && !after_backslash;
        after_backslash = inside && c == '\\' && !after_backslash;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_merged_and_the_schema_goes_where_the_rung_wants_it() {
        let line = |role, content: &str| Line { role, content: content.into() };
        let lines = [line(Role::System, "rules"), line(Role::User, "halo"), line(Role::User, "berapa"), line(Role::Assistant, "x"), line(Role::User, "y")];
        let schema = json!({"type": "object"});
        let at = |rung| body("m", &lines, &schema, Habits { rung, ..Habits::default() }, 500);
        let strict = at(Rung::Schema);
        assert_eq!(strict["messages"].as_array().unwrap().len(), 4);
        assert_eq!(strict["messages"][1]["content"], "halo\nberapa");
        assert_eq!(strict["response_format"]["json_schema"]["strict"], true);
        assert_eq!(at(Rung::Tool)["tool_choice"]["function"]["name"], NAME);
        assert_eq!(at(Rung::Object)["response_format"]["schema"], schema);
        assert!(at(Rung::Words).get("response_format").is_none());
        assert!(at(Rung::Words)["messages"][0]["content"].as_str().unwrap().contains("JSON"));
    }

    #[test]
    fn thoughts_and_fences_are_left_out() {
        assert_eq!(without_thoughts("<think>hm</think>{\"a\":1}"), "{\"a\":1}");
        assert_eq!(without_thoughts("hm</think>ya"), "ya");
        assert_eq!(without_thoughts("ya<think>und"), "ya");
        assert_eq!(object_in("Tentu!\n```json\n{\"a\": {\"b\": \"}\"}}\n``` ok"), Some(json!({"a": {"b": "}"}})));
        assert_eq!(object_in("{\"a\": \"b\nc\t\\\"d\"}"), Some(json!({"a": "b\nc \"d"})));
        assert_eq!(object_in("{\"a\": "), None);
        assert_eq!(object_in("[1]"), None);
    }

    #[test]
    fn parameters_a_provider_refuses_are_learnt() {
        let bad = |message: &str| json!({"error": {"message": message}}).to_string();
        for (status, message, want) in [
            (400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", Outcome::Adapt(Adapt::NewLimitName)),
            (400, "Unsupported value: 'temperature' does not support 0.2", Outcome::Adapt(Adapt::NoTemperature)),
            (400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported", Outcome::Downgrade),
            (400, "This model's maximum context length is 4096 tokens", Outcome::GiveUp("context_too_long")),
            (429, "You exceeded your current quota: insufficient_quota", Outcome::GiveUp("out_of_credit")),
            (503, "Loading model", Outcome::Retry("server_error")),
        ] {
            assert_eq!(read(status, None, bad(message).as_bytes()), want, "{message}");
        }
        assert_eq!(read(502, None, b"<html>bad gateway</html>"), Outcome::Retry("server_error"));
        assert_eq!(read(200, None, b"<html>"), Outcome::Retry("empty"));
    }
}
