//! 3-D Secure before a charge, in terms that fit every platform: one asks whether the card takes part, has the browser
//! take steps, and asks the platform for the result. What the browser brings back decides nothing.

use std::net::IpAddr;

use secrecy::SecretString;

use crate::amount::Amount;

/// An authentication of the holder of a stored card, for one charge.
pub struct AuthenticationParams<'a> {
    /// The platform's token.
    pub token: &'a SecretString,
    /// The amount of the charge.
    pub amount: &'a Amount,
    /// Our unguessable reference, which the platform's answers have to repeat.
    pub reference: &'a str,
    /// Our id of it, for platforms that recognize a repeat by its key.
    pub attempt: &'a str,
    /// What the merchant prefers.
    pub preference: Preference,
}

/// Whether the merchant wants the issuer to ask the customer. The issuer decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// None.
    #[default]
    None,
    /// Rather not.
    NoChallenge,
    /// Rather yes.
    Challenge,
    /// Yes, for example because the law wants it when a card is stored.
    ChallengeMandated,
}

/// What a browser tells of itself. It only helps the issuer to decide whether to ask.
pub struct BrowserData {
    /// Its header `Accept`.
    pub accept_header: String,
    /// Its header `User-Agent`.
    pub user_agent: String,
    /// Its address.
    pub ip: IpAddr,
    /// Its language, such as `en-US`.
    pub language: String,
    /// Bits for each pixel.
    pub color_depth: u8,
    /// In pixels.
    pub screen_width: u32,
    /// In pixels.
    pub screen_height: u32,
    /// Minutes that UTC is ahead of the browser's clock, as JavaScript counts them.
    pub timezone_offset: i16,
    /// Whether it runs Java.
    pub java_enabled: bool,
    /// The size of the frame for the issuer's page.
    pub window: ChallengeWindow,
    /// Whether the issuer could look at it.
    pub method: MethodOutcome,
}

/// The sizes that EMV 3-D Secure knows, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChallengeWindow {
    /// 250 by 400.
    W250H400,
    /// 390 by 400.
    W390H400,
    /// 500 by 600.
    W500H600,
    /// 600 by 400.
    W600H400,
    /// The whole screen.
    #[default]
    FullScreen,
}

/// What became of the frame in which the issuer looks at the browser: see [`Authentication::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodOutcome {
    /// The issuer's page said that it is done.
    Completed,
    /// It did not within its time.
    Failed,
    /// There was no such step.
    Unavailable,
}

/// How far an authentication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationStatus {
    /// The card does not take part.
    NotEnrolled,
    /// The card takes part; the browser's data is next.
    Available,
    /// The issuer asks the customer.
    Challenge,
    /// The customer is the holder of the card.
    Authenticated,
    /// The issuer could not tell, and answers for it.
    Attempted,
    /// The customer is not, gave up, or the issuer refuses.
    Failed,
}

/// What the page has to do next, in a frame.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserStep {
    /// What the form is sent to.
    pub url: String,
    /// The name of its only field.
    pub field: &'static str,
    /// The value of it.
    pub value: String,
}

/// An authentication, as the platform tells it.
pub struct Authentication {
    /// What the gateway needs for the next call and for the charge, the proof of it included. The server stores it and
    /// shows it to nobody.
    pub state: SecretString,
    /// How far it is.
    pub status: AuthenticationStatus,
    /// With [`AuthenticationStatus::Available`], a frame that nobody sees and in which the issuer looks at the browser;
    /// with [`AuthenticationStatus::Challenge`], the issuer's page.
    pub step: Option<BrowserStep>,
    /// The brand's number for the result.
    pub eci: Option<String>,
    /// The version of the protocol.
    pub version: Option<String>,
    /// Whether the issuer answers for a charge that its customer denies, as the platform says.
    pub liability_shift: bool,
}
