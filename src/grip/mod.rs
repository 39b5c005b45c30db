//! GRIP, the protocol by which an application has its requests held: what it says and what it means.
//!
//! Pure: headers, bytes and messages in, values out. Who asks the application, and who waits, is not
//! here. What an application or a publisher writes wrongly is an error with a sentence that names the
//! place, and never a guess.

mod control;
mod events;
mod filter;
mod instruct;
mod item;
mod json;
mod keep_alive;
mod meta;
mod params;
mod sequence;

use http::HeaderMap;

pub use control::{Control, Order};
pub use events::{Event, EventsError, MAX_EVENTS, decode, encode};
pub use filter::{Filter, Subscriber};
pub use instruct::{Channel, Hold, Instruct, Link, is_instructed};
pub use item::{Published, items};
pub use json::Malformed;
pub use keep_alive::{KeepAlive, Mode};
pub use meta::{MAX_META, MAX_META_BYTES, Meta};
pub use sequence::Sequence;

/// The beginning of the names of all headers.
pub const PREFIX: &str = "grip-";
/// The type of a body that is instructions.
pub const INSTRUCT_TYPE: &str = "application/grip-instruct";
/// The type of a body that is events of a WebSocket.
pub const EVENTS_TYPE: &str = "application/websocket-events";
/// What applications are told that is understood here.
pub const FEATURES: &str = "status, link:next, link:gone, filter:skip-self, \
                            filter:skip-users, filter:require-sub, filter:build-id, \
                            filter:var-subst";

/// Removes all headers of GRIP: nobody but the gateway and the application has a say in it.
pub fn strip(headers: &mut HeaderMap) {
    let names: Vec<_> =
        headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
    for name in &names {
        headers.remove(name);
    }
}
