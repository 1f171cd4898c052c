//! How a client's wire types are written down: every member can be missing, and `Debug` shows what the log would show.

/// Makes a type of each object: its members in camel case, what is not named in `more`, and a `Debug` that conceals.
macro_rules! objects {
    ($($(#[$about:meta])+ $name:ident { $($(#[$of:meta])* $field:ident: $kind:ty,)* })+) => {
        $($(#[$about])+
        #[derive(Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $(
                #[doc = concat!("The platform's `", stringify!($field), "`.")]
                $(#[$of])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$kind>,
            )*
            /// Members that have no field here.
            #[serde(flatten)]
            pub more: serde_json::Map<String, serde_json::Value>,
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let shown = serde_json::to_value(self).map(|value| $crate::worldline::obfuscate::json(&value)).unwrap_or_default();
                write!(f, concat!(stringify!($name), " {}"), shown)
            }
        })+
    };
}

pub(crate) use objects;
