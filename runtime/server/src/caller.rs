//! Who asks.
//!
//! The guard finds out who it is before any handler runs, and puts it into the request; a handler takes it from there.
//! A request that did not come through the guard has no caller, and is refused.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use pawl_core::Namespace;
use pawl_core::event::Actor;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_engine::WorkflowName;
use pawl_store::{ApprovalFilter, Changed, RunFilter};

use crate::Problem;
use crate::app::App;
use crate::identity::{Claimed, Role, Token, Verb};

/// The header in which a caller who is bound to no namespace picks one.
pub(crate) const NAMESPACE_HEADER: &str = "pawl-namespace";

/// Who asks, what they may, and whose runs they see.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who does what is asked, as journals have it.
    pub(crate) actor: Actor,
    pub(crate) roles: BTreeSet<Role>,
    verbs: Option<BTreeSet<Verb>>,
    /// The namespace of what they begin.
    pub(crate) namespace: Namespace,
    /// Whether they see that namespace alone.
    pub(crate) is_scoped: bool,
    /// Whether that cannot be another one.
    pub(crate) is_bound: bool,
    /// What their requests are counted by; nothing of the local operator.
    pub(crate) counted: Option<String>,
    /// The id of the token, where it is one of pawl's own.
    pub(crate) token: Option<String>,
}

impl Caller {
    /// Whoever reaches a server on loopback without identity: the operator of this machine.
    pub(crate) fn local() -> Self {
        let actor =
            Actor { name: "user:operator".into(), groups: Vec::new(), operator: true, via: "http".into() };
        Self {
            actor,
            roles: BTreeSet::from([Role::Admin]),
            verbs: None,
            namespace: Namespace::default(),
            is_scoped: false,
            is_bound: false,
            counted: None,
            token: None,
        }
    }

    /// Whoever has a token. However much it may, it answers only what it is asked: it is never the operator.
    pub(crate) fn of_token(id: String, token: Token) -> Self {
        let Token { name, roles, verbs, groups, namespace, .. } = token;
        Self {
            actor: identified(&name, groups, format!("http token {id}")),
            roles,
            verbs,
            is_scoped: namespace.is_some(),
            is_bound: namespace.is_some(),
            namespace: namespace.unwrap_or_default(),
            counted: Some(format!("token/{id}")),
            token: Some(id),
        }
    }

    /// Whoever an issuer vouches for.
    pub(crate) fn claimed(claimed: Claimed) -> Self {
        let Claimed { name, roles, groups, namespace } = claimed;
        // Only who has everything may be for all namespaces.
        let is_bound = namespace.is_some() || !roles.contains(&Role::Admin);
        Self {
            counted: Some(format!("user/{name}")),
            actor: identified(&name, groups, "http".to_owned()),
            roles,
            verbs: None,
            namespace: namespace.unwrap_or_default(),
            is_scoped: is_bound,
            is_bound,
            token: None,
        }
    }

    /// The same, in the namespace that they pick.
    pub(crate) fn within(self, namespace: Namespace) -> Self {
        Self { namespace, is_scoped: true, ..self }
    }

    /// Refuses what none of their roles may, or what their token is not for.
    pub(crate) fn may(&self, verb: Verb) -> Result<(), Problem> {
        let by_role = self.roles.iter().any(|role| role.verbs().contains(&verb));
        if by_role && self.verbs.as_ref().is_none_or(|verbs| verbs.contains(&verb)) {
            return Ok(());
        }
        let roles: Vec<_> = self.roles.iter().map(|role| role.name()).collect();
        let who = if by_role {
            "the token is not for it".to_owned()
        } else if roles.is_empty() {
            "the caller has no role".to_owned()
        } else {
            format!("the caller is {}", roles.join(" and "))
        };
        Err(Problem::forbidden(format!(
            "this needs the right to {verb}, and {who}; ask an admin for a token that may"
        )))
    }

    /// Whether a run is one of those that they see.
    pub(crate) fn sees(&self, namespace: &Namespace) -> bool {
        !self.is_scoped || *namespace == self.namespace
    }

    /// What filters are to ask for; nothing where they see everything.
    pub(crate) fn scope(&self) -> Option<Namespace> {
        self.is_scoped.then(|| self.namespace.clone())
    }

    /// A registered workflow of their namespace.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> WorkflowName<'a> {
        WorkflowName::within(&self.namespace, name)
    }

    /// Of the runs that are looked for, those that they see.
    pub(crate) fn runs(&self, filter: RunFilter) -> RunFilter {
        RunFilter { namespace: self.scope(), ..filter }
    }

    /// Of the approvals that are looked for, those that they see.
    pub(crate) fn approvals(&self, filter: ApprovalFilter) -> ApprovalFilter {
        ApprovalFilter { namespace: self.scope(), ..filter }
    }

    /// A run that they see, or that there is none: which of both is not told.
    pub(crate) fn run(&self, header: Option<RunHeader>, name: &str) -> Result<RunHeader, Problem> {
        header.filter(|header| self.sees(&header.namespace)).ok_or_else(|| Problem::not_found("run", name))
    }

    /// An open approval that they see, or that there is none.
    pub(crate) fn approval(&self, open: Option<OpenApproval>, name: &str) -> Result<OpenApproval, Problem> {
        let open = open.filter(|open| self.sees(&open.namespace));
        open.ok_or_else(|| Problem::not_found("open approval", name))
    }

    /// Whether they are told of a change.
    pub(crate) fn hears(&self, change: &Changed) -> bool {
        self.sees(&change.namespace)
    }
}

/// Never the operator. A token says in journals which one it was: whoever made it could use it.
fn identified(name: &str, groups: BTreeSet<String>, via: String) -> Actor {
    let groups = groups.into_iter().collect();
    Actor { name: format!("user:{name}"), groups, operator: false, via }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::unauthenticated("nobody has looked who asks; this path is closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(roles: &[Role], verbs: Option<&[Verb]>) -> Caller {
        let claimed = Claimed {
            name: "ann".into(),
            roles: roles.iter().copied().collect(),
            groups: BTreeSet::new(),
            namespace: None,
        };
        Caller { verbs: verbs.map(|verbs| verbs.iter().copied().collect()), ..Caller::claimed(claimed) }
    }

    #[test]
    fn a_caller_may_what_one_of_its_roles_may_and_its_token_is_for() {
        let may = |caller: &Caller, verb| caller.may(verb).is_ok();
        let both = token(&[Role::Operator, Role::Approver], None);
        assert!(may(&both, Verb::Start) && may(&both, Verb::Decide) && !may(&both, Verb::Manage));
        let narrow = token(&[Role::Admin], Some(&[Verb::Start]));
        assert!(may(&narrow, Verb::Start) && !may(&narrow, Verb::Look) && !may(&narrow, Verb::Manage));
        assert!(!may(&token(&[], None), Verb::Look));
        assert!(!may(&token(&[Role::Viewer], Some(&Verb::ALL)), Verb::Start));
    }

    #[test]
    fn nobody_over_http_is_the_operator_but_who_is_on_the_machine() {
        assert!(Caller::local().actor.operator);
        assert!(!token(&[Role::Admin], None).actor.operator);
    }

    #[test]
    fn only_an_admin_sees_more_than_one_namespace() {
        let other: Namespace = "other".parse().unwrap();
        assert!(token(&[Role::Admin], None).sees(&other));
        let picked = token(&[Role::Admin], None).within(other.clone());
        assert!(picked.sees(&other) && !picked.sees(&Namespace::default()));
        assert!(!token(&[Role::Operator], None).sees(&other));
    }
}
