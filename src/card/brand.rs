//! Card brands by BIN range.
//!
//! A number has *candidates*, not one brand: co-badged cards belong to two schemes, ranges overlap, and the first
//! digits can fit several brands. The ranges are published by the schemes unless a brand says otherwise. Issuers
//! get new ranges all the time, so a number without candidates is not invalid.
//!
//! Three lists are incomplete. Cartes Bancaires publishes no ranges, so the list has well-known ones of its
//! issuers. Troy does not publish the small ranges starting with 65 that it shares with Discover. RuPay cards that
//! are shared with JCB count as JCB. Such cards are accepted, with Discover or JCB as their candidate.

use crate::object::{IntoValue, Value};

macro_rules! brands {
    ($($(#[doc = $doc:literal])+ $name:ident = $id:literal, lengths $lengths:expr, cvc $cvc:literal, luhn $luhn:literal,
        [$($range:tt)+];)+) => {
        /// A card brand.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Brand { $($(#[doc = $doc])+ $name,)+ }

        impl Brand {
            /// Every brand.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Every id as a type of TypeScript.
            pub const TYPESCRIPT: &'static str = concat!(
                "/** A card brand. Co-badged cards have several. */\nexport type Brand =",
                $("\n  | \"", $id, "\"",)+ ";\n"
            );

            /// The id in JavaScript and JSON.
            #[must_use]
            pub const fn id(self) -> &'static str {
                self.facts().id
            }

            const fn facts(self) -> &'static Facts {
                match self {
                    $(Self::$name => &Facts {
                        id: $id, lengths: &$lengths, cvc: $cvc, luhn: $luhn, ranges: brands!(@ranges $($range)+),
                    },)+
                }
            }
        }
    };
    (@ranges $($low:literal $(..= $high:literal)?),+ $(,)?) => {
        concat!($(stringify!($low), $("-", stringify!($high),)? ",",)+)
    };
}

struct Facts {
    id: &'static str,
    lengths: &'static [u8],
    cvc: u8,
    luhn: bool,
    /// First and last prefix of each range, of the same length, each followed by a comma. Strings of digits of the
    /// same length compare like numbers, and a table of strings makes the module smaller.
    ranges: &'static str,
}

brands! {
    /// Visa.
    Visa = "visa", lengths [13, 16, 18, 19], cvc 3, luhn true, [4];
    /// Mastercard, the 2-series included.
    Mastercard = "mastercard", lengths [16], cvc 3, luhn true, [51..=55, 2221..=2720];
    /// American Express.
    Amex = "amex", lengths [15], cvc 4, luhn true, [34, 37];
    /// Discover; 622126 to 622925 is shared with UnionPay.
    Discover = "discover", lengths [16, 17, 18, 19], cvc 3, luhn true, [6011, 644..=649, 65, 622126..=622925];
    /// Diners Club.
    Diners = "diners", lengths [14, 15, 16, 17, 18, 19], cvc 3, luhn true, [300..=305, 3095, 36, 38..=39];
    /// JCB.
    Jcb = "jcb", lengths [16, 17, 18, 19], cvc 3, luhn true, [3528..=3589];
    /// UnionPay. Some of its issuers' numbers have no valid check digit.
    UnionPay = "unionpay", lengths [14, 15, 16, 17, 18, 19], cvc 3, luhn false, [62, 8100..=8171];
    /// Verve. The ranges are from public lists (`credit-card-type` has some of them), not from the scheme. They are
    /// within Maestro's and Discover's ranges.
    Verve = "verve", lengths [16, 18, 19], cvc 3, luhn true, [506099..=506198, 507865..=507964, 650002..=650027];
    /// RuPay. The ranges are from public lists, not from the scheme; few of them have 817200 to 820199. They are
    /// partly within Maestro's and Discover's ranges.
    RuPay = "rupay", lengths [16], cvc 3, luhn true,
        [508500..=508999, 606985..=607984, 608001..=608500, 652150..=653149, 817200..=820199];
    /// Troy: 9, which ISO/IEC 7812 leaves to each country, and Turkey's number 792. Not complete: see the module.
    Troy = "troy", lengths [16], cvc 3, luhn true, [9792];
    /// Maestro.
    Maestro = "maestro", lengths [12, 13, 14, 15, 16, 17, 18, 19], cvc 3, luhn true,
        [500000..=504174, 504176..=506698, 506779..=508999, 56..=59, 61, 63, 67, 690000..=699999, 493698];
    /// Elo.
    Elo = "elo", lengths [16], cvc 3, luhn true,
        [401178..=401179, 431274, 438935, 451416, 457393, 457631..=457632, 504175, 506699..=506778,
         509000..=509999, 627780, 636297, 636368, 650031..=650033, 650035..=650051, 650405..=650439,
         650485..=650538, 650541..=650598, 650700..=650718, 650720..=650727, 650901..=650978,
         651652..=651679, 655000..=655019, 655021..=655058];
    /// Mir.
    Mir = "mir", lengths [16, 17, 18, 19], cvc 3, luhn true, [2200..=2204];
    /// Hipercard.
    Hipercard = "hipercard", lengths [13, 16, 19], cvc 3, luhn true,
        [606282, 384100, 384140, 384160, 637095, 637568, 637599, 637600, 637609, 637612];
    /// Cartes Bancaires, co-badged with Visa or Mastercard. Not a complete list: see the module.
    CartesBancaires = "cartes_bancaires", lengths [16], cvc 3, luhn true,
        [400000250000..=400000250099, 403550, 4150, 436000, 4533, 4561, 497, 4984, 5017, 513,
         555555250000..=555555250099, 581752];
    /// Bancontact, alone or co-badged with Maestro or Visa.
    Bancontact = "bancontact", lengths [16, 17, 18, 19], cvc 3, luhn true, [6703, 479658, 606005];
    /// Dankort, alone or co-badged with Visa.
    Dankort = "dankort", lengths [16], cvc 3, luhn true, [5019, 4571];
}

