//! Registers: single keys, read, written, and swapped by `WATCH` and `EXEC`.

use squall_checkers::Model;
use squall_checkers::history::Value;
use squall_models::kv::client::{Client, ClientError};
use squall_sim::time::Instant;

use super::{plan, system};
use crate::generator::{self, padded, unpadded};
use crate::plan::{Plan, PlannedOperation};
use crate::scenario::{Scenario, linearizable};
use crate::system::{Completion, Connection, LocalFuture};

/// Reads, writes and compare-and-swaps.
pub const REGISTER: Scenario = Scenario {
    id: "kv/register",
    about: "kv: reads, writes and compare-and-swaps of a few keys are linearizable",
    plan: |scenario, seed, mutant| {
        plan(scenario, seed, mutant, |key, shape, _| {
            generator::cas_registers(key, shape)
        })
    },
    system: |plan| system(plan, connect),
    initially: |_| Vec::new(),
    finally: generator::final_reads,
    check: |_, _, history| linearizable(history, Model::CasRegister),
};

fn connect(client: Client, plan: &Plan) -> Box<dyn Connection> {
    Box::new(Registers {
        client,
        padding_bytes: plan.knob("padding-bytes", 0) as usize,
    })
}

struct Registers {
    client: Client,
    /// What is put behind each value, so that records of the log span sectors.
    padding_bytes: usize,
}

impl Connection for Registers {
    fn perform<'a>(
        &'a mut self,
        operation: &'a PlannedOperation,
        deadline: Instant,
    ) -> LocalFuture<'a, Completion> {
        Box::pin(Completion::of(self.perform_any(operation, deadline)))
    }
}

impl Registers {
    async fn perform_any(
        &mut self,
        operation: &PlannedOperation,
        deadline: Instant,
    ) -> Result<Completion, ClientError> {
        let Some(Value::Text(key)) = &operation.key else {
            return Ok(operation.unknown());
        };
        match (operation.f.as_str(), &operation.value) {
            ("read", _) => {
                let read = self.client.get(key, deadline).await?;
                Ok(Completion::Ok(unpadded(read.as_deref())))
            }
            ("write", value) => {
                let text = padded(value, self.padding_bytes);
                self.client.set(key, &text, deadline).await?;
                Ok(Completion::Ok(value.clone()))
            }
            ("cas", Value::List(values)) if values.len() == 2 => {
                let expected = padded(&values[0], self.padding_bytes);
                let new = padded(&values[1], self.padding_bytes);
                let swapped = self
                    .client
                    .compare_and_set(key, Some(&expected), &new, deadline);
                Ok(match swapped.await {
                    Ok(true) => Completion::Ok(operation.value.clone()),
                    Ok(false) => Completion::Fail("the value is another".to_owned()),
                    // A failed compare-and-swap says that the values differed; one that was not done
                    // does not.
                    Err(error) => Completion::Info(error.to_string()),
                })
            }
            _ => Ok(operation.unknown()),
        }
    }
}
