//! The server over HTTP, with the sandbox as the platform: one module a route, and those that cut across.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod access;
mod attempts;
mod audit;
mod authentications;
mod card_fields;
mod ccbill;
mod contract;
mod crash;
mod customers;
mod database;
mod demo;
mod encryption;
mod events;
mod faults;
mod gp_api;
mod gp_api_compat;
mod gp_api_faults;
mod health;
mod input;
#[cfg(unix)]
mod instances;
mod keys;
#[cfg(unix)]
mod limits;
mod messages;
#[cfg(target_os = "linux")]
mod metrics;
mod notifications;
mod online_payments;
mod operations;
mod payments;
mod reconcile;
mod reconciliation;
mod retention;
mod secrets;
mod session_page;
mod sessions;
mod shop;
mod storage;
mod subscriptions;
#[cfg(target_os = "linux")]
mod tls;
mod tokens;
mod traces;
mod web_forms;
mod worldline_acquiring;
