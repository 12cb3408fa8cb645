//! All codes of problems: the pages `/problems/CODE` and `docs/problems.md` are made of this table.

use axum::http::StatusCode;

/// The variants, their names in the API, statuses and titles; what stands above a variant is its page.
macro_rules! codes {
    ($($(#[doc = $page:literal])+ $variant:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// What is wrong, for programs. The names are part of the interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[doc = $page])+ $variant,)+
        }

        impl Code {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name, as it stands in `code`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The status of the answer.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// What it is, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What its page says.
            pub const fn page(self) -> &'static str {
                match self { $(Self::$variant => concat!($($page, "\n"),+)),+ }
            }
        }
    };
}

codes! {
    /// A parameter, a header or the path cannot be read. `detail` says which and how it is written. Nothing has
    /// changed.
    BadRequest = "bad-request", BAD_REQUEST, "the request cannot be understood";
    /// The body is no JSON. `detail` says where it ends to be. Nothing has changed.
    BadJson = "bad-json", BAD_REQUEST, "the body is not JSON";
    /// The body is JSON, and not what this path takes: a field is missing, unknown or of another type.
    BodyDoesNotFit = "body-does-not-fit", UNPROCESSABLE_ENTITY, "the body does not fit";
    /// Bodies are JSON; send them with `Content-Type: application/json`.
    NotJson = "not-json", UNSUPPORTED_MEDIA_TYPE, "the body is of another type than JSON";
    /// The body is longer than `body_max_bytes` allows. Large values belong into a store of their own, and a
    /// workflow takes their address.
    BodyTooLong = "body-too-long", PAYLOAD_TOO_LARGE, "the body is too long";
    /// The body did not arrive within `body_max_ms`. Nothing has changed; send it again.
    BodyTooSlow = "body-too-slow", REQUEST_TIMEOUT, "the body came too slowly";
    /// Nothing answers at this path; `/openapi.json` has all paths.
    NoSuchPath = "no-such-path", NOT_FOUND, "there is nothing here";
    /// The path is right and the method is not; the header `Allow` names those that it takes.
    NoSuchMethod = "no-such-method", METHOD_NOT_ALLOWED, "the path does not take this method";
    /// Nobody said who asks, or what says it is not valid any more. Send `Authorization: Bearer TOKEN`; an admin makes
    /// tokens with `pawl token create`.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "it is not known who asks";
    /// The caller is known, and has no right to this. `detail` says which right is missing.
    Forbidden = "forbidden", FORBIDDEN, "the caller may not do this";
    /// The header `Host` names another server. Use the address that the server listens at, or have its operator name
    /// the host with `--host`.
    WrongHost = "wrong-host", MISDIRECTED_REQUEST, "the request was meant for another server";
    /// A page of another origin asked for it. The operator names origins that may with `--origin`.
    CrossSite = "cross-site", FORBIDDEN, "a page elsewhere asked for it";
    /// The caller sends more requests than its token or its namespace may. Nothing has changed. Send it again after the
    /// seconds that `Retry-After` names.
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "these are too many requests";
    /// The namespace has as many runs that are not over as it may. Send it again when one is over.
    NamespaceFull = "namespace-full", TOO_MANY_REQUESTS, "the namespace has too many runs";
    /// What the path names is not there, or not for this caller. A run may have been removed by retention.
    NotFound = "not-found", NOT_FOUND, "it is not there";
    /// More requests or streams are under way than the server takes, or the queue of commands is full. Nothing has
    /// changed. Send it again after the seconds that `Retry-After` names.
    Busy = "busy", TOO_MANY_REQUESTS, "too much is under way";
    /// The answer was not there in time. What was asked may be carried out all the same: look before you ask again,
    /// or start runs with an `Idempotency-Key` and repeat the request as it is.
    TimedOut = "timed-out", SERVICE_UNAVAILABLE, "the answer took too long";
    /// The server ends. What was acknowledged is on disk; ask again when the server is back.
    Ending = "ending", SERVICE_UNAVAILABLE, "the server ends";
    /// The workflow has problems; `errors` lists all of them with codes and places, and `pawl explain CODE` says more
    /// of each.
    InvalidWorkflow = "invalid-workflow", UNPROCESSABLE_ENTITY, "the workflow has problems";
    /// Steps import what nobody grants them; `errors` lists them. Grant it in `permissions`, or use a plugin that
    /// needs less.
    NotGranted = "not-granted", UNPROCESSABLE_ENTITY, "steps need what they are not granted";
    /// The inputs do not fit the schema of the workflow; `errors` lists what is wrong.
    InvalidInputs = "invalid-inputs", UNPROCESSABLE_ENTITY, "the inputs do not fit the workflow";
    /// The key came before, with another request. Use a new key for a new request.
    KeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "the idempotency key was used for something else";
    /// The run that this idempotency key started was removed since.
    RunGone = "run-gone", GONE, "the run is gone";
    /// It cannot be done as asked; `detail` says why and what to do.
    NotPossible = "not-possible", UNPROCESSABLE_ENTITY, "it cannot be done as asked";
    /// A plugin that is needed is nowhere to be found.
    NoPlugin = "no-plugin", UNPROCESSABLE_ENTITY, "there is no such plugin";
    /// A plugin was found and cannot be loaded.
    UnusablePlugin = "unusable-plugin", UNPROCESSABLE_ENTITY, "the plugin cannot be used";
    /// A plugin is not signed by anybody whom the operator trusts.
    UntrustedPlugin = "untrusted-plugin", FORBIDDEN, "the plugin is not trusted";
    /// The operator withholds what the workflow grants.
    Withheld = "withheld", FORBIDDEN, "the operator withholds it";
    /// A plugin is not the one that is locked.
    NotAsLocked = "not-as-locked", CONFLICT, "a plugin is not as it is locked";
    /// A registry of plugins does not answer as it should.
    RegistryFailed = "registry-failed", SERVICE_UNAVAILABLE, "the registry failed";
    /// An MCP server does not answer as it should.
    McpFailed = "mcp-failed", SERVICE_UNAVAILABLE, "the MCP server failed";
    /// The run has ended. Start a new one, or make one of it with rerun or fork.
    RunEnded = "run-ended", CONFLICT, "the run has ended";
    /// There is no failed step that could be tried again.
    CannotRetry = "cannot-retry", CONFLICT, "there is nothing to try again";
    /// The run is suspended already, or is not.
    CannotSuspend = "cannot-suspend", CONFLICT, "the run cannot be suspended or resumed";
    /// A fork at this event makes no sense, or what shall be changed is not there.
    CannotFork = "cannot-fork", CONFLICT, "the run cannot be forked there";
    /// The fork would go on with an answer that the caller may not give, or with values that may lead past a question.
    /// Fork before the question, and it is asked anew; or make a dry rehearsal, which does nothing.
    AnswerOfOthers = "answer-of-others", FORBIDDEN, "the fork would go on with an answer of others";
    /// No step of the workflow waits for such a signal; `errors` lists those there are.
    UnknownSignal = "unknown-signal", UNPROCESSABLE_ENTITY, "the workflow has no such signal";
    /// The signal brings something else than its schema wants; `errors` lists what is wrong.
    InvalidSignal = "invalid-signal", UNPROCESSABLE_ENTITY, "the signal does not fit";
    /// The run keeps as many signals as it may; let its steps take some first.
    TooManySignals = "too-many-signals", CONFLICT, "too many signals wait to be taken";
    /// The approval was decided before. A decision is taken once.
    AlreadyDecided = "already-decided", CONFLICT, "the approval was decided before";
    /// The time to answer is over; what the approval says of that happens.
    TooLate = "too-late", CONFLICT, "the answer was due before";
    /// A call is under way whose outcome would be lost; answer when it is over.
    CallUnderWay = "call-under-way", CONFLICT, "a call is under way";
    /// The approval does not offer this action; `errors` lists those that it does.
    UnknownAction = "unknown-action", UNPROCESSABLE_ENTITY, "there is no such action";
    /// The form is not filled in as its schema wants it; `errors` lists what is wrong.
    InvalidForm = "invalid-form", UNPROCESSABLE_ENTITY, "the form does not fit";
    /// The caller is not among those who are asked.
    NotAsked = "not-asked", FORBIDDEN, "it was asked of others";
    /// `not_by` shuts the caller out: somebody else has to answer.
    Excluded = "excluded", FORBIDDEN, "the caller may not answer this one";
    /// Several people are to answer, and each counts once.
    AnsweredBefore = "answered-before", CONFLICT, "the caller has answered before";
    /// Somebody else holds the approval; ask them to release it, or take it over as an operator.
    Claimed = "claimed", CONFLICT, "somebody else holds it";
    /// What the caller does not hold they cannot let go of.
    NotClaimed = "not-claimed", CONFLICT, "the caller does not hold it";
    /// The action needs a reason; give it as `comment`.
    ReasonMissing = "reason-missing", UNPROCESSABLE_ENTITY, "the action needs a reason";
    /// The comment is empty, or longer than `comment_max_bytes` allows.
    InvalidComment = "invalid-comment", UNPROCESSABLE_ENTITY, "the comment is empty or too long";
    /// Approvals are delegated to users and groups who may answer them: `user:ann`, `group:finance`.
    InvalidDelegate = "invalid-delegate", UNPROCESSABLE_ENTITY, "it cannot be delegated so";
    /// So much was done with one approval that no more is recorded; answer it.
    TooMuchRecorded = "too-much-recorded", CONFLICT, "no more is recorded of this approval";
    /// The run does not take the command where it stands. Nothing has changed.
    Refused = "refused", CONFLICT, "the run does not take it";
    /// The topic is none: levels with `/` between them, without `*` and `>`.
    InvalidTopic = "invalid-topic", UNPROCESSABLE_ENTITY, "the topic is none";
    /// A value is nested deeper than `value_max_depth` allows.
    TooDeep = "too-deep", UNPROCESSABLE_ENTITY, "the value is nested too deep";
    /// The version is registered with other bytes. Give what changed a version of its own.
    RegisteredOtherwise = "registered-otherwise", CONFLICT, "the version is registered with other bytes";
    /// Another version is active than the one that `If-Match` names. Look at the workflow again, and decide anew.
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "it is not as it was seen";
    /// Somebody else changed it first. Look at it again, and decide anew.
    Conflict = "conflict", CONFLICT, "somebody else changed it first";
    /// The store is full. Nothing was lost; the operator makes room.
    StoreFull = "store-full", INSUFFICIENT_STORAGE, "the store is full";
    /// The store failed. What was acknowledged is on disk; the log of the server says more.
    StoreFailed = "store-failed", SERVICE_UNAVAILABLE, "the store failed";
    /// A journal or a value that it needs is damaged or missing. `pawl verify` shows what is affected; restore the
    /// data folder from a backup.
    Damaged = "damaged", INTERNAL_SERVER_ERROR, "what is stored is damaged";
    /// The sandbox cannot be set up; `pawl doctor` tries each part by itself.
    SandboxFailed = "sandbox-failed", SERVICE_UNAVAILABLE, "the sandbox cannot be set up";
}

impl Code {
    /// The code with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

/// The reference of all codes, in Markdown.
pub fn reference() -> String {
    let mut text = String::from(
        "# Problems\n\nWhat the API answers when it does not do what was asked: RFC 9457, `application/problem+json`, \
         with `type`, `title`, `status`, `code`, `detail`, and `errors` where there is more for programs. \
         This page is made of the table in `runtime/server/src/problem/codes.rs`.\n",
    );
    for code in Code::ALL {
        let page: Vec<_> = code.page().lines().map(str::trim).collect();
        let (name, status, title) = (code.name(), code.status().as_u16(), code.title());
        text.extend([format!("\n## {name}\n{status}: {title}.\n\n{}\n", page.join(" ").trim())]);
    }
    text
}
