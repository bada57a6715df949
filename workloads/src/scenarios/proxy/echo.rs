//! Echoes: each response belongs to its request.

use squall_checkers::named::nonce_echo;

use super::{final_echo, stormy, system};
use crate::scenario::Scenario;

/// Requests with a nonce, from clients that sometimes give up half-way.
pub const ECHO: Scenario = Scenario {
    id: "proxy/echo",
    about: "proxy: each response belongs to its request, whoever gives up when",
    plan: |scenario, seed, mutant| stormy(scenario, seed, mutant, "echo"),
    system,
    initially: |_| Vec::new(),
    finally: |_| final_echo(),
    check: |_, _, history| nonce_echo::check(history),
};
