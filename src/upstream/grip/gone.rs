//! Whoever leaves before its end: the application may want to know.

use std::rc::Rc;

use tokio::sync::oneshot;

use super::{Caller, faults::Fault, link};
use crate::upstream::notices::Owed;

/// Tells the application when it is dropped before its end.
#[derive(Debug)]
pub(super) struct Gone(Option<Watch>);

/// Who waits for that, and where the application is told.
#[derive(Debug)]
struct Watch {
    uri: Box<str>,
    ended: oneshot::Sender<()>,
}

impl Gone {
    /// Watches over a client, if there is somewhere to tell. Who is still there when the server ends is
    /// gone, too.
    pub(super) fn watch(caller: &Rc<Caller>, uri: Option<&str>) -> Self {
        let Some(uri) = uri.map(Box::<str>::from) else { return Self(None) };
        if link::resolve(&caller.uri, &uri).is_none() {
            caller.warns(Fault::Gone, format_args!("The link {uri:?} is none."));
            return Self(None);
        }
        let (ended, end) = oneshot::channel();
        let watch = Watch { uri: uri.clone(), ended };
        let (caller, owed) = (caller.clone(), Owed::new(&caller.notices));
        tokio::task::spawn_local(async move {
            let gone = tokio::select! {
                ended = end => ended.is_err(),
                () = owed.due() => true,
            };
            if let Some(notice) = caller.gone(&uri).filter(|_| gone) {
                owed.put(notice);
            }
        });
        Self(Some(watch))
    }

    /// A later answer may name another place; where it names none, that of before holds.
    pub(super) fn moves(&mut self, caller: &Rc<Caller>, uri: Option<&str>) {
        let known = self.0.as_ref().map(|watch| &*watch.uri);
        if uri.is_some() && uri != known {
            std::mem::replace(self, Self::watch(caller, uri)).ended();
        }
    }

    /// There is an orderly end.
    pub(super) fn ended(mut self) {
        if let Some(watch) = self.0.take() {
            // Without anybody who waits for it there is nothing to say.
            let _ = watch.ended.send(());
        }
    }
}
