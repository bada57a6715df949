//! The broker as a process, before our own client.

use squall_models::broker::client::{Client, Config, Event, PublishAck};
use squall_sim::time::Instant;
use tokio::sync::mpsc;

use crate::server::Server;
use crate::{PATIENCE, block_on};

const JOBS: [&str; 5] = [
    "broker",
    "--stream",
    "JOBS=jobs.*",
    "--consumer",
    "JOBS=work",
];

fn client_of(server: &Server) -> Client {
    Client::new(Config::new(server.address().to_string()))
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

#[test]
fn whoever_is_subscribed_hears_what_is_published() {
    block_on(async {
        let server = Server::start_with_data(&["broker"]);
        let (mut subscriber, mut publisher) = (client_of(&server), client_of(&server));
        let subscribed = subscriber.subscribe("news.>", None, soon()).await;
        subscribed.expect("it is confirmed");
        let published = publisher
            .publish_core("news.local.weather", b"rain", soon())
            .await;
        published.expect("it is passed on");
        match subscriber.next(soon()).await {
            Some(Event::Message(message)) => {
                assert_eq!(message.subject, "news.local.weather");
                assert_eq!(message.payload, b"rain");
            }
            other => panic!("{other:?}"),
        }
    });
}

/// Takes so many messages of the stream, and acknowledges each.
async fn work(client: &mut Client, count: usize) -> Vec<String> {
    let mut done = Vec::new();
    while done.len() < count {
        let delivery = client.fetch("JOBS", "work", soon()).await;
        let delivery = delivery.expect("there is one");
        client.ack(&delivery, soon()).await.expect("it is settled");
        done.push(String::from_utf8(delivery.payload).expect("it is text"));
    }
    done
}

#[test]
fn each_message_is_stored_once_though_the_server_dies_while_they_come() {
    const COUNT: usize = 200;
    block_on(async {
        let mut server = Server::start_with_data(&JOBS);
        let mut publisher = client_of(&server);
        let (tell, mut told) = mpsc::unbounded_channel();
        let names: Vec<String> = (0..COUNT).map(|number| format!("job {number}")).collect();
        let publishing = async {
            for (number, name) in names.iter().enumerate() {
                let published = publisher
                    .publish_durable("jobs.any", name, name.as_bytes(), soon())
                    .await;
                let ack = published.expect("it is stored");
                assert_eq!(ack.sequence, number as u64 + 1, "{name}");
                tell.send(number).expect("somebody listens");
            }
            drop(tell);
        };
        let killing = async {
            while let Some(number) = told.recv().await {
                if number % 50 == 30 {
                    server.kill();
                    server.restart();
                }
            }
        };
        tokio::join!(publishing, killing);

        let again = publisher
            .publish_durable("jobs.any", "job 7", b"other", soon())
            .await;
        let duplicate = PublishAck {
            sequence: 8,
            is_duplicate: true,
        };
        assert_eq!(again, Ok(duplicate));
        assert_eq!(work(&mut client_of(&server), COUNT).await, names);
    });
}

#[test]
fn what_was_settled_stays_so_and_what_was_not_comes() {
    block_on(async {
        let mut server = Server::start_with_data(&JOBS);
        let mut client = client_of(&server);
        for name in ["a", "b", "c", "d"] {
            let published = client
                .publish_durable("jobs.any", name, name.as_bytes(), soon())
                .await;
            published.expect("it is stored");
        }
        assert_eq!(work(&mut client, 2).await, ["a", "b"]);
        server.kill();
        server.restart();
        assert_eq!(work(&mut client, 2).await, ["c", "d"]);
    });
}
