//! Addresses of the sandbox's own pages, and the script that shops load.

/// Where the pages are; the last part of each path is its own.
pub(crate) const CHECKOUT: &str = "/hostedcheckout/Payment/Form";
pub(crate) const TOKENIZATION: &str = "/hostedtokenization/tokenization/form";
pub(crate) const LINK: &str = "/online_payments/link";
pub(crate) const AUTHENTICATION: &str = "/online_payments/authentication";
/// Where shoppers go after the page of another product, if the merchant has not said where.
pub(crate) const DONE: &str = "/online_payments/done";

/// The path at which shops load the platform's script.
pub(crate) const TOKENIZER_PATH: &str = "/hostedtokenization/js/client/tokenizer.min.js";
pub(crate) const TOKENIZER_SCRIPT: &str = include_str!("pages/tokenizer.js");
