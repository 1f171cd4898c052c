//! Objects that the module returns to JavaScript, and the server as JSON.
//!
//! Every type is first converted to a [`Value`], so that serde is compiled for one type only. Objects are maps,
//! because `serde-wasm-bindgen` would need a hash table for the member names of structs.

use serde::{Serialize, Serializer};

/// A JSON value.
pub(crate) enum Value<'a> {
    Null,
    Flag(bool),
    Number(f64),
    Text(&'a str),
    List(Vec<Self>),
    Object(Members<'a>),
}

/// The members of an object, in order.
#[derive(Default)]
pub(crate) struct Members<'a>(Vec<(&'static str, Value<'a>)>);

// One function for all members, to keep the module small.
impl<'a> Members<'a> {
    #[inline(never)]
    pub(crate) fn push(&mut self, name: &'static str, value: Value<'a>) {
        self.0.push((name, value));
    }

    #[inline(never)]
    pub(crate) fn text(&mut self, name: &'static str, text: &'a str) {
        self.push(name, Value::Text(text));
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                serializer.collect_map(members.0.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

/// A type that can be a member of an object.
pub(crate) trait IntoValue<'a>: Sized {
    fn into_value(self) -> Value<'a>;

    /// Adds it as a member.
    fn put(self, members: &mut Members<'a>, name: &'static str) {
        members.push(name, self.into_value());
    }
}

impl<'a> IntoValue<'a> for bool {
    fn into_value(self) -> Value<'a> {
        Value::Flag(self)
    }
}

impl<'a> IntoValue<'a> for f64 {
    fn into_value(self) -> Value<'a> {
        Value::Number(self)
    }
}

impl<'a> IntoValue<'a> for u32 {
    fn into_value(self) -> Value<'a> {
        Value::Number(self.into())
    }
}

impl<'a> IntoValue<'a> for u16 {
    fn into_value(self) -> Value<'a> {
        Value::Number(self.into())
    }
}

impl<'a> IntoValue<'a> for &'a str {
    fn into_value(self) -> Value<'a> {
        Value::Text(self)
    }

    fn put(self, members: &mut Members<'a>, name: &'static str) {
        members.text(name, self);
    }
}

impl<'a> IntoValue<'a> for &'a &'a str {
    fn into_value(self) -> Value<'a> {
        Value::Text(self)
    }
}

impl<'a> IntoValue<'a> for &'a String {
    fn into_value(self) -> Value<'a> {
        Value::Text(self)
    }

    fn put(self, members: &mut Members<'a>, name: &'static str) {
        members.text(name, self);
    }
}

impl<'a> IntoValue<'a> for Value<'a> {
    fn into_value(self) -> Self {
        self
    }
}

impl<'a, T> IntoValue<'a> for &'a Option<T>
where
    &'a T: IntoValue<'a>,
{
    fn into_value(self) -> Value<'a> {
        self.as_ref().map_or(Value::Null, IntoValue::into_value)
    }

    #[inline(never)]
    fn put(self, members: &mut Members<'a>, name: &'static str) {
        match self {
            Some(value) => value.put(members, name),
            None => members.push(name, Value::Null),
        }
    }
}

impl<'a, T> IntoValue<'a> for &'a [T]
where
    &'a T: IntoValue<'a>,
{
    fn into_value(self) -> Value<'a> {
        Value::List(self.iter().map(IntoValue::into_value).collect())
    }
}

impl<'a, T> IntoValue<'a> for &'a Vec<T>
where
    &'a T: IntoValue<'a>,
{
    fn into_value(self) -> Value<'a> {
        self.as_slice().into_value()
    }
}

/// Implements the conversion of a type: `"name" = value`, or `"name" ? option` for a member that can be missing.
macro_rules! object {
    ($type:ident $(<$lifetime:lifetime>)?, $this:ident, { $($name:literal $kind:tt $value:expr),+ $(,)? }) => {
        impl<'a> $crate::object::IntoValue<'a> for &'a $type $(<$lifetime>)? {
            fn into_value(self) -> $crate::object::Value<'a> {
                let $this = self;
                let mut members = $crate::object::Members::default();
                $($crate::object::object!(@member members, $name, $kind $value);)+
                $crate::object::Value::Object(members)
            }
        }

        impl serde::Serialize for $type $(<$lifetime>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::object::IntoValue::into_value(self).serialize(serializer)
            }
        }
    };
    (@member $members:ident, $name:literal, = $value:expr) => {
        $crate::object::IntoValue::put($value, &mut $members, $name)
    };
    (@member $members:ident, $name:literal, ? $value:expr) => {
        if let Some(value) = $value {
            $crate::object::IntoValue::put(value, &mut $members, $name);
        }
    };
}

pub(crate) use object;

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    struct Inner(u16);
    object!(Inner, inner, { "of" = inner.0 });

    struct Outer {
        inner: Vec<Inner>,
        missing: Option<String>,
    }
    object!(Outer, outer, {
        "inner" = &outer.inner,
        "missing" = &outer.missing,
        "left_out" ? outer.missing.as_deref(),
        "there" ? outer.inner.first(),
        "said" = "yes",
        "so" = true,
    });

    #[test]
    fn an_object_is_written_with_its_members_but_those_left_out() {
        let outer = Outer {
            inner: vec![Inner(1), Inner(2)],
            missing: None,
        };
        assert_eq!(
            serde_json::to_string(&outer).unwrap(),
            r#"{"inner":[{"of":1.0},{"of":2.0}],"missing":null,"there":{"of":1.0},"said":"yes","so":true}"#
        );
    }
}
