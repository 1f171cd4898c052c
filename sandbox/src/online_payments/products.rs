//! The card products: which card belongs to which, and how a page asks for it.
//!
//! The shape is that of the platform's own client library and its tests. The numbers are the platform's; which
//! digits belong to which brand is common knowledge of the card networks. Other kinds of products are not simulated.

use serde_json::{Map, Value, json};

/// A card brand.
pub(crate) struct Product {
    pub(crate) id: u32,
    pub(crate) label: &'static str,
    /// Name of the network.
    pub(crate) scheme: &'static str,
    /// First digits, from and to, of the same length.
    ranges: &'static [(&'static str, &'static str)],
    lengths: (usize, usize),
    mask: &'static str,
    cvv_digits: usize,
}

const MASK_OF_FOURS: &str = "{{9999}} {{9999}} {{9999}} {{9999}} {{999}}";
const MASK_OF_SIXTEEN: &str = "{{9999}} {{9999}} {{9999}} {{9999}}";

/// Cartes Bancaires: besides the brand on the same card.
pub(crate) const CARTES_BANCAIRES: u32 = 130;

/// In the order of their numbers; where ranges overlap, the longest first digits win.
pub(crate) const ALL: [Product; 8] = [
    Product {
        id: 1,
        label: "VISA",
        scheme: "Visa",
        ranges: &[("4", "4")],
        lengths: (13, 19),
        mask: MASK_OF_FOURS,
        cvv_digits: 3,
    },
    Product {
        id: 2,
        label: "American Express",
        scheme: "AmericanExpress",
        ranges: &[("34", "34"), ("37", "37")],
        lengths: (15, 15),
        mask: "{{9999}} {{999999}} {{99999}}",
        cvv_digits: 4,
    },
    Product {
        id: 3,
        label: "Mastercard",
        scheme: "Mastercard",
        ranges: &[("51", "55"), ("2221", "2720")],
        lengths: (16, 16),
        mask: MASK_OF_SIXTEEN,
        cvv_digits: 3,
    },
    Product {
        id: 117,
        label: "Maestro",
        scheme: "Mastercard",
        ranges: &[("50", "50"), ("56", "59"), ("61", "63"), ("66", "69")],
        lengths: (12, 19),
        mask: MASK_OF_FOURS,
        cvv_digits: 3,
    },
    Product {
        id: 125,
        label: "JCB",
        scheme: "Jcb",
        ranges: &[("3528", "3589")],
        lengths: (16, 19),
        mask: MASK_OF_FOURS,
        cvv_digits: 3,
    },
    Product {
        id: 128,
        label: "Discover",
        scheme: "DinersDiscover",
        ranges: &[("6011", "6011"), ("644", "649"), ("65", "65")],
        lengths: (16, 19),
        mask: MASK_OF_FOURS,
        cvv_digits: 3,
    },
    Product {
        id: CARTES_BANCAIRES,
        label: "Carte Bancaire",
        scheme: "Cb",
        ranges: &[],
        lengths: (16, 16),
        mask: MASK_OF_SIXTEEN,
        cvv_digits: 3,
    },
    Product {
        id: 132,
        label: "Diners Club",
        scheme: "DinersDiscover",
        ranges: &[("300", "305"), ("36", "36"), ("38", "39")],
        lengths: (14, 19),
        mask: "{{9999}} {{999999}} {{9999}}",
        cvv_digits: 3,
    },
];

pub(crate) fn by_id(id: u32) -> Option<&'static Product> {
    ALL.iter().find(|product| product.id == id)
}

/// The brand of a card by its first digits.
pub(crate) fn by_digits(digits: &str) -> Option<&'static Product> {
    let fit = |product: &&'static Product| {
        let lengths = product.ranges.iter().filter(|(from, to)| {
            digits
                .get(..from.len())
                .is_some_and(|first| (*from..=*to).contains(&first))
        });
        lengths.map(|(from, _)| from.len()).max()
    };
    ALL.iter()
        .filter_map(|product| Some((fit(&product)?, product)))
        .max_by_key(|(length, _)| *length)
        .map(|(_, product)| product)
}

impl Product {
    pub(crate) fn takes_length(&self, digits: usize) -> bool {
        (self.lengths.0..=self.lengths.1).contains(&digits)
    }

    pub(crate) const fn cvv_digits(&self) -> usize {
        self.cvv_digits
    }

