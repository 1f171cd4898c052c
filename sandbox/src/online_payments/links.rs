//! Payment links: an address that leads a shopper to a hosted checkout. What its events are called, apart from
//! `CANCELLED`, and how long it lasts are choices made here.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::book::Book;
use super::hosted::{Checkout, Progress};
use super::refusal::Refusal;
use super::{Answer, Call, Ledger, OnlinePayments, Reply, addresses, hex_id};
use crate::host::clock;

const ID: &str = "paymentLinkId";
/// Without a word from the merchant.
const LASTS: time::Duration = time::Duration::days(7);

pub(crate) struct Link {
    pub(crate) id: String,
    recipient: Option<String>,
    reusable: bool,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    cancelled_at: Option<OffsetDateTime>,
    /// What each visit starts.
    checkout: Checkout,
    /// The checkouts of the visits.
    visits: Vec<String>,
    /// As base64; nothing if none is to be shown.
    qr_code: Option<String>,
}

impl Link {
    pub(crate) fn status(&self, book: &Book, now: OffsetDateTime) -> &'static str {
        if self.cancelled_at.is_some() {
            "CANCELLED"
        } else if self.paid(book).is_some() && !self.reusable {
            "PAID"
        } else if now >= self.expires_at {
            "EXPIRED"
        } else {
            "ACTIVE"
        }
    }

    /// The last checkout that led to a payment.
    fn paid<'a>(&self, book: &'a Book) -> Option<&'a Checkout> {
        let mut all = book.checkouts.iter().rev();
        all.find(|checkout| checkout.progress == Progress::Paid && self.visits.contains(&checkout.id))
    }

    fn json(&self, book: &Book, now: OffsetDateTime, url: &str) -> Value {
        let paid = self.paid(book);
        let mut events = vec![json!({ "type": "CREATED", "dateTime": clock::text(self.created_at) })];
        if let Some(at) = self.cancelled_at {
            events.push(json!({ "type": "CANCELLED", "dateTime": clock::text(at) }));
        }
        let money = &self.checkout.money;
        json!({
            "paymentLinkId": self.id,
            "status": self.status(book, now),
            "redirectionUrl": url,
            "recipientName": self.recipient,
            "isReusableLink": self.reusable,
            "expirationDate": clock::text(self.expires_at),
            "paymentLinkOrder": {
                "amount": { "amount": money.amount, "currencyCode": money.currency },
                "merchantReference": self.checkout.reference,
            },
            "paymentLinkEvents": events,
            "paymentId": paid.map(|checkout| format!("{}_0", checkout.id)),
            "qrCodeBase64": self.qr_code,
        })
    }
}

impl OnlinePayments {
    pub(crate) fn create_link(&self, ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        const SPECIFIC: &str = "paymentLinkSpecificInput";
        let fields = &call.fields;
        let (checkout, _) = self.checkout_of(ledger, call)?;
        // Newer requests have these members at the top.
        let either = |name: &str| -> Result<Option<(String, &str)>, Refusal> {
            for path in [name.to_owned(), format!("{SPECIFIC}.{name}")] {
                if let Some(text) = fields.text(&path)? {
                    return Ok(Some((path, text)));
                }
            }
            Ok(None)
        };
        let expires_at = match either("expirationDate")? {
            None => call.now + LASTS,
            Some((path, text)) => OffsetDateTime::parse(text, &Rfc3339)
                .ok()
                .filter(|at| *at > call.now)
                .ok_or_else(|| Refusal::invalid(path))?,
        };
        let id = Uuid::new_v4().to_string();
        let url = self.link_url(&id);
        let link = Link {
            recipient: either("recipientName")?.map(|(_, name)| name.to_owned()),
            reusable: fields.flag("isReusableLink")?.unwrap_or(false),
            created_at: call.now,
            expires_at,
            cancelled_at: None,
            checkout,
            visits: Vec::new(),
            qr_code: fields
                .flag("displayQRCode")?
                .unwrap_or(false)
                .then(|| picture(&url))
                .flatten(),
            id,
        };
        let json = link.json(&ledger.book, call.now, &url);
        ledger.book.links.push(link);
        Ok(Reply::created(json))
    }

    pub(crate) fn read_link(&self, ledger: &Ledger, call: &Call<'_>) -> Answer {
        let index = index_of(ledger, call.id)?;
        let link = ledger.book.links.get(index).ok_or_else(unknown)?;
        Ok(Reply::ok(link.json(
            &ledger.book,
            call.now,
            &self.link_url(&link.id),
        )))
    }

    pub(crate) fn cancel_link(ledger: &mut Ledger, call: &Call<'_>) -> Answer {
        let index = index_of(ledger, call.id)?;
        let link = ledger.book.links.get(index).ok_or_else(unknown)?;
        if link.status(&ledger.book, call.now) != "ACTIVE" {
            return Err(Refusal::unnamed(StatusCode::CONFLICT, ID));
        }
        let visits = link.visits.clone();
        for checkout in &mut ledger.book.checkouts {
            if checkout.progress == Progress::Open && visits.contains(&checkout.id) {
                checkout.progress = Progress::Cancelled;
            }
        }
        if let Some(link) = ledger.book.links.get_mut(index) {
            link.cancelled_at = Some(call.now);
        }
        Ok(Reply::nothing())
    }

    /// A shopper follows a link: to which page.
    pub(crate) fn visit(&self, ledger: &mut Ledger, id: &str, now: OffsetDateTime) -> Option<String> {
        let index = index_of(ledger, id).ok()?;
        let link = ledger.book.links.get(index)?;
        if link.status(&ledger.book, now) != "ACTIVE" {
            return None;
        }
        let checkout = Checkout {
            id: self.next_number(),
            mac: Uuid::new_v4().to_string(),
            page: hex_id(),
            expires_at: link.expires_at,
            ..link.checkout.clone()
        };
        let url = self.url(&format!("{}/{}", addresses::CHECKOUT, checkout.page));
        let visit = checkout.id.clone();
        ledger.book.checkouts.push(checkout);
        ledger.book.links.get_mut(index)?.visits.push(visit);
        Some(url)
    }

    fn link_url(&self, id: &str) -> String {
        self.url(&format!("{}/{id}", addresses::LINK))
    }
}

fn unknown() -> Refusal {
    Refusal::unnamed(StatusCode::NOT_FOUND, ID)
}

/// A string that is not an id is refused as such.
fn index_of(ledger: &Ledger, id: &str) -> Result<usize, Refusal> {
    if Uuid::parse_str(id).is_err() {
        return Err(Refusal::invalid(ID));
    }
    let mut links = ledger.book.links.iter();
    links.position(|link| link.id == id).ok_or_else(unknown)
}

/// The QR code of an address as a PNG in base64, with the four light modules around it that readers need.
fn picture(url: &str) -> Option<String> {
    const BORDER: i32 = 4;
    const SCALE: i32 = 4;
    let code = qrcodegen::QrCode::encode_text(url, qrcodegen::QrCodeEcc::Medium).ok()?;
    let side = (code.size() + 2 * BORDER) * SCALE;
    let shades = (0..side * side).map(|index| {
        let (x, y) = ((index % side) / SCALE - BORDER, (index / side) / SCALE - BORDER);
        if code.get_module(x, y) { 0 } else { u8::MAX }
    });
    let shades: Vec<u8> = shades.collect();
    let mut bytes = Vec::new();
    let side = u32::try_from(side).ok()?;
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&shades).ok()?;
    writer.finish().ok()?;
    Some(STANDARD.encode(bytes))
}
