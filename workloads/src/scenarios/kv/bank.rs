//! A bank: transactions move money, and every snapshot adds up.

use squall_checkers::history::Value;
use squall_checkers::named::bank::{self, BankOptions};
use squall_checkers::{History, Verdict};
use squall_models::kv::client::{Client, ClientError, Transfer};
use squall_sim::time::Instant;

use super::{final_read, plan, system};
use crate::generator;
use crate::plan::{Plan, PlannedOperation};
use crate::record::Record;
use crate::scenario::{Scenario, misfit};
use crate::system::{Completion, Connection, LocalFuture};

/// What each account holds at first.
const BALANCE: i64 = 20;

/// Transactions that move money.
pub const BANK: Scenario = Scenario {
    id: "kv/bank",
    about: "kv: transactions move money between accounts, and every snapshot adds up",
    plan: |scenario, seed, mutant| {
        plan(scenario, seed, mutant, |key, shape, plan| {
            generator::bank(key, shape, accounts(plan).count() as u64)
        })
    },
    system: |plan| system(plan, connect),
    initially: |_| vec![generator::operation("open", Value::Nil)],
    finally: |_| vec![final_read()],
    check,
};

fn accounts(plan: &Plan) -> impl Iterator<Item = i64> + use<> {
    0..plan.knob("accounts", 5) as i64
}

fn check(plan: &Plan, _: &Record, history: &History) -> Verdict {
    let options = BankOptions {
        total: Some(accounts(plan).count() as i64 * BALANCE),
        accounts: Some(accounts(plan).map(Value::Int).collect()),
        allow_negative: false,
    };
    bank::check(history, &options).unwrap_or_else(|error| misfit(&error))
}

fn connect(client: Client, plan: &Plan) -> Box<dyn Connection> {
    Box::new(Bank {
        client,
        accounts: accounts(plan).collect(),
        reads: 0,
    })
}

struct Bank {
    client: Client,
    accounts: Vec<i64>,
    reads: u64,
}

impl Connection for Bank {
    fn perform<'a>(
        &'a mut self,
        operation: &'a PlannedOperation,
        deadline: Instant,
    ) -> LocalFuture<'a, Completion> {
        Box::pin(Completion::of(self.perform_any(operation, deadline)))
    }
}

impl Bank {
    async fn perform_any(
        &mut self,
        operation: &PlannedOperation,
        deadline: Instant,
    ) -> Result<Completion, ClientError> {
        match (operation.f.as_str(), &operation.value) {
            ("open", _) => self.open(deadline).await,
            ("read", _) => self.read(deadline).await,
            ("transfer", Value::List(terms)) => {
                let [Value::Int(from), Value::Int(to), Value::Int(amount)] = terms[..] else {
                    return Ok(operation.unknown());
                };
                let (from, to) = (name_of(from), name_of(to));
                let transfer = self.client.transfer(&from, &to, amount, deadline).await?;
                Ok(match transfer {
                    Transfer::Done => Completion::Ok(operation.value.clone()),
                    Transfer::Insufficient => Completion::Fail("not enough money".to_owned()),
                })
            }
            _ => Ok(operation.unknown()),
        }
    }

    async fn open(&mut self, deadline: Instant) -> Result<Completion, ClientError> {
        for account in &self.accounts {
            let balance = BALANCE.to_string();
            self.client
                .set(&name_of(*account), &balance, deadline)
                .await?;
        }
        Ok(Completion::Ok(Value::Nil))
    }

    async fn read(&mut self, deadline: Instant) -> Result<Completion, ClientError> {
        let names: Vec<String> = self.accounts.iter().copied().map(name_of).collect();
        let keys: Vec<&str> = names.iter().map(String::as_str).collect();
        // Snapshots are taken in either way that the store has.
        self.reads += 1;
        let balances = match self.reads % 2 {
            0 => self.client.read_all(&keys, deadline).await?,
            _ => self.client.read_each(&keys, deadline).await?,
        };
        let read = self
            .accounts
            .iter()
            .zip(balances)
            .map(|(account, balance)| {
                Value::List(vec![
                    Value::Int(*account),
                    generator::unpadded(balance.as_deref()),
                ])
            });
        Ok(Completion::Ok(Value::List(read.collect())))
    }
}

fn name_of(account: i64) -> String {
    format!("account-{account}")
}