impl<'a> IntoValue<'a> for &'a Brand {
    fn into_value(self) -> Value<'a> {
        Value::Text(self.id())
    }
}

impl Brand {
    /// How many digits a number of this brand can have, ascending.
    #[must_use]
    pub const fn lengths(self) -> &'static [u8] {
        self.facts().lengths
    }

    /// The lengths that any of these brands can have, as a set of bits.
    pub(crate) fn lengths_of(brands: &[Self]) -> u32 {
        let mut lengths = 0;
        for brand in brands {
            for length in brand.lengths() {
                lengths |= 1 << length;
            }
        }
        lengths
    }

    /// How many digits the security code has.
    #[must_use]
    pub const fn cvc_length(self) -> u8 {
        self.facts().cvc
    }

    /// Whether every number of the brand passes the Luhn check.
    #[must_use]
    pub const fn has_check_digit(self) -> bool {
        self.facts().luhn
    }

    /// Returns every brand that fits a number or its first digits. The longest matching prefix comes first; of the
    /// same length, the order is that of the table.
    #[must_use]
    pub fn candidates(digits: &str) -> Vec<Self> {
        let mut found: Vec<(usize, Self)> = Vec::new();
        for brand in Self::ALL {
            let width = matching(digits.as_bytes(), brand.facts().ranges.as_bytes());
            if width > 0 {
                let place = found
                    .iter()
                    .position(|(narrower, _)| *narrower < width)
                    .unwrap_or(found.len());
                found.insert(place, (width, *brand));
            }
        }
        found.into_iter().map(|(_, brand)| brand).collect()
    }
}

