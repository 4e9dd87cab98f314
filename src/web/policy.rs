//! Who may do what: one function, asked by the router for every route.

use crate::people::user::Role;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look at chats, packages, figures.
    View,
    /// Write in chats: reply, take over, hand back, retry a send.
    Chat,
    /// Change packages and campaigns.
    EditCatalog,
    /// Change what the bot is told and knows: prompts, questions, flows.
    EditBot,
    /// Play the simulator.
    Simulate,
    /// See the audit trail.
    Audit,
    /// Connections, keys, users, settings, quarantine.
    Administer,
    /// Bring deliveries in (webhook with a bearer token).
    Deliver,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] = [Self::View, Self::Chat, Self::EditCatalog, Self::EditBot, Self::Simulate, Self::Audit, Self::Administer, Self::Deliver];
}

/// Whether a role may do an action.
pub fn may(role: Role, action: Action) -> bool {
    match action {
        Action::View => true,
        Action::Chat | Action::Simulate | Action::Deliver => role != Role::Viewer,
        Action::EditCatalog => matches!(role, Role::SystemAdmin | Role::MarketingAdmin | Role::SalesAdmin),
        Action::EditBot | Action::Audit => matches!(role, Role::SystemAdmin | Role::MarketingAdmin),
        Action::Administer => role == Role::SystemAdmin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix() {
        let allowed = |role| Action::ALL.iter().filter(|action| may(role, **action)).count();
        assert_eq!([Role::SystemAdmin, Role::MarketingAdmin, Role::SalesAdmin, Role::Cs, Role::Viewer].map(allowed), [8, 7, 5, 4, 1]);
        assert!(!may(Role::Viewer, Action::Chat) && !may(Role::Cs, Action::EditCatalog) && !may(Role::SalesAdmin, Action::Administer));
    }
}
