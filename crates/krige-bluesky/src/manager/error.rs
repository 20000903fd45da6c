//! Why a call of the RE Manager failed, and what is known about its effect.

use std::time::Duration;

use super::method::Method;
use super::refusal::RefusalKind;
use super::status::Status;

/// A call of the RE Manager failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The client was set up with something that cannot be.
    #[error("{what}")]
    Misconfigured {
        /// What was expected, what was found and what to do.
        what: String,
    },
    /// A plan was described with something that cannot be sent.
    #[error("plan `{plan}`: {what}")]
    InvalidItem {
        /// Name of the plan.
        plan: String,
        /// What was expected, what was found and what to do.
        what: String,
    },
    /// There was no reply in time.
    #[error(
        "no reply to `{method}` within {} s ({detail}); {}",
        timeout.as_secs_f64(),
        remedy(*may_have_been_executed)
    )]
    Timeout {
        /// What was asked for.
        method: Method,
        /// How long was waited.
        timeout: Duration,
        /// False if the request certainly did not reach the manager, or changes nothing.
        may_have_been_executed: bool,
        /// What was going on.
        detail: String,
    },
    /// The connection was lost before the reply.
    #[error(
        "the connection was lost before the reply to `{method}`: {detail}; {}",
        remedy(*may_have_been_executed)
    )]
    ConnectionLost {
        /// What was asked for.
        method: Method,
        /// False if the request certainly did not reach the manager, or changes nothing.
        may_have_been_executed: bool,
        /// What happened.
        detail: String,
    },
    /// Nobody takes connections there.
    #[error(
        "the RE Manager at `{address}` cannot be reached: {detail}; see that it runs and listens there"
    )]
    Unreachable {
        /// Where it should have been.
        address: String,
        /// What the system says.
        detail: String,
    },
    /// The server does not know this client.
    #[error("`{address}` does not let this client in: {detail}; {remedy}")]
    Unauthorized {
        /// Where.
        address: String,
        /// What the server says.
        detail: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The manager understood the request, and does not do it.
    #[error("the RE Manager refused `{method}`: {message}; {}", kind.remedy())]
    Refused {
        /// What was asked for.
        method: Method,
        /// The manager's own words, without the submitted plan.
        message: String,
        /// What they mean.
        kind: RefusalKind,
    },
    /// The server does not have the method.
    #[error("`{method}` is not to be had: {detail}")]
    Unsupported {
        /// What was asked for.
        method: Method,
        /// Why, and what to do.
        detail: String,
    },
    /// The reply cannot be understood.
    #[error("the reply to `{method}` cannot be understood: {what}")]
    Protocol {
        /// What was asked for.
        method: Method,
        /// What was expected, what was found and what to do.
        what: String,
    },
    /// What was waited for did not come about.
    #[error(
        "the deadline passed; the RE Manager is `{}`, its RunEngine `{}`, its environment {}",
        status.manager_state,
        status.re_state.as_ref().map_or("absent", |state| state.as_str()),
        if status.worker_environment_exists { "open" } else { "not open" }
    )]
    DeadlinePassed {
        /// The last status that was seen.
        status: Box<Status>,
    },
}

impl ManagerError {
    /// Whether the same call may work later without anybody doing anything. A call that
    /// [may have been executed](Self::may_have_been_executed) is not to be repeated before the queue and the history
    /// have been looked at.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::ConnectionLost { .. }
            | Self::Unreachable { .. }
            | Self::DeadlinePassed { .. } => true,
            Self::Refused { kind, .. } => kind.is_transient(),
            Self::Misconfigured { .. }
            | Self::InvalidItem { .. }
            | Self::Unauthorized { .. }
            | Self::Unsupported { .. }
            | Self::Protocol { .. } => false,
        }
    }

    /// Whether the call may have had its effect, or may still have it, although it failed.
    pub fn may_have_been_executed(&self) -> bool {
        match self {
            Self::Timeout { may_have_been_executed, .. }
            | Self::ConnectionLost { may_have_been_executed, .. } => *may_have_been_executed,
            Self::Protocol { method, .. } => !method.is_read(),
            Self::Misconfigured { .. }
            | Self::InvalidItem { .. }
            | Self::Unreachable { .. }
            | Self::Unauthorized { .. }
            | Self::Refused { .. }
            | Self::Unsupported { .. }
            | Self::DeadlinePassed { .. } => false,
        }
    }
}

fn remedy(may_have_been_executed: bool) -> &'static str {
    if may_have_been_executed {
        "the request may still be carried out: look at the queue and the history before sending it again"
    } else {
        "it had no effect and may be tried again"
    }
}
