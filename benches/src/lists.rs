//! Histories of a store of lists: clients append to a few lists and read them, each transaction takes
//! effect at one moment between its invocation and its return, and a list that is full gives way to a
//! new one. The same recipe always gives the same history.

use squall_bench_work::random::Random;
use squall_checkers::history::Outcome;
use squall_checkers::isolation::list_append::{Header, Transactions};

/// What a history is made of.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    pub transactions: usize,
    pub clients: usize,
    /// How many lists are in use at a time.
    pub lists: usize,
    /// After so many appends a list is full: reads are half as long on average.
    pub appends_per_list: usize,
    /// A transaction has from one to so many micro-operations, appends or reads by the toss of a coin.
    pub micro_operations_max: usize,
    /// The first read of three elements or more by this transaction or a later one misses the last three.
    pub stale_from: Option<usize>,
    pub seed: u64,
}

impl Recipe {
    /// Of a million such transactions: 2.5 million micro-operations, 62 million elements read.
    pub fn of(transactions: usize) -> Self {
        Self {
            transactions,
            clients: 20,
            lists: 10,
            appends_per_list: 100,
            micro_operations_max: 4,
            stale_from: None,
            seed: 1,
        }
    }
}

enum Step {
    Append(u32, u32),
    Read(u32, Vec<u32>),
}

#[derive(Default)]
struct Client {
    /// The number of its transaction, and whether that has taken effect.
    running: Option<(usize, bool)>,
}

struct Store {
    random: Random,
    /// The key of each list in use.
    keys: Vec<u32>,
    lists: Vec<Vec<u32>>,
    key_count: u32,
    is_stale_told: bool,
}

/// How many elements a stale read misses.
const MISSED: usize = 3;

impl Store {
    fn run(&mut self, recipe: &Recipe, number: usize) -> Vec<Step> {
        let count = 1 + self.random.place(recipe.micro_operations_max);
        (0..count).map(|_| self.step(recipe, number)).collect()
    }

    fn step(&mut self, recipe: &Recipe, number: usize) -> Step {
        let place = self.random.place(self.keys.len());
        if self.random.below(2) == 0 {
            let list = &self.lists[place];
            let is_late = recipe.stale_from.is_some_and(|from| number >= from);
            let mut shown = list.len();
            if shown >= MISSED && is_late && !self.is_stale_told {
                self.is_stale_told = true;
                shown -= MISSED;
            }
            return Step::Read(self.keys[place], list[..shown].to_vec());
        }
        let (key, element) = (self.keys[place], self.lists[place].len() as u32 + 1);
        self.lists[place].push(element);
        if element as usize == recipe.appends_per_list {
            self.keys[place] = self.key_count;
            self.lists[place].clear();
            self.key_count += 1;
        }
        Step::Append(key, element)
    }
}

struct Transaction {
    client: usize,
    invoked: u32,
    completed: u32,
    steps: Vec<Step>,
}

/// The transactions of the recipe. Clients take turns by chance: each either begins a transaction, or
/// lets it take effect, or returns.
pub fn transactions(recipe: &Recipe) -> Transactions {
    let mut store = Store {
        random: Random(recipe.seed),
        keys: (0..recipe.lists as u32).collect(),
        lists: vec![Vec::new(); recipe.lists],
        key_count: recipe.lists as u32,
        is_stale_told: false,
    };
    let mut clients: Vec<Client> = (0..recipe.clients).map(|_| Client::default()).collect();
    let mut all: Vec<Transaction> = Vec::with_capacity(recipe.transactions);
    let mut event = 0;
    let mut open = 0;
    while all.len() < recipe.transactions || open > 0 {
        let client = store.random.place(clients.len());
        match clients[client].running {
            None if all.len() < recipe.transactions => {
                clients[client].running = Some((all.len(), false));
                open += 1;
                all.push(Transaction {
                    client,
                    invoked: event,
                    completed: 0,
                    steps: Vec::new(),
                });
                event += 1;
            }
            None => {}
            Some((number, false)) => {
                all[number].steps = store.run(recipe, number);
                clients[client].running = Some((number, true));
            }
            Some((number, true)) => {
                all[number].completed = event;
                clients[client].running = None;
                open -= 1;
                event += 1;
            }
        }
    }
    columns(all)
}

fn columns(all: Vec<Transaction>) -> Transactions {
    let mut columns = Transactions::default();
    for transaction in all {
        columns.begin(Header {
            process: transaction.client as u64,
            outcome: Outcome::Ok,
            invoked: transaction.invoked,
            completed: transaction.completed,
        });
        for step in transaction.steps {
            match step {
                Step::Append(key, element) => columns.append(key, element),
                Step::Read(key, list) => columns.read(key, &list),
            }
        }
    }
    columns
}
