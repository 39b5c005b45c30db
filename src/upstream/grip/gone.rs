//! Whoever leaves before its end: the application may want to know.

use std::rc::Rc;

use tokio::sync::oneshot;

use super::Caller;
use crate::upstream::notices::Owed;

/// Tells the application when it is dropped before its end.
#[derive(Debug)]
pub(super) struct Gone(Option<oneshot::Sender<()>>);

impl Gone {
    /// Watches over a client, if there is somewhere to tell. Who is still there when the server ends is
    /// gone, too.
    pub(super) fn watch(caller: &Rc<Caller>, uri: Option<&str>) -> Self {
        let Some(uri) = uri.map(str::to_owned) else { return Self(None) };
        let (ended, end) = oneshot::channel();
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
        Self(Some(ended))
    }

    /// There is an orderly end.
    pub(super) fn ended(mut self) {
        if let Some(ended) = self.0.take() {
            // Without anybody who waits for it there is nothing to say.
            let _ = ended.send(());
        }
    }
}
