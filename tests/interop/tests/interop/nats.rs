//! The broker, asked by the crate `async-nats`.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, stream};
use async_nats::{Client, Subscriber};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::timeout;

use crate::server::Server;

type Tested = Result<(), Box<dyn Error + Send + Sync>>;

/// How long anything may take before the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn block_on(test: impl Future<Output = Tested>) -> Tested {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async { timeout(PATIENCE, test).await? })
}

async fn connect(server: &Server) -> Result<Client, async_nats::ConnectError> {
    async_nats::connect(server.address().to_string()).await
}

async fn next(subscriber: &mut Subscriber) -> String {
    let message = subscriber.next().await.expect("the subscription lives");
    String::from_utf8_lossy(&message.payload).into_owned()
}

#[test]
fn subscribers_hear_what_matches() -> Tested {
    block_on(async {
        let server = Server::start_with_data(&["broker"]);
        let (subscriber, publisher) = (connect(&server).await?, connect(&server).await?);
        let mut all = subscriber.subscribe("news.>").await?;
        let mut local = subscriber.subscribe("news.*.weather").await?;
        subscriber.flush().await?;
        for (subject, payload) in [
            ("other", "not heard"),
            ("news.local.weather", "rain"),
            ("news.local.sports", "0:0"),
            ("news.world.weather", "sun"),
        ] {
            publisher.publish(subject, payload.into()).await?;
        }
        for expected in ["rain", "0:0", "sun"] {
            assert_eq!(next(&mut all).await, expected);
        }
        for expected in ["rain", "sun"] {
            assert_eq!(next(&mut local).await, expected);
        }
        Ok(())
    })
}

#[test]
fn one_of_a_queue_group_hears_each_message() -> Tested {
    const COUNT: usize = 100;
    block_on(async {
        let server = Server::start_with_data(&["broker"]);
        let (first, second) = (connect(&server).await?, connect(&server).await?);
        let mut one = first.queue_subscribe("work", "workers".to_owned()).await?;
        let mut other = second.queue_subscribe("work", "workers".to_owned()).await?;
        first.flush().await?;
        second.flush().await?;
        for number in 0..COUNT {
            first.publish("work", number.to_string().into()).await?;
        }
        let mut heard = Vec::new();
        while heard.len() < COUNT {
            heard.push(tokio::select! {
                biased;
                payload = next(&mut one) => payload,
                payload = next(&mut other) => payload,
            });
        }
        let distinct: BTreeSet<_> = heard.iter().collect();
        assert_eq!(distinct.len(), COUNT);
        Ok(())
    })
}

#[test]
fn requests_are_answered_or_nobody_is_there_to_answer() -> Tested {
    block_on(async {
        let server = Server::start_with_data(&["broker"]);
        let (service, client) = (connect(&server).await?, connect(&server).await?);
        let mut requests = service.subscribe("double").await?;
        service.flush().await?;
        let serving = tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let number: u64 = std::str::from_utf8(&request.payload)?.parse()?;
                let reply = request.reply.ok_or("a request has a reply subject")?;
                let doubled = (number * 2).to_string();
                service.publish(reply, doubled.into()).await?;
            }
            Tested::Ok(())
        });
        for number in 0..10_u64 {
            let answer = client.request("double", number.to_string().into()).await?;
            assert_eq!(answer.payload, (number * 2).to_string());
        }
        serving.abort();
        let unheard = client.request("nobody", "".into()).await;
        let error = unheard.expect_err("nobody listens");
        assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);
        Ok(())
    })
}

fn jobs() -> stream::Config {
    stream::Config {
        name: "JOBS".to_owned(),
        subjects: vec!["jobs.*".to_owned()],
        ..Default::default()
    }
}

fn workers() -> pull::Config {
    pull::Config {
        durable_name: Some("workers".to_owned()),
        ..Default::default()
    }
}

/// Publishes under an id, and waits until it is stored; answers its number, and whether it was known.
async fn publish(streams: &Context, id: &str) -> Result<(u64, bool), Box<dyn Error + Send + Sync>> {
    let message = PublishMessage::build().message_id(id);
    let message = message.payload(id.to_owned().into());
    let stored = streams.send_publish("jobs.any", message).await?.await?;
    Ok((stored.sequence, stored.duplicate))
}

/// Takes so many messages, and acknowledges each durably.
async fn work(
    workers: &PullConsumer,
    count: usize,
) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let mut batch = workers.fetch().max_messages(count).messages().await?;
    let mut done = Vec::new();
    while let Some(message) = batch.try_next().await? {
        message.double_ack().await?;
        done.push(String::from_utf8_lossy(&message.payload).into_owned());
    }
    Ok(done)
}

#[test]
fn a_stream_its_ids_and_its_acknowledgements_outlive_the_broker() -> Tested {
    block_on(async {
        let mut server = Server::start_with_data(&["broker"]);
        let streams = jetstream::new(connect(&server).await?);
        let stream = streams.get_or_create_stream(jobs()).await?;
        let consumer = stream.create_consumer(workers()).await?;
        for (index, id) in ["a", "b", "c", "d"].iter().enumerate() {
            assert_eq!(publish(&streams, id).await?, (index as u64 + 1, false));
        }
        assert_eq!(publish(&streams, "b").await?, (2, true));
        assert_eq!(work(&consumer, 2).await?, ["a", "b"]);

        server.kill();
        server.restart();
        server.wait_until_it_listens();
        let streams = jetstream::new(connect(&server).await?);
        let mut stream = streams.get_or_create_stream(jobs()).await?;
        let state = stream.info().await?.state.clone();
        assert_eq!((state.messages, state.last_sequence), (4, 4));
        assert_eq!(publish(&streams, "d").await?, (4, true));
        assert_eq!(publish(&streams, "e").await?, (5, false));
        let mut consumer: PullConsumer = stream.get_consumer("workers").await?;
        assert_eq!(work(&consumer, 10).await?, ["c", "d", "e"]);
        let left = consumer.info().await?;
        assert_eq!((left.num_pending, left.num_ack_pending), (0, 0));
        Ok(())
    })
}

#[test]
fn a_message_that_is_given_back_comes_again() -> Tested {
    block_on(async {
        let server = Server::start_with_data(&["broker"]);
        let streams = jetstream::new(connect(&server).await?);
        let stream = streams.get_or_create_stream(jobs()).await?;
        let consumer: PullConsumer = stream.get_or_create_consumer("workers", workers()).await?;
        publish(&streams, "a").await?;
        for delivery in 1..=3 {
            let mut batch = consumer
                .fetch()
                .max_messages(1)
                .expires(PATIENCE)
                .messages()
                .await?;
            let message = batch.try_next().await?.ok_or("it comes")?;
            assert_eq!(message.info()?.delivered, delivery);
            message
                .double_ack_with(jetstream::AckKind::Nak(None))
                .await?;
        }
        Ok(())
    })
}

#[test]
fn a_client_goes_on_when_the_broker_is_back() -> Tested {
    block_on(async {
        let mut server = Server::start_with_data(&["broker"]);
        let client = connect(&server).await?;
        let mut subscriber = client.subscribe("news").await?;
        client.flush().await?;
        server.kill();
        server.restart();
        server.wait_until_it_listens();
        // What is published before the client is connected again may be lost: it is told until it is heard.
        let publisher = connect(&server).await?;
        loop {
            publisher.publish("news", "back".into()).await?;
            publisher.flush().await?;
            if let Ok(heard) = timeout(Duration::from_millis(20), next(&mut subscriber)).await {
                assert_eq!(heard, "back");
                return Ok(());
            }
        }
    })
}