    /// As a page gets it.
    pub(crate) fn json(
        &self,
        position: usize,
        assets: &str,
        with_fields: bool,
        holder_needed: bool,
        accounts_on_file: &[Value],
    ) -> Value {
        let mut product = json!({
            "id": self.id,
            "paymentMethod": "card",
            "paymentProductGroup": "Cards",
            "allowsRecurring": true,
            "allowsTokenization": true,
            "allowsAuthentication": true,
            "usesRedirectionTo3rdParty": false,
            "displayHints": {
                "displayOrder": position,
                "label": self.label,
                "logo": format!("{assets}/products/{}.svg", self.id),
            },
        });
        if let Some(members) = product.as_object_mut() {
            if with_fields {
                members.insert("fields".into(), self.fields(holder_needed));
            }
            if !accounts_on_file.is_empty() {
                members.insert("accountsOnFile".into(), accounts_on_file.into());
            }
        }
        product
    }

    fn fields(&self, holder_needed: bool) -> Value {
        let field = |order: usize, id: &str, kind: &str, needed: bool, validators: Value, hints: Value| {
            let mut display = Map::new();
            display.insert("displayOrder".into(), order.into());
            display.insert("formElement".into(), json!({ "type": "text" }));
            display.insert("obfuscate".into(), (id == "cvv").into());
            display.insert("alwaysShow".into(), (id == "cvv").into());
            if let Value::Object(hints) = hints {
                display.extend(hints);
            }
            json!({
                "id": id,
                "type": kind,
                "dataRestrictions": { "isRequired": needed, "validators": validators },
                "displayHints": display,
            })
        };
        let length = |from: usize, to: usize| json!({ "minLength": from, "maxLength": to });
        let digits = || json!({ "regularExpression": "^[0-9]*$" });
        let cvv_mask = format!("{{{{{}}}}}", "9".repeat(self.cvv_digits));
        json!([
            field(
                0,
                "cardNumber",
                "numericstring",
                true,
                json!({ "length": length(self.lengths.0, self.lengths.1), "luhn": {}, "regularExpression": digits() }),
                json!({ "label": "Card number", "mask": self.mask, "preferredInputType": "IntegerKeyboard" }),
            ),
            field(
                1,
                "cardholderName",
                "string",
                holder_needed,
                json!({ "length": length(2, 50) }),
                json!({ "label": "Cardholder name", "preferredInputType": "StringKeyboard" }),
            ),
            field(
                2,
                "expiryDate",
                "expirydate",
                true,
                json!({
                    "expirationDate": {},
                    "regularExpression": { "regularExpression": "^(0[1-9]|1[0-2])(\\d{4})$" },
                }),
                json!({ "label": "Expiry date", "mask": "{{99}}/{{9999}}", "preferredInputType": "IntegerKeyboard" }),
            ),
            field(
                3,
                "cvv",
                "numericstring",
                true,
                json!({ "length": length(self.cvv_digits, self.cvv_digits), "regularExpression": digits() }),
                json!({ "label": "Card verification value", "mask": cvv_mask, "preferredInputType": "IntegerKeyboard" }),
            ),
        ])
    }

    /// A plain stand-in for the brand's picture.
    pub(crate) fn logo(&self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 120 40\"><rect width=\"120\" height=\"40\" \
             rx=\"4\" fill=\"#eef\"/><text x=\"60\" y=\"24\" font-size=\"12\" text-anchor=\"middle\">{}</text></svg>",
            self.label
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_brands_by_their_first_digits() {
        for (digits, id) in [
            ("4567350000427977", Some(1)),
            ("378282246310005", Some(2)),
            ("5300000000000006", Some(3)),
            ("222100", Some(3)),
            ("272099", Some(3)),
            ("675964", Some(117)),
            ("353011", Some(125)),
            ("601111", Some(128)),
            ("601200", None),
            ("361111", Some(132)),
            ("272100", None),
            ("900000", None),
            ("", None),
        ] {
            assert_eq!(by_digits(digits).map(|product| product.id), id, "{digits}");
        }
    }

    #[test]
    fn describes_a_card_as_the_platforms_own_client_reads_it() {
        let json = by_id(2).unwrap().json(1, "http://x/assets", true, true, &[]);
        assert_eq!(json["id"], 2);
        assert_eq!(
            json["fields"][0]["displayHints"]["mask"],
            "{{9999}} {{999999}} {{99999}}"
        );
        assert_eq!(json["fields"][3]["displayHints"]["mask"], "{{9999}}");
        assert_eq!(
            json["fields"][3]["dataRestrictions"]["validators"]["length"]["maxLength"],
            4
        );
        let ids: Vec<_> = json["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| &field["id"])
            .collect();
        assert_eq!(ids, ["cardNumber", "cardholderName", "expiryDate", "cvv"]);
        assert_eq!(
            by_id(1).unwrap().json(0, "", false, true, &[]).get("fields"),
            None
        );
    }
}
