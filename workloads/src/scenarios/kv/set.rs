//! A set that grows: what is acknowledged is never lost.

use squall_checkers::history::Value;
use squall_checkers::named::set::{self, SetOptions};
use squall_checkers::{History, Verdict};
use squall_models::kv::client::{Client, ClientError};
use squall_sim::time::Instant;

use super::{final_read, plan, system};
use crate::generator::{self, Shape, padded, unpadded};
use crate::plan::{Plan, PlannedOperation};
use crate::record::Record;
use crate::scenario::{Scenario, misfit};
use crate::system::{Completion, Connection, LocalFuture};

/// Additions to a set, and reads of all of it.
pub const SET: Scenario = Scenario {
    id: "kv/set",
    about: "kv: what is added to a set and acknowledged is in every later read",
    plan: |scenario, seed, mutant| {
        plan(scenario, seed, mutant, |key, shape, _| {
            // A set is one value: each addition writes all of it.
            let operations = shape.operations.min(60);
            generator::set(
                key,
                &Shape {
                    operations,
                    ..*shape
                },
            )
        })
    },
    system: |plan| system(plan, connect),
    initially: |_| Vec::new(),
    finally: |_| vec![final_read()],
    check,
};

fn check(_: &Plan, _: &Record, history: &History) -> Verdict {
    let options = SetOptions { linearizable: true };
    set::check(history, &options).unwrap_or_else(|error| misfit(&error))
}

fn connect(client: Client, plan: &Plan) -> Box<dyn Connection> {
    Box::new(Set {
        client,
        padding_bytes: plan.knob("padding-bytes", 0) as usize / 50,
    })
}

struct Set {
    client: Client,
    padding_bytes: usize,
}

impl Connection for Set {
    fn perform<'a>(
        &'a mut self,
        operation: &'a PlannedOperation,
        deadline: Instant,
    ) -> LocalFuture<'a, Completion> {
        Box::pin(Completion::of(self.perform_any(operation, deadline)))
    }
}

impl Set {
    async fn perform_any(
        &mut self,
        operation: &PlannedOperation,
        deadline: Instant,
    ) -> Result<Completion, ClientError> {
        match operation.f.as_str() {
            "add" => {
                let element = padded(&operation.value, self.padding_bytes);
                self.client.add("set", &element, deadline).await?;
                Ok(Completion::Ok(operation.value.clone()))
            }
            "read" => {
                let members = self.client.members("set", deadline).await?;
                let members = members.iter().map(|member| unpadded(Some(member)));
                Ok(Completion::Ok(Value::List(members.collect())))
            }
            _ => Ok(operation.unknown()),
        }
    }
}
