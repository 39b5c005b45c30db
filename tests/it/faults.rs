use tokio::{runtime, time::timeout};

use crate::{
    client::{Listener, Way},
    harness::{Gateway, PATIENCE},
    locations::locations,
    site::{MODES, NOW},
};

/// A location for each transport, and a clock that stands still.
fn start(root: &str, hold: &str, keys: &str) -> Gateway {
    Gateway::start_with(root, &locations(hold, keys), |settings| settings.clock = Box::new(|| NOW))
}

/// Runs clients; nothing takes longer than anybody's patience.
fn run<T>(clients: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE, clients).await.expect("it ends") })
}

/// The next message.
async fn hear(listener: &mut Listener) -> String {
    let heard = timeout(PATIENCE, listener.next()).await;
    let heard = heard.unwrap_or_else(|_| panic!("{:?} hears nothing", listener.way));
    heard.unwrap_or_else(|end| panic!("{:?} ends: {end:?}", listener.way)).1
}

#[test]
fn a_poll_without_cursor_that_history_has_left_behind_gets_what_is_left_once() {
    for hold in MODES {
        let gateway = start("", hold, "push_message_buffer_length = 3");
        let mut listener = Listener::new(gateway.address, Way::Cursorless, "1");
        gateway.publish("/pub?c=1", "m0");
        run(async {
            assert_eq!(hear(&mut listener).await, "m0");
            for number in 1..10 {
                gateway.publish("/pub?c=1", &format!("m{number}"));
            }
            for number in 7..10 {
                assert_eq!(hear(&mut listener).await, format!("m{number}"), "{hold}");
            }
        });
    }
}
