//! Keys that no transport of their location looks at.

use super::{Build, ROLES, subscriber};
use crate::config::{
    error::{Level, Place, Reason},
    location::{Batch, PollFormat},
    transport::Transport::{self, EventSource, IntervalPoll, LongPoll, Raw, Stream, WebSocket},
    value::At,
};

const NO_LONG_POLL: &str = "push_subscriber does not offer \"long-poll\"";

impl Build<'_> {
    /// Notes keys of the location's own that no transport of it looks at, unless they say what
    /// holds anyway; inherited ones are meant for other locations.
    pub(super) fn note_idle(&mut self, transports: &[Transport]) {
        if self.block.is_suspect(&ROLES) {
            return;
        }
        for (place, wanted, why) in self.meant().into_iter().flatten() {
            if place.level == Level::Location && !transports.iter().any(|one| wanted.contains(one))
            {
                self.faults.add(place, Reason::NoEffect(why));
            }
        }
    }

    /// The keys that ask for something, the transports that look at them, and what to say if there
    /// is none.
    fn meant(&self) -> [Option<(Place, &'static [Transport], &'static str)>; 14] {
        const NO_STREAM: &str = "push_subscriber does not offer \"stream\"";
        const NO_SOCKET: &str = "push_subscriber does not offer \"websocket\"";
        const NO_POLL: &str = "push_subscriber offers neither \"long-poll\" nor \"interval-poll\"";
        const NO_GZIP: &str = "push_subscriber offers neither polls nor \"event-source\"";
        let block = self.block;
        let text = |at: Option<&At<String>>| place(at, |text| !text.is_empty());
        let of = |transports, why| move |place| (place, transports, why);
        let stream = of(&[Stream][..], NO_STREAM);
        let socket = of(&[WebSocket][..], NO_SOCKET);
        let long_poll = of(&[LongPoll][..], NO_LONG_POLL);
        let interval = of(&[IntervalPoll][..], "push_subscriber does not offer \"interval-poll\"");
        let (transports, why) = self.timing_out();
        let timing_out = of(transports, why);
        let raw = of(self.separated(), "push_subscriber does not offer \"raw\"");
        let held = block.push_grip.as_ref().is_some_and(|at| at.value);
        let most = |size: &usize| *size != subscriber::WEBSOCKET_MAX_MESSAGE && !held;
        let separated = |text: &String| text != subscriber::RAW_SEPARATOR;
        [
            place(block.push_poll_format.as_ref(), |format| *format == PollFormat::Json)
                .map(interval),
            place(block.push_stream_preset.as_ref(), Option::is_some).map(stream),
            text(block.push_header_template.as_ref()).map(stream),
            text(block.push_message_template.as_ref()).map(of(self.templated(), NO_STREAM)),
            text(block.push_footer_template.as_ref()).map(stream),
            place(block.push_raw_separator.as_ref(), separated).map(raw),
            place(block.push_longpoll_batch.as_ref(), Option::is_some).map(long_poll),
            place(block.push_cursorless.as_ref(), |on| *on).map(long_poll),
            place(block.push_timeout_with_body.as_ref(), |on| *on).map(timing_out),
            text(block.push_jsonp_callback.as_ref()).map(of(&[LongPoll, IntervalPoll], NO_POLL)),
            place(block.push_websocket_protocols.as_ref(), |names| !names.is_empty()).map(socket),
            place(block.push_websocket_max_message.as_ref(), most).map(socket),
            place(block.push_websocket_deflate.as_ref(), |on| !on).map(socket),
            place(block.gzip.as_ref(), |on| *on)
                .map(of(&[EventSource, LongPoll, IntervalPoll], NO_GZIP)),
        ]
    }
}

impl Build<'_> {
    /// What `push_message_template` is for.
    fn templated(&self) -> &'static [Transport] {
        let dialect = self.block.push_dialect.as_ref().map(|at| at.value);
        let everywhere = dialect.is_some_and(|dialect| dialect.templates_everywhere);
        if everywhere { &Transport::ALL } else { &[Stream] }
    }

    /// What `push_timeout_with_body` is for.
    fn timing_out(&self) -> (&'static [Transport], &'static str) {
        let dialect = self.block.push_dialect.as_ref().map(|at| at.value);
        let has_notice = dialect.is_some_and(|dialect| dialect.timeout_notice.is_some());
        if has_notice {
            (&[LongPoll], NO_LONG_POLL)
        } else {
            (&[], "push_dialect is not \"push_stream\"")
        }
    }

    /// What `push_raw_separator` is for.
    fn separated(&self) -> &'static [Transport] {
        let batch = self.block.push_longpoll_batch.as_ref().and_then(|at| at.value);
        if batch == Some(Batch::Raw) { &[Raw, LongPoll] } else { &[Raw] }
    }
}

/// Where a value stands that asks for something.
fn place<T>(at: Option<&At<T>>, asks: impl Fn(&T) -> bool) -> Option<Place> {
    at.filter(|at| asks(&at.value)).map(|at| at.place)
}
