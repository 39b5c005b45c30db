//! What other gateways were found to do wrong, each as a test that they fail, on every transport.
//!
//! What other files test already is not repeated here:
//!
//! | fault | where |
//! |---|---|
//! | a normal reconnect, with an id that is not stored, beside a waiting client ends a worker | [`ids`] |
//! | messages above 32,767 in one second have the ids of earlier ones | [`ids`] |
//! | ids begin again with a channel that was deleted or has expired | [`ids`] |
//! | `If-Modified-Since` alone is 400, quoted and weak tags are not understood | [`ids`]; `resume` for the long poll |
//! | channel ids of 255 bytes and more end the connection | [`ids`]; `publisher` for the limit |
//! | a slow consumer gets messages of other channels | [`memory`] |
//! | 15 bytes that announce 512 MiB take 512 MiB | [`memory`]; `websocket` for the limit |
//! | once the memory is full everybody gets 500 | [`memory`]; `buffers` for what goes first |
//! | the history has left a client behind, and nobody tells | [`memory`]; `resume`, `slow`, `load::slow` |
//! | settings of one publisher apply to the message of another | [`settings`] |
//! | HEAD and PATCH end the connection without a byte | [`methods`] |
//! | a foreign origin is echoed, with credentials | [`methods`]; `long_poll`, `event_source`, `websocket` |
//! | CR, LF, `</script>`, U+2028 and boundaries are not escaped | [`framings`] |
//! | an empty message is none, or ends the response | [`framings`]; `bodies`, `load::bodies` |
//! | backlog and live messages overlap, or have a gap between them | `load::arrivals` |
//! | a client of several channels misses some with a right cursor | `load::merge` |
//! | a channel that is named twice is heard twice | `resume`, `publisher`, `dialects` |
//! | polls without a cursor lose what comes between two of them, tabs share the messages out | `cursorless`, `load::arrivals`, tests/browser |
//! | SIGHUP sends everybody away | `process` |
//! | all who name no channel share one | `publisher`, `dialects` |
//! | names are told without escaping | `dialects`, `status`, `transports` for callbacks |
//! | frames in one segment get stuck, control frames within a message end it | `websocket` |
//! | a deleted channel is still there, and so are its subscribers | `publisher`, `load::seats` |
//! | subscribers are counted that have gone | `http`, `load::chaos` |

use std::{future::Future, net::SocketAddr};

use tokio::{runtime, time::timeout};

use crate::{
    client::{Listener, Way},
    harness::{Gateway, PATIENCE},
    locations::locations,
    site::NOW,
};

mod framings;
mod ids;
mod memory;
mod methods;
mod settings;

/// Room for all messages.
const ROOM: &str = "workers = 2\npush_max_reserved_memory = \"256M\"";

/// Who waits, and in which dialect it is spoken to: not all of them together, but each of them.
pub const HOUSES: [(&str, &str); 4] =
    [("hall", "push_module"), ("body", "push_module"), ("hall", "push_stream"), ("body", "nchan")];

/// Keys that make locations speak a dialect, and subscribers begin where they begin in all of these
/// tests.
pub fn spoken(dialect: &str) -> String {
    format!("push_dialect = \"{dialect}\"\npush_first_message = \"oldest\"\n")
}

/// A location for each transport, and a clock that stands still.
pub fn start(root: &str, hold: &str, keys: &str) -> Gateway {
    Gateway::start_with(root, &locations(hold, keys), |settings| settings.clock = Box::new(|| NOW))
}

/// Runs clients.
pub fn run<T>(clients: impl Future<Output = T>) -> T {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(clients)
}

/// Someone who waits; `at_first` are arguments and headers of the first request.
pub async fn waiting(
    address: SocketAddr,
    way: Way,
    channel: &str,
    at_first: (String, String),
) -> Listener {
    let mut listener = Listener::new(address, way, channel);
    listener.at_first = at_first;
    let begun = timeout(PATIENCE, listener.begin()).await;
    begun.unwrap_or_else(|_| panic!("{way:?} is not answered")).unwrap();
    listener
}

/// The next message.
pub async fn hear(listener: &mut Listener) -> String {
    let heard = timeout(PATIENCE, listener.next()).await;
    let heard = heard.unwrap_or_else(|_| panic!("{:?} hears nothing", listener.way));
    heard.unwrap_or_else(|end| panic!("{:?} ends: {end:?}", listener.way)).1
}

/// A request of a client of that way, with further headers.
fn request(way: Way, method: &str, channel: &str, headers: &str) -> String {
    let (target, own) = way.request(channel);
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{own}{headers}\r\n")
}
