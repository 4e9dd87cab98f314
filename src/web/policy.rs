//! Who may do what: one matrix, asked by the router for every route, by every page, and by the store's own queries for what
//! somebody may see.

use crate::chat::inbox::Scope;
use crate::people::user::Role;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look at chats, packages, figures.
    View,
    /// Write in chats: reply, take over, hand back, note, label, retry a send.
    Chat,
    /// Change what is known of a contact; merge two, undo it.
    EditContacts,
    /// Rename and delete labels, keep answers ready, save views for everybody. (A label is made by whoever puts it on first, as
    /// on the phone.)
    EditLabels,
    /// Change packages and campaigns; cancel bookings, take payments back. (Whoever writes in chats books and writes payments down.)
    EditCatalog,
    /// Change what the bot is told and knows: prompts, questions, flows.
    EditBot,
    /// Play the simulator.
    Simulate,
    /// See the audit trail.
    Audit,
    /// Connections, keys, users, settings, quarantine, who looked at whom.
    Administer,
    /// Bring deliveries in (webhook with a bearer token).
    Deliver,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 10] =
        [Self::View, Self::Chat, Self::EditContacts, Self::EditLabels, Self::EditCatalog, Self::EditBot, Self::Simulate, Self::Audit, Self::Administer, Self::Deliver];
}

/// Whether a role may do an action.
pub fn may(role: Role, action: Action) -> bool {
    match action {
        Action::View => true,
        Action::Chat | Action::EditContacts | Action::Simulate | Action::Deliver => role != Role::Viewer,
        Action::EditLabels | Action::EditCatalog => matches!(role, Role::SystemAdmin | Role::MarketingAdmin | Role::SalesAdmin),
        Action::EditBot | Action::Audit => matches!(role, Role::SystemAdmin | Role::MarketingAdmin),
        Action::Administer => role == Role::SystemAdmin,
    }
}

/// What the bot may do, an actor of its own: look things up and write in chats it has. It labels nobody and changes nothing else.
pub fn bot_may(action: Action) -> bool {
    matches!(action, Action::View | Action::Chat)
}

/// Which chats a role may see. `cs_sees`: the setting `team.cs_sees`.
pub fn scope(role: Role, actor: &str, cs_sees: &str) -> Scope {
    if role == Role::Cs && cs_sees == "own" { Scope::Own(actor.to_owned()) } else { Scope::All }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix() {
        let allowed = |role| Action::ALL.iter().filter(|action| may(role, **action)).count();
        assert_eq!([Role::SystemAdmin, Role::MarketingAdmin, Role::SalesAdmin, Role::Cs, Role::Viewer].map(allowed), [10, 9, 7, 5, 1]);
        assert!(!may(Role::Viewer, Action::Chat) && !may(Role::Cs, Action::EditCatalog) && !may(Role::SalesAdmin, Action::Administer));
        assert_eq!(Action::ALL.iter().filter(|action| bot_may(**action)).count(), 2);
    }

    #[test]
    fn a_cs_may_be_kept_to_his_own_chats() {
        let own = scope(Role::Cs, "user:2", "own");
        assert!(own.sees(None) && own.sees(Some("user:2")) && !own.sees(Some("user:3")));
        assert!(scope(Role::SalesAdmin, "user:2", "own").sees(Some("user:3")) && scope(Role::Cs, "user:2", "all").sees(Some("user:3")));
    }
}
