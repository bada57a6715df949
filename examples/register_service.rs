//! A small service of one's own, tested under faults with Squall's public API alone.
//!
//! The service keeps one number on disk. `set N` is acknowledged once it is durable, `get` answers the
//! number. It is an ordinary async program: with `squall::net` and `squall::fs` in place of tokio's it
//! runs in production (`cargo run --example register_service`) and in the simulated world
//! (`cargo test --example register_service`).

use std::io;
use std::path::Path;
use std::sync::Arc;

use squall::net::{TcpListener, TcpStream};
use squall::{fs, task};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;

/// Serves the register that a directory holds.
pub async fn serve(address: &str, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory).await?;
    fs::sync_dir(directory.parent().unwrap_or_else(|| Path::new("/"))).await?;
    let register = Arc::new(Mutex::new(Register::open(directory).await?));
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        task::spawn(answer(stream, Arc::clone(&register)));
    }
}

struct Register {
    directory: Box<Path>,
    value: Option<i64>,
}

impl Register {
    async fn open(directory: &Path) -> io::Result<Self> {
        let file = directory.join("register");
        let value = match fs::try_exists(&file).await? {
            true => String::from_utf8_lossy(&fs::read(&file).await?)
                .parse()
                .ok(),
            false => None,
        };
        Ok(Self {
            directory: directory.into(),
            value,
        })
    }

    /// Writes a new file beside the old one, makes it durable, and gives it the old one's name.
    async fn set(&mut self, value: i64) -> io::Result<()> {
        let (new, file) = (
            self.directory.join("register.new"),
            self.directory.join("register"),
        );
        let mut writer = fs::File::create(&new).await?;
        writer.write_all(value.to_string().as_bytes()).await?;
        // Comment any of these three lines out, and the test finds out within its seeds.
        writer.sync_all().await?;
        fs::rename(&new, &file).await?;
        fs::sync_dir(&self.directory).await?;
        self.value = Some(value);
        Ok(())
    }
}

async fn answer(mut stream: TcpStream, register: Arc<Mutex<Register>>) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        if BufReader::new(&mut stream).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut register = register.lock().await;
        let reply = match line.trim().split_once(' ') {
            Some(("set", value)) => match value.parse() {
                Ok(value) => {
                    register.set(value).await?;
                    "ok\n".to_owned()
                }
                Err(_) => "error: expected a number\n".to_owned(),
            },
            None if line.trim() == "get" => register
                .value
                .map_or_else(|| "none\n".to_owned(), |value| format!("{value}\n")),
            _ => "error: expected `get` or `set N`\n".to_owned(),
        };
        stream.write_all(reply.as_bytes()).await?;
    }
}

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("serving a register on 127.0.0.1:7007, data in register-data");
    runtime.block_on(serve("127.0.0.1:7007", Path::new("register-data")))
}

#[cfg(test)]
mod tests {
    use squall::checkers::Model;
    use squall::checkers::history::Value;
    use squall::engine::{self, NodeId};
    use squall::rand;
    use squall::testing::Recording;
    use squall::time::{Duration, sleep, timeout};

    use super::*;

    const CLIENTS: usize = 3;

    /// Three clients read and write while the server dies, loses power and comes back.
    #[squall::test(seeds = 60)]
    async fn reads_see_acknowledged_writes_whatever_happens_to_the_server() {
        let server = engine::add_node("server");
        server.start(|| async {
            serve("0.0.0.0:7", Path::new("/data"))
                .await
                .expect("the disk works")
        });
        let history = Recording::new(CLIENTS);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| engine::spawn_local(work(client, history.clone())))
            .collect();
        for _ in 0..10 {
            harm(server).await;
        }
        for client in clients {
            client.await.expect("clients end by themselves");
        }
        history.assert_linearizable(Model::Register);
    }

    /// Ends the server in one way or another, and starts it again.
    async fn harm(server: NodeId) {
        sleep(Duration::from_millis(rand::below(50))).await;
        match rand::below(2) {
            0 => server.kill(),
            _ => server.power_loss(),
        };
        sleep(Duration::from_millis(rand::below(20))).await;
        server.restart();
    }

    async fn work(client: usize, history: Recording) {
        for number in 0..20 {
            sleep(Duration::from_millis(rand::below(30))).await;
            let value = (client + CLIENTS * number) as i64;
            match rand::below(2) {
                0 => write(client, &history, value).await,
                _ => read(client, &history).await,
            }
        }
    }

    async fn write(client: usize, history: &Recording, value: i64) {
        history.invoke(client, "write", "register", value);
        match ask(&format!("set {value}\n")).await {
            Ok(_) => history.ok(client, value),
            Err(error) => history.info(client, error),
        }
    }

    async fn read(client: usize, history: &Recording) {
        history.invoke(client, "read", "register", Value::Nil);
        match ask("get\n").await {
            Ok(reply) => history.ok(client, reply.parse().map_or(Value::Nil, Value::Int)),
            Err(error) => history.fail(client, error),
        }
    }

    /// One request on a connection of its own.
    async fn ask(request: &str) -> io::Result<String> {
        let exchange = async {
            let mut stream = TcpStream::connect("server:7").await?;
            stream.write_all(request.as_bytes()).await?;
            let mut reply = String::new();
            match BufReader::new(&mut stream).read_line(&mut reply).await? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(reply.trim().to_owned()),
            }
        };
        timeout(Duration::from_millis(200), exchange).await?
    }
}
