use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;

use super::*;
use crate::channel::{Concurrency, Dismissal, First, Mailbox, Note, SeatError, Seats, StoreFuture};

const KEEP: Retention = Retention {
    max_messages: 100,
    min_messages: 1,
    timeout: None,
    delete_oldest_received: false,
    channel_timeout: Duration::from_secs(5),
    grace: Duration::from_secs(10),
};
const CREATION: Creation = Creation { timeout: Duration::from_secs(5), group_max_channels: 0 };
const OLDEST: Request = Request {
    start: Start::First(First::Oldest),
    concurrency: Concurrency::Broadcast,
    creation: Some(CREATION),
};

fn id(name: &str) -> ChannelId {
    ChannelId::new(name.as_bytes())
}

fn draft(text: &str) -> Draft {
    Draft { body: Bytes::copy_from_slice(text.as_bytes()), ..Draft::default() }
}

async fn publish(hub: &Hub, channels: &[ChannelId], text: &str) -> ChannelInfo {
    let infos = hub.publish(channels, draft(text), &KEEP, CREATION).await.unwrap();
    ChannelInfo::total(&infos).unwrap()
}

fn texts(messages: &[Arc<Message>]) -> Vec<&str> {
    messages.iter().map(|message| std::str::from_utf8(message.body()).unwrap()).collect()
}

fn after(id: MessageId) -> Request {
    Request { start: Start::After(id), ..OLDEST }
}

#[tokio::test]
async fn several_channels_are_read_in_the_order_of_publishing_and_resumed_by_one_id() {
    let hub = Hub::new(Settings::default());
    let (a, b) = (id("a"), id("b"));
    for (channel, text) in [(&a, "1"), (&b, "2"), (&b, "3"), (&a, "4")] {
        publish(&hub, std::slice::from_ref(channel), text).await;
    }
    let both = [a, b];
    let all = hub.subscribe(&both, OLDEST).await.unwrap().read();
    assert_eq!(texts(&all), ["1", "2", "3", "4"]);
    let rest = hub.subscribe(&both, after(all[1].id())).await.unwrap().read();
    assert_eq!(texts(&rest), ["3", "4"]);
}

#[tokio::test]
async fn one_publish_to_several_channels_has_an_id_in_each() {
    let hub = Hub::new(Settings::default());
    let both = [id("a"), id("b")];
    let info = publish(&hub, &both, "x").await;
    assert_eq!(info.messages, 2);
    let messages = hub.subscribe(&both, OLDEST).await.unwrap().read();
    assert_eq!(texts(&messages), ["x", "x"]);
    assert!(messages[0].id() < messages[1].id());
}

#[tokio::test]
async fn messages_are_numbered_and_counted_in_their_channel() {
    let hub = Hub::new(Settings::default());
    let (a, b) = ([id("a")], [id("b")]);
    for channel in [&a, &b, &a] {
        publish(&hub, channel, "x").await;
    }
    let both = [a, b].concat();
    let infos = hub.publish(&both, draft("y"), &KEEP, CREATION).await.unwrap();
    let told: Vec<_> = infos.iter().map(|info| (&info.channel, info.published)).collect();
    assert_eq!(told, [(&both[0], 3), (&both[1], 2)]);
    let messages = hub.subscribe(&both, OLDEST).await.unwrap().read();
    let numbers: Vec<_> =
        messages.iter().map(|message| (message.channel(), message.number())).collect();
    let [a, b] = &both[..] else { unreachable!() };
    assert_eq!(numbers, [(a, 1), (b, 1), (a, 2), (a, 3), (b, 2)]);
    assert_eq!(hub.channels(), 2);
}

#[tokio::test]
async fn a_message_that_is_not_stored_counts_too() {
    let hub = Hub::new(Settings::default());
    let keep = Retention { max_messages: 0, ..KEEP };
    for number in 1..=3 {
        let infos = hub.publish(&[id("a")], draft("x"), &keep, CREATION).await.unwrap();
        assert_eq!((infos[0].published, infos[0].messages), (number, 0));
    }
}

#[tokio::test]
async fn a_clock_that_steps_back_loses_nothing() {
    let now = Arc::new(AtomicU64::new(10_000));
    let clock = now.clone();
    let clock = Box::new(move || clock.load(Ordering::Relaxed));
    let hub = Hub::new(Settings { clock, ..Settings::default() });
    let channel = [id("a")];
    publish(&hub, &channel, "before").await;
    let seen = hub.subscribe(&channel, OLDEST).await.unwrap().read()[0].id();
    now.store(6_400, Ordering::Relaxed);
    publish(&hub, &channel, "after").await;
    let rest = hub.subscribe(&channel, after(seen)).await.unwrap().read();
    assert_eq!((texts(&rest), rest[0].id()), (vec!["after"], MessageId::new(10_000, 1).unwrap()));
}

