//! SQLite's SQL as PostgreSQL reads it. Statements are translated when the program is compiled, so that there is one
//! text for both and nothing is put together at run time. Where that is not enough, a statement declares two texts.

/// What PostgreSQL writes in another way.
const WORDS: &[(&str, &str)] = &[
    // `seq` numbers the rows of tables that have no number of their own.
    ("rowid", "seq"),
    // To SQLite this is also an order, in which it reads the tables.
    ("CROSS JOIN", "JOIN"),
];

/// Functions that have other names there: what begins a call, what it becomes, and what ends it.
const CALLS: &[(&str, &str, &str)] = &[
    ("json_each(", "unnest(", ") AS value"),
    ("unhex(", "decode(", ", 'hex')"),
];

/// A text of at most `N` bytes; of a longer one, only the length.
struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    const fn push(&mut self, byte: u8) {
        if self.length < N {
            self.bytes[self.length] = byte;
        }
        self.length += 1;
    }

    const fn push_text(&mut self, text: &str) {
        let mut at = 0;
        while at < text.len() {
            self.push(text.as_bytes()[at]);
            at += 1;
        }
    }

    const fn push_number(&mut self, number: usize) {
        if number >= 10 {
            self.push_number(number / 10);
        }
        self.push(b'0' + (number % 10) as u8);
    }
}

const fn begins(text: &[u8], at: usize, with: &str) -> bool {
    if text.len() - at < with.len() {
        return false;
    }
    let mut index = 0;
    while index < with.len() {
        if text[at + index] != with.as_bytes()[index] {
            return false;
        }
        index += 1;
    }
    true
}

const fn translated<const N: usize>(statement: &str) -> Text<N> {
    let from = statement.as_bytes();
    let mut to = Text {
        bytes: [0; N],
        length: 0,
    };
    let (mut at, mut largest) = (0, 0);
    let mut end_of_call: Option<&str> = None;
    'next: while at < from.len() {
        // `?` follows the parameter with the largest number so far, as in SQLite.
        if from[at] == b'?' {
            at += 1;
            let mut number = 0;
            while at < from.len() && from[at].is_ascii_digit() {
                number = number * 10 + (from[at] - b'0') as usize;
                at += 1;
            }
            if number == 0 {
                number = largest + 1;
            }
            if number > largest {
                largest = number;
            }
            to.push(b'$');
            to.push_number(number);
            continue;
        }
        let mut index = 0;
        while index < WORDS.len() {
            let (word, other) = WORDS[index];
            if begins(from, at, word) {
                to.push_text(other);
                at += word.len();
                continue 'next;
            }
            index += 1;
        }
        index = 0;
        while index < CALLS.len() {
            let (call, other, end) = CALLS[index];
            if begins(from, at, call) {
                to.push_text(other);
                end_of_call = Some(end);
                at += call.len();
                continue 'next;
            }
            index += 1;
        }
        match end_of_call {
            Some(end) if from[at] == b')' => {
                to.push_text(end);
                end_of_call = None;
            }
            _ => to.push(from[at]),
        }
        at += 1;
    }
    to
}

/// How many bytes a statement has in PostgreSQL's form.
pub(super) const fn length(statement: &str) -> usize {
    translated::<0>(statement).length
}

/// A statement in PostgreSQL's form. `N` is its [`length`].
pub(super) const fn bytes<const N: usize>(statement: &str) -> [u8; N] {
    translated(statement).bytes
}

/// The text of these bytes, of which only ASCII was replaced by ASCII.
#[expect(clippy::panic, reason = "it fails when the program is compiled")]
pub(super) const fn text(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("not a text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(statement: &str) -> String {
        let text = translated::<1000>(statement);
        String::from_utf8(text.bytes[..text.length].to_vec()).unwrap()
    }

    #[test]
    fn parameters_are_numbered_as_sqlite_numbers_them() {
        assert_eq!(
            translate("VALUES (?, ?, ?2, ?, ?10, ?10, ?)"),
            "VALUES ($1, $2, $2, $3, $10, $10, $11)"
        );
    }

    #[test]
    fn words_and_calls_are_replaced() {
        assert_eq!(
            translate("id NOT IN (SELECT value FROM json_each(?4)) AND x = unhex(y) OR (rowid > ?)"),
            "id NOT IN (SELECT value FROM unnest($4) AS value) AND x = decode(y, 'hex') OR (seq > $5)"
        );
        assert_eq!(translate("a CROSS JOIN b"), "a JOIN b");
        assert_eq!(length("?"), 2);
    }
}
