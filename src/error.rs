//! The crate's error type, and the table of its codes.
//!
//! Callers compare and translate the code, which never changes. The message is for developers. Neither contains
//! card data, keys or tokens.

use std::borrow::Cow;
use std::fmt;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $message:literal;)+) => {
        /// What went wrong, as a stable code.
        // A reference to a row, not an enum: a module then contains only the rows of the codes that it uses.
        #[derive(Clone, Copy, Eq)]
        pub struct Code(&'static (&'static str, &'static str));

        #[allow(non_upper_case_globals, reason = "they are used like variants of an enum")]
        impl Code { $($(#[doc = $doc])+ pub const $name: Self = Self(&($code, $message));)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Every code as a type of TypeScript.
            pub const TYPESCRIPT: &'static str =
                concat!("/** Stable codes of {@link CardsealError}. */\nexport type ErrorCode =", $("\n  | \"", $code, "\"",)+ ";\n");

            /// The code in JavaScript and JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                self.0.0
            }

            /// A sentence for developers.
            #[must_use]
            pub const fn message(self) -> &'static str {
                self.0.1
            }
        }
    };
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

codes! {
    /// No public key was given.
    KeyMissing = "key_missing", "no public key was given; set publicKey";
    /// The text is not a key in any accepted form.
    KeyMalformed = "key_malformed", "the public key is not an RSA public key in PEM, base64 or hex";
    /// A private key was given instead of a public one.
    KeyIsPrivate = "key_is_private", "this is a private key, which must never be in a page; pass the public key";
    /// A certificate was given instead of a bare public key.
    KeyIsCertificate = "key_is_certificate", "this is a certificate; pass the public key inside it";
    /// The key is for another algorithm than RSA.
    KeyNotRsa = "key_not_rsa", "the public key is not an RSA key";
    /// The public exponent is even or below three.
    KeyExponentInvalid = "key_exponent_invalid", "the RSA public exponent is even, below 3 or above 2^33-1";
    /// The modulus is below 1016 bits.
    KeyTooShort = "key_too_short", "the RSA modulus is shorter than 1016 bits";
    /// The modulus is above 8192 bits, or is not a possible modulus.
    KeyModulusInvalid = "key_modulus_invalid", "the RSA modulus is even or longer than 8192 bits";
    /// The secure random source is missing or failed.
    RandomUnavailable = "random_unavailable", "the secure random source is missing or failed";
    /// The option asks for the 16-byte counter, but the key is too small for it.
    CounterDoesNotFit = "counter_does_not_fit", "the key is too small for the 16-byte counter; use the default";
    /// RSA encryption failed for another reason.
    EncryptionFailed = "encryption_failed", "the card could not be encrypted";
    /// The card has problems; see the list.
    CardInvalid = "card_invalid", "the card details are not valid";
    /// The customer's details have problems; see the list.
    CustomerInvalid = "customer_invalid", "the customer's details are not valid";
    /// A value has the wrong JavaScript type.
    TypeInvalid = "type_invalid", "a value has the wrong type";
    /// An option has a value that is not allowed.
    OptionInvalid = "option_invalid", "an option has a value that is not allowed";
    /// The session has missing or malformed members.
    SessionMalformed = "session_malformed", "the session is not what the server or the platform returned; pass it unchanged";
    /// The session is older than the platform allows.
    SessionExpired = "session_expired", "the session has expired; open a new one";
    /// The session was opened for another purpose.
    SessionWrongKind = "session_wrong_kind", "the session was opened for another kind of request";
    /// The session belongs to another platform.
    SessionWrongPlatform = "session_wrong_platform", "the session belongs to another platform";
    /// The session names a host that is neither the platform's nor in the page's options.
    SessionHostRefused = "session_host_refused", "the session names a host that does not belong to the platform";
    /// The answer does not match the platform's documentation.
    AnswerMalformed = "answer_malformed", "the answer does not match the platform's documentation";
    /// The answer's signature is missing or wrong.
    SignatureInvalid = "signature_invalid", "the answer's signature is missing or does not match the key";
    /// The platform refused the request.
    PlatformRejected = "platform_rejected", "the platform refused the request";
    /// The bank declined a card that was to be stored.
    CardDeclined = "card_declined", "the bank declined the card";
    /// The platform or the server is temporarily not available.
    PlatformUnavailable = "platform_unavailable", "the platform is not available";
    /// The server refused the request; its own code is in `platformCode`.
    ServerRejected = "server_rejected", "the server refused the request";
    /// Too many cards were tried, in this session, by this customer, or by all customers together.
    TooManyAttempts = "too_many_attempts", "too many cards were tried";
    /// The customer closed the bank's page of 3-D Secure.
    AuthenticationCancelled = "authentication_cancelled", "the customer closed the bank's page";
    /// No answer came in time. Whether the request took effect is unknown.
    RequestTimeout = "request_timeout", "no answer arrived within the timeout";
    /// The caller aborted the request.
    RequestAborted = "request_aborted", "the caller aborted the request";
    /// The request could not be sent, or the connection broke.
    NetworkFailed = "network_failed", "the request could not be sent, or the connection broke";
    /// The module was used before it was loaded.
    NotLoaded = "not_loaded", "await load() before you use the module";
    /// The module failed during a call. Nothing was sent, and the module is started again.
    ModuleFailed = "module_failed", "the WebAssembly module failed and will be reloaded; try again";
    /// The module could not be loaded.
    LoadFailed = "load_failed", "the WebAssembly module could not be loaded";
}

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    details: Option<Box<Details>>,
}

