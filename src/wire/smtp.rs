//! E-mail through a relay (SMTP). Never in the clear, except to this machine itself.

use crate::chat::mail::{Mail, Outcome};
use crate::db::setting::Settings;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};
use std::net::IpAddr;
use std::time::Duration;

/// A relay gets this long for each step.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A relay and whom it sends for.
pub struct Relay {
    transport: SmtpTransport,
    from: Mailbox,
}

impl Relay {
    /// From the settings; `Ok(None)`: no relay is set.
    ///
    /// Errors: what is wrong with the settings, in a sentence.
    pub fn new(settings: &Settings) -> Result<Option<Self>, String> {
        let host = settings.text("smtp.host");
        if host.is_empty() {
            return Ok(None);
        }
        let from: Mailbox = settings.text("smtp.from").parse().map_err(|_| "smtp.from is not an address such as Biro <kabar@biro.example>".to_owned())?;
        let tls = || TlsParameters::new(host.to_owned()).map_err(|error| format!("smtp.host: {error}"));
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let security = match settings.text("smtp.security") {
            "tls" => Tls::Wrapper(tls()?),
            "none" if here => Tls::None,
            "none" => return Err("smtp.security none is for a relay on this machine only".into()),
            _ => Tls::Required(tls()?),
        };
        let port = u16::try_from(settings.int("smtp.port")).unwrap_or(587);
        let mut builder = SmtpTransport::builder_dangerous(host).port(port).tls(security).timeout(Some(TIMEOUT));
        if !settings.text("smtp.user").is_empty() {
            builder = builder.credentials(Credentials::new(settings.text("smtp.user").to_owned(), settings.text("smtp.password").to_owned()));
        }
        Ok(Some(Self { transport: builder.build(), from }))
    }

    /// Greets the relay and signs in.
    ///
    /// Errors: what the relay said, or why it cannot be reached.
    pub fn test(&self) -> Result<(), String> {
        match self.transport.test_connection() {
            Ok(true) => Ok(()),
            Ok(false) => Err("the relay did not answer as one".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Sends one.
    pub fn send(&self, mail: &Mail) -> Outcome {
        let Ok(to) = mail.to.parse::<Mailbox>() else { return Outcome::Refused("not an e-mail address".into()) };
        let message = Message::builder().from(self.from.clone()).to(to).subject(&mail.subject).message_id(Some(format!("<{}>", mail.message_id))).body(mail.body.clone());
        let message = match message {
            Ok(message) => message,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        match self.transport.send(&message) {
            Ok(_) => Outcome::Sent,
            Err(error) if error.is_permanent() => Outcome::Refused(crate::kernel::text::preview(&error.to_string(), 300)),
            Err(error) => Outcome::Later(crate::kernel::text::preview(&error.to_string(), 300)),
        }
    }
}

/// The part of the sender's address behind the `@`, where a relay is set.
pub fn sender_domain(settings: &Settings) -> Option<String> {
    let from: Mailbox = settings.text("smtp.from").parse().ok().filter(|_| !settings.text("smtp.host").is_empty())?;
    Some(from.email.domain().to_owned())
}

/// Whether this is an address mail can go to.
pub fn is_address(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}
