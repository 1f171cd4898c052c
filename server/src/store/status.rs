//! Statuses, as rows and as answers have them.

/// Declares a status: each with its name in the database, and the one in JSON.
macro_rules! statuses {
    ($(#[doc = $type_doc:literal])+ $type:ident { $($(#[doc = $doc:literal])+ $name:ident = $stored:literal, $shown:literal;)+ }) => {
        $(#[doc = $type_doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($(#[doc = $doc])+ $name,)+ }

        impl $type {
            /// Every status.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name in the database.
            #[must_use]
            pub const fn stored(self) -> &'static str {
                match self { $(Self::$name => $stored,)+ }
            }

            /// The name in JSON, where whatever is in flight is `unknown`.
            #[must_use]
            pub const fn shown(self) -> &'static str {
                match self { $(Self::$name => $shown,)+ }
            }

            pub(in crate::store) fn read(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.stored() == text)
            }
        }
    };
}

pub(super) use statuses;