/// Optional details. Boxed, so that a `Result` stays small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Details {
    message: Option<Cow<'static, str>>,
    field: Option<&'static str>,
    status: Option<u16>,
    platform_code: Option<Cow<'static, str>>,
    platform_message: Option<String>,
    problems: Vec<crate::card::ProblemCode>,
    customer_problems: Vec<crate::ccbill::CustomerProblem>,
}

impl Error {
    /// Creates an error without details.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, details: None }
    }

    /// Creates `card_invalid` with its problems.
    #[must_use]
    pub fn card(problems: Vec<crate::card::ProblemCode>) -> Self {
        let mut error = Self::new(Code::CardInvalid);
        error.details().problems = problems;
        error
    }

    /// Creates `customer_invalid` with its problems. `field` is that of the first one.
    #[must_use]
    pub fn customer(problems: Vec<crate::ccbill::CustomerProblem>) -> Self {
        let mut error = Self::new(Code::CustomerInvalid);
        let details = error.details();
        details.field = problems.first().map(|problem| problem.field);
        details.customer_problems = problems;
        error
    }

    /// Adds the name of the input field or option at fault.
    #[must_use]
    pub fn at(mut self, field: &'static str) -> Self {
        self.details().field = Some(field);
        self
    }

    /// Replaces the code's own message. The text must not contain card data, keys or tokens.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.details().message = Some(message.into());
        self
    }

    /// Adds the HTTP status, or the status in the platform's body.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.details().status = Some(status);
        self
    }

    /// Adds the platform's code and message. A card number in the message is masked.
    #[must_use]
    pub fn with_platform(mut self, code: Option<impl Into<Cow<'static, str>>>, message: &str) -> Self {
        let details = self.details();
        details.platform_code = code.map(Into::into);
        details.platform_message = Some(crate::redact::card_digits(message));
        self
    }

    fn details(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// A sentence for developers.
    #[must_use]
    pub fn message(&self) -> &str {
        let own = self
            .details
            .as_ref()
            .and_then(|details| details.message.as_deref());
        own.unwrap_or_else(|| self.code.message())
    }

    /// The input field or option at fault.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        self.details.as_ref()?.field
    }

    /// The HTTP status, or the status in the platform's body.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.details.as_ref()?.status
    }

    /// The platform's code, or ours if the platform has only a message.
    #[must_use]
    pub fn platform_code(&self) -> Option<&str> {
        self.details.as_ref()?.platform_code.as_deref()
    }

    /// The platform's message, with card numbers masked.
    #[must_use]
    pub fn platform_message(&self) -> Option<&str> {
        self.details.as_ref()?.platform_message.as_deref()
    }

    /// Everything that stops a card, for [`Code::CardInvalid`].
    #[must_use]
    pub fn problems(&self) -> &[crate::card::ProblemCode] {
        self.details.as_ref().map_or(&[], |details| &details.problems)
    }

    /// Everything wrong with a customer's details, for [`Code::CustomerInvalid`].
    #[must_use]
    pub fn customer_problems(&self) -> &[crate::ccbill::CustomerProblem] {
        self.details
            .as_ref()
            .map_or(&[], |details| &details.customer_problems)
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}