#[tokio::test]
async fn an_id_from_the_future_waits_for_the_next_message() {
    let hub = Hub::new(Settings::default());
    let channel = [id("a")];
    publish(&hub, &channel, "old").await;
    let future = MessageId::new(MessageId::MAX_TIME, 0).unwrap();
    let subscription = hub.subscribe(&channel, after(future)).await.unwrap();
    assert!(subscription.read().is_empty());
    publish(&hub, &channel, "new").await;
    assert_eq!(texts(&subscription.read()), ["new"]);
}

#[tokio::test]
async fn the_oldest_history_of_all_channels_goes_first() {
    let size = size_of::<Message>() + 100;
    let hub = Hub::new(Settings { memory: 3 * size, ..Settings::default() });
    let text = "x".repeat(100);
    let (a, b) = ([id("a")], [id("b")]);
    publish(&hub, &a, &text).await;
    publish(&hub, &b, &text).await;
    publish(&hub, &a, &text).await;
    publish(&hub, &b, &text).await;
    let stored = |channel| hub.info(channel)[0].messages;
    assert_eq!((stored(&a), stored(&b)), (1, 2));
    publish(&hub, &a, &text).await;
    assert_eq!((stored(&a), stored(&b)), (2, 1));
    let huge = hub.publish(&a, draft(&"x".repeat(4 * size)), &KEEP, CREATION).await;
    assert_eq!(huge, Err(PublishError::BudgetSpent));
}

#[tokio::test]
async fn what_waiting_subscribers_have_yet_to_get_is_not_evicted() {
    let size = size_of::<Message>() + 100;
    let hub = Hub::new(Settings { memory: size, ..Settings::default() });
    let channel = [id("a")];
    let mut subscription = hub.subscribe(&channel, OLDEST).await.unwrap();
    subscription.sit(Seats::default()).unwrap();
    let mailbox = Arc::new(Mailbox::default());
    let waiting = &subscription.channels()[0];
    waiting.attach(&mailbox, 7);
    waiting.settle();
    let text = "x".repeat(100);
    let mut last = MessageId::ZERO;
    for _ in 0..5 {
        last = publish(&hub, &channel, &text).await.last_message_id;
    }
    assert_eq!(subscription.read().len(), 5);
    let mut notes = Vec::new();
    mailbox.take(&mut notes);
    assert!(matches!(notes[..], [Note::Messages { local: 7 }]), "{notes:?}");
    waiting.served(&mailbox, last, 0);
    publish(&hub, &channel, &text).await;
    assert_eq!(subscription.read().len(), 1);
}

#[tokio::test]
async fn limits_are_kept_and_given_back() {
    let hub = Hub::new(Settings { max_channels: 2, max_subscribers: 2, ..Settings::default() });
    let idle = Creation { timeout: Duration::ZERO, group_max_channels: 1 };
    let lone = [ChannelId::grouped(b"g", b"1")];
    hub.create(&lone, CREATION).await.unwrap();
    let second = hub.create(&[ChannelId::grouped(b"g", b"2")], idle).await;
    assert_eq!(second, Err(TooManyChannels.into()));
    hub.create(&[id("a")], CREATION).await.unwrap();
    assert_eq!(hub.create(&[id("b")], CREATION).await, Err(TooManyChannels.into()));
    hub.delete(&lone).await.unwrap();
    hub.create(&[id("b")], CREATION).await.unwrap();

    let seat = |seats: Seats| {
        let hub = &hub;
        async move {
            let mut subscription = hub.subscribe(&[id("a")], OLDEST).await.unwrap();
            subscription.sit(seats).map(|()| subscription)
        }
    };
    let any = Seats::default();
    let first = seat(any).await.unwrap();
    assert_eq!(seat(Seats { channel: 1, ..any }).await.unwrap_err(), SeatError::ChannelFull);
    assert_eq!(seat(Seats { group: 1, ..any }).await.unwrap_err(), SeatError::GroupFull);
    let only = Seats { concurrency: Concurrency::First, ..any };
    assert_eq!(seat(only).await.unwrap_err(), SeatError::Conflict);
    let second = seat(any).await.unwrap();
    assert_eq!(seat(any).await.unwrap_err(), SeatError::Full);
    drop((first, second));
    seat(only).await.unwrap();
}

#[tokio::test]
async fn an_idle_channel_goes_and_its_ids_do_not_come_again() {
    let hub = Hub::new(Settings { clock: Box::new(|| 5), ..Settings::default() });
    let channel = [ChannelId::grouped(b"g", b"1")];
    let idle = Creation { timeout: Duration::ZERO, ..CREATION };
    let keep = Retention { channel_timeout: Duration::ZERO, grace: Duration::ZERO, ..KEEP };
    let forget = Retention { max_messages: 0, ..keep };
    let first = hub.publish(&channel, draft("x"), &forget, idle).await.unwrap();
    for turn in 0..5 {
        hub.reap(turn);
    }
    assert_eq!(hub.info(&channel), []);
    let second = hub.publish(&channel, draft("y"), &keep, idle).await.unwrap();
    assert!(second[0].last_message_id > first[0].last_message_id);
}

