//! What a location may show of the gateway itself.

/// The third kind of location: it publishes nothing and holds nobody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// `push_channels_status`: which channels there are, and how one is.
    Channels,
    /// `push_dashboard`: a page that plots the overview.
    Dashboard,
    /// `push_health`.
    Health(Health),
    /// `push_status`, in the format of `push_status_format`; `None`: by `Accept`.
    Overview(Option<StatusFormat>),
}

impl Status {
    /// Whether it tells what not everybody may know.
    pub(super) fn is_private(self) -> bool {
        !matches!(self, Self::Health(_))
    }
}

/// What is asked by `push_health`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// `"live"`: whether the process answers.
    Live,
    /// `"ready"`: whether it may be sent requests; not while it shuts down.
    Ready,
}

/// How `push_status` is written: `push_status_format`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StatusFormat {
    /// `"json"`.
    Json,
    /// `"prometheus"`: Prometheus' text format 0.0.4.
    Prometheus,
    /// `"text"`: lines as those of Nchan's `nchan_stub_status`.
    Text,
}
