//! What an API key may do. Each operation of the contract names the scope that it needs, and the server reads it there.

use std::fmt;
use std::str::FromStr;

macro_rules! scopes {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        /// What a key may do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Scope { $($(#[doc = $doc])+ $name,)+ }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name in the contract, in commands and in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it allows, for the documentation.
            #[cfg(test)]
            const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

scopes! {
    /// Opens and shows sessions.
    Sessions = "sessions";
    /// Stores, changes and deletes cards, and erases customers.
    Tokens = "tokens";
    /// Makes payments, captures authorized ones and looks unknown ones up.
    Charge = "charge";
    /// Voids and refunds payments.
    Refund = "refund";
    /// Lists and shows payments, stored cards and events.
    Read = "read";
    /// Everything, also what no other scope allows: settling unknown payments by hand, sending events again, the audit log.
    Admin = "admin";
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether a key with these scopes may do what needs `scope`.
    #[must_use]
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & (Self::of(scope).0 | Self::of(Scope::Admin).0) != 0
    }

    /// One scope.
    #[must_use]
    pub const fn of(scope: Scope) -> Self {
        Self(1 << scope as u8)
    }
}

/// A text is not a list of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scopes are sessions, tokens, charge, refund, read and admin, separated by commas")]
pub struct InvalidScopes;

impl FromStr for Scopes {
    type Err = InvalidScopes;

    fn from_str(text: &str) -> Result<Self, InvalidScopes> {
        text.split(',').try_fold(Self::default(), |all, word| {
            let scope = Scope::ALL.iter().find(|scope| scope.as_str() == word);
            Ok(Self(all.0 | Self::of(*scope.ok_or(InvalidScopes)?).0))
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for scope in Scope::ALL
            .iter()
            .filter(|scope| self.0 & Self::of(**scope).0 != 0)
        {
            if !first {
                f.write_str(",")?;
            }
            f.write_str(scope.as_str())?;
            first = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_as_they_are_read() {
        for text in ["sessions", "tokens,charge,refund,read", "sessions,admin"] {
            assert_eq!(text.parse::<Scopes>().unwrap().to_string(), text);
        }
        assert_eq!(
            "read,charge,read".parse::<Scopes>().unwrap().to_string(),
            "charge,read"
        );
        for text in ["", ",", "read,", "read, charge", "Read", "all"] {
            assert_eq!(text.parse::<Scopes>(), Err(InvalidScopes), "{text}");
        }
    }

    #[test]
    fn only_admin_allows_what_it_does_not_name() {
        for scope in Scope::ALL {
            for needed in Scope::ALL {
                let allowed = scope == needed || *scope == Scope::Admin;
                assert_eq!(Scopes::of(*scope).allow(*needed), allowed, "{scope:?} {needed:?}");
            }
        }
        assert!(!Scopes::default().allow(Scope::Read));
    }

    #[test]
    fn the_documentation_lists_every_scope() {
        let page = include_str!("../../docs/server.md");
        for scope in Scope::ALL {
            let row = format!("| `{}` | {} |", scope.as_str(), scope.meaning().trim());
            assert!(page.contains(&row), "docs/server.md needs\n{row}");
        }
    }
}
