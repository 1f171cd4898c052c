//! Members of an answer in another form than the documented one: such a member costs nothing but itself.
//!
//! A number that stands for a text is read as one. Of what cannot be read there are two kinds: a member that decides
//! nothing is as good as missing, and one that decides is [`UNREADABLE`], which is no word of any platform, so that
//! nothing is approved or declined for the lack of it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What stands for a text that decides and cannot be read.
pub const UNREADABLE: &str = "\u{fffd}";

/// What a member is.
enum Found {
    Nothing,
    Text(String),
    Flag(bool),
    Other,
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Found;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Found, E> {
                Ok(Found::Text(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Found, E> {
                Ok(Found::Text(value.to_string()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Found, E> {
                // JavaScript writes an integral number without a fraction, whatever it was read from.
                Ok(integral(value).map_or(Found::Other, |integer| Found::Text(integer.to_string())))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Found, E> {
                Ok(Found::Text(value.into()))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Found, E> {
                Ok(Found::Flag(value))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Found, E> {
                Ok(Found::Nothing)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found, A::Error> {
                while seq.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Found::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
                while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
                Ok(Found::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The integer that a number is, within 2^53.
pub(crate) fn integral(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked by the way back")]
    let integer = value as i64;
    #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "exact within 2^53")]
    let same = integer as f64 == value && value.abs() < 9_007_199_254_740_992.0;
    same.then_some(integer)
}

/// A text that decides nothing.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Found::deserialize(deserializer)? {
        Found::Text(text) => Some(text),
        Found::Nothing | Found::Flag(_) | Found::Other => None,
    })
}

/// The same where an absent text is an empty one.
pub(crate) fn plain_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer).map(Option::unwrap_or_default)
}

/// A text that decides.
pub(crate) fn deciding_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Found::deserialize(deserializer)? {
        Found::Nothing => None,
        Found::Text(text) => Some(text),
        Found::Flag(_) | Found::Other => Some(UNREADABLE.into()),
    })
}

/// A flag by which something is approved: what cannot be read is no approval.
pub(crate) fn approving_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Found::deserialize(deserializer)? {
        Found::Nothing => None,
        Found::Flag(flag) => Some(flag),
        Found::Text(_) | Found::Other => Some(false),
    })
}

/// A whole number, which may stand as digits.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    text(deserializer)?
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| de::Error::custom("not a number of seconds"))
}

/// What a visitor makes of everything that is no list, no object and not `null`.
macro_rules! scalars {
    ($value:ty, $made:expr) => {
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<$value, E> {
            Ok($made(self))
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<$value, E> {
            Ok($made(self))
        }
        fn visit_f64<E: de::Error>(self, _: f64) -> Result<$value, E> {
            Ok($made(self))
        }
        fn visit_str<E: de::Error>(self, _: &str) -> Result<$value, E> {
            Ok($made(self))
        }
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<$value, E> {
            Ok($made(self))
        }
    };
}

/// An object, or that there is something else in its place.
pub(crate) enum Object<T> {
    /// There is none.
    Missing,
    /// It is something else.
    Unreadable,
    /// It is one.
    Read(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            scalars!(Object<T>, |_| Object::Unreadable);
            fn visit_unit<E: de::Error>(self) -> Result<Object<T>, E> {
                Ok(Object::Missing)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Object<T>, A::Error> {
                while seq.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Object::Unreadable)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Object::Read)
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// An object that decides nothing.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(match Object::deserialize(deserializer)? {
        Object::Read(object) => Some(object),
        Object::Missing | Object::Unreadable => None,
    })
}

/// An object without which there is no answer.
pub(crate) fn needed_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    object(deserializer)?.ok_or_else(|| de::Error::custom("not an object"))
}

/// A list. `made` is given each element, and nothing for what stands there in place of a list.
pub(crate) fn list<'de, Item: Deserialize<'de>, T, D: Deserializer<'de>>(
    deserializer: D,
    made: fn(Option<Item>) -> T,
) -> Result<Vec<T>, D::Error> {
    struct Items<Item, T>(fn(Option<Item>) -> T);
    impl<'de, Item: Deserialize<'de>, T> Visitor<'de> for Items<Item, T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }
        scalars!(Vec<T>, |items: Self| vec![(items.0)(None)]);
        fn visit_unit<E: de::Error>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                items.push((self.0)(Some(item)));
            }
            Ok(items)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
            while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
            Ok(vec![(self.0)(None)])
        }
    }
    deserializer.deserialize_any(Items(made))
}

/// A list of texts that decide.
pub(crate) fn deciding_texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer, |found| match found {
        Some(Found::Text(text)) => text,
        Some(Found::Nothing | Found::Flag(_) | Found::Other) | None => UNREADABLE.into(),
    })
}