/// Returns the length of the longest matching prefix, or zero. A number that is shorter than a prefix matches if
/// further digits can complete it.
fn matching(digits: &[u8], ranges: &[u8]) -> usize {
    let mut widest = 0;
    for range in ranges.split(|byte| *byte == b',') {
        let mut ends = range.split(|byte| *byte == b'-');
        let low = ends.next().unwrap_or_default();
        let high = ends.next().unwrap_or(low);
        let seen = digits.len().min(low.len());
        if digits.get(..seen) >= low.get(..seen) && digits.get(..seen) <= high.get(..seen) {
            widest = widest.max(seen);
        }
    }
    widest
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn ids(digits: &str) -> Vec<&'static str> {
        Brand::candidates(digits).into_iter().map(Brand::id).collect()
    }

    #[test]
    fn knows_the_brands_by_range() {
        for (digits, brand) in [
            ("4242424242424242", "visa"),
            ("5555555555554444", "mastercard"),
            ("2221000000000009", "mastercard"),
            ("2720990000000007", "mastercard"),
            ("378282246310005", "amex"),
            ("6011111111111117", "discover"),
            ("30569309025904", "diners"),
            ("3530111333300000", "jcb"),
            ("6759649826438453", "maestro"),
            ("2200000000000004", "mir"),
            ("6062825624254001", "hipercard"),
            ("6069850000000003", "rupay"),
            ("6079840000000000", "rupay"),
            ("6080010000000000", "rupay"),
            ("6085000000000000", "rupay"),
            ("8172000000000000", "rupay"),
            ("8201990000000000", "rupay"),
            ("9792000000000001", "troy"),
            ("9792999999999999", "troy"),
        ] {
            assert_eq!(ids(digits), [brand], "{digits}");
        }
    }

    #[test]
    fn gives_every_candidate_of_a_co_badged_card() {
        assert_eq!(ids("4571000000000001"), ["dankort", "visa"]);
        assert_eq!(ids("4970105181854329"), ["cartes_bancaires", "visa"]);
        assert_eq!(ids("5131011110000000"), ["cartes_bancaires", "mastercard"]);
        assert_eq!(ids("6703444444444449"), ["bancontact", "maestro"]);
        assert_eq!(ids("6221260000000000"), ["discover", "unionpay"]);
        assert_eq!(ids("6362970000457013"), ["elo", "maestro"]);
        assert_eq!(ids("5066991111111118"), ["elo"]);
        assert_eq!(ids("5085000000000000"), ["rupay", "maestro"]);
        assert_eq!(ids("6521500000000000"), ["rupay", "discover"]);
        assert_eq!(ids("6531490000000000"), ["rupay", "discover"]);
        assert_eq!(ids("5060990000000000"), ["verve", "maestro"]);
        assert_eq!(ids("5061989999999999999"), ["verve", "maestro"]);
        assert_eq!(ids("5078650000000000"), ["verve", "maestro"]);
        assert_eq!(ids("6500020000000000"), ["verve", "discover"]);
        assert_eq!(ids("6500279999999999"), ["verve", "discover"]);
    }

    #[test]
    fn the_neighbours_of_a_range_are_not_of_the_brand() {
        for (brand, outside) in [
            (
                "verve",
                &["506098", "506199", "507864", "507965", "650001", "650028"][..],
            ),
            (
                "rupay",
                &[
                    "508499", "509000", "606984", "607985", "608000", "608501", "652149", "653150", "817199",
                    "820200",
                ],
            ),
            ("troy", &["9791", "9793", "65"]),
        ] {
            for digits in outside {
                assert!(!ids(digits).contains(&brand), "{digits}");
            }
        }
        assert_eq!(ids("8171"), ["unionpay"]);
        assert_eq!(ids("8172"), ["rupay"]);
    }

    #[test]
    fn the_beginning_of_a_number_may_still_become_several() {
        assert_eq!(ids("5060"), ["verve", "maestro"]);
        assert_eq!(ids("506"), ["verve", "maestro", "elo"]);
        assert_eq!(ids("97"), ["troy"]);
        assert_eq!(ids("81"), ["unionpay", "rupay"]);
    }

    #[test]
    fn keeps_the_two_series_apart_from_mir() {
        assert_eq!(ids("2204"), ["mir"]);
        assert_eq!(ids("2220"), [""; 0]);
        assert_eq!(ids("2221"), ["mastercard"]);
        assert_eq!(ids("2720"), ["mastercard"]);
        assert_eq!(ids("2721"), [""; 0]);
        assert_eq!(ids("22"), ["mastercard", "mir"]);
    }

    #[test]
    fn says_nothing_of_an_empty_number() {
        assert!(ids("").is_empty());
        assert!(ids("7").is_empty());
    }
}