/// A store as a test wants it: slow, and with ids of its own.
#[derive(Debug, Default)]
struct Shelf {
    kept: Mutex<Vec<(ChannelId, Stored)>>,
    held: Mutex<Vec<ChannelId>>,
    last: AtomicU64,
}

impl Store for Shelf {
    fn append<'a>(
        &'a self,
        channel: &'a ChannelId,
        draft: &'a Draft,
        keep: &'a Retention,
    ) -> StoreFuture<'a, MessageId> {
        Box::pin(async move {
            let number = self.last.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            let id = MessageId::new(1_000, number).unwrap();
            let stored = Stored { id, draft: draft.clone(), keep: *keep };
            self.kept.lock().unwrap().push((channel.clone(), stored));
            Ok(id)
        })
    }

    fn read_after<'a>(
        &'a self,
        channel: &'a ChannelId,
        after: MessageId,
    ) -> StoreFuture<'a, Vec<Stored>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let kept = self.kept.lock().unwrap();
            let wanted = kept.iter().filter(|(id, stored)| id == channel && stored.id > after);
            Ok(wanted.map(|(_, stored)| stored.clone()).collect())
        })
    }

    fn delete<'a>(&'a self, channel: &'a ChannelId) -> StoreFuture<'a, ()> {
        self.kept.lock().unwrap().retain(|(id, _)| id != channel);
        Box::pin(async { Ok(()) })
    }

    fn interest(&self, channel: &ChannelId, interest: Interest) {
        let mut held = self.held.lock().unwrap();
        held.retain(|id| id != channel);
        if interest == Interest::Begins {
            held.push(channel.clone());
        }
    }
}

#[tokio::test]
async fn a_store_names_the_ids_and_outlives_the_hub() {
    let shelf = Arc::new(Shelf::default());
    let hub = || Hub::new(Settings { store: Some(shelf.clone()), ..Settings::default() });
    let channel = [id("a")];
    let first = hub();
    let racing = (0..10).map(|number| {
        let (hub, channel) = (&first, &channel);
        async move { publish(hub, channel, &number.to_string()).await.last_message_id }
    });
    let mut ids = futures_of(racing).await;
    ids.sort_unstable();
    let expected: Vec<_> = (0..10).map(|tag| MessageId::new(1_000, tag).unwrap()).collect();
    assert_eq!(ids, expected);
    let live = first.subscribe(&channel, OLDEST).await.unwrap().read();

    let second = hub();
    let again = second.subscribe(&channel, OLDEST).await.unwrap().read();
    assert_eq!((texts(&again), again.len()), (texts(&live), 10));
    assert_eq!(*shelf.held.lock().unwrap(), channel);
    assert_eq!(second.delete(&channel).await.unwrap()[0].messages, 10);
    assert!(shelf.kept.lock().unwrap().is_empty());
}

/// Runs futures side by side on this thread.
async fn futures_of<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(move |cx| {
        waiting.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() {
            std::task::Poll::Ready(std::mem::take(&mut done))
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn who_was_replaced_before_its_worker_knew_it_can_be_found_out() {
    let hub = Hub::new(Settings::default());
    let mut seated = Vec::new();
    for _ in 0..2 {
        let mut subscription = hub.subscribe(&[id("a")], OLDEST).await.unwrap();
        let seats = Seats { concurrency: Concurrency::Last, ..Seats::default() };
        subscription.sit(seats).unwrap();
        seated.extend(subscription.into_seats());
    }
    let [(channel, _), (_, second)] = &seated[..] else { unreachable!() };
    assert_eq!(channel.dismissed(), Some((*second, Dismissal::Conflict)));
}

#[tokio::test]
async fn a_seat_keeps_what_comes_before_its_worker_knows_of_it() {
    let hub = Hub::new(Settings::default());
    let channel = [id("a")];
    let mut subscription = hub.subscribe(&channel, OLDEST).await.unwrap();
    subscription.sit(Seats::default()).unwrap();
    let keep = Retention { max_messages: 0, grace: Duration::ZERO, ..KEEP };
    for text in ["1", "2"] {
        let infos = hub.publish(&channel, draft(text), &keep, CREATION).await.unwrap();
        assert_eq!(infos[0].subscribers, 1);
    }
    assert_eq!(texts(&subscription.read()), ["1", "2"]);
    let other = hub.subscribe(&channel, after(MessageId::ZERO)).await.unwrap();
    drop(subscription);
    assert!(other.read().is_empty());
}
