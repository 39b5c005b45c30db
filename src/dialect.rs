//! What nginx's push module, Nchan and the push stream module spell differently: `push_dialect`.

/// How a location spells what the three modules spell differently.
#[derive(Debug)]
pub struct Dialect {
    /// The word in `push_dialect`.
    pub name: &'static str,
}

/// `"push_module"`: nginx's push module, as far as it goes, and this gateway's own ways beyond.
pub static PUSH_MODULE: Dialect = Dialect { name: "push_module" };
/// `"nchan"`: Nchan.
pub static NCHAN: Dialect = Dialect { name: "nchan" };
/// `"push_stream"`: the push stream module.
pub static PUSH_STREAM: Dialect = Dialect { name: "push_stream" };

/// Each of them.
pub static ALL: [&Dialect; 3] = [&PUSH_MODULE, &NCHAN, &PUSH_STREAM];
