//! What a session that stays open is asked: whether anything changed, and to tell of it by itself.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{ImapInbox, Inbox, Session, first_uid};
use crate::model::cursor::Cursor;
use crate::model::failure::Cause;
use crate::protocol::imap::{self, Access, Idled, Notice, Opened};
use crate::remote::Wake;

impl ImapInbox {
    /// The inbox as it is now. A question whether anything changed costs a server far less than opening it again.
    pub(super) async fn opened_now(&mut self, cursor: &Cursor) -> Result<Opened, Cause> {
        match self.inbox {
            Inbox::Fresh(opened) => return Ok(opened),
            Inbox::Quiet(opened) if first_uid(cursor, &opened).is_none() => {
                let tag = self.session.tags.next_tag();
                match self.session.drive(imap::notice(tag)).await? {
                    Notice::Nothing => return Ok(opened),
                    Notice::Changed => {}
                }
            }
            Inbox::Quiet(_) | Inbox::Listed(_) => {}
        }
        self.session.open_inbox(Access::ReadOnly).await
    }

    /// News may be told in any answer from now on.
    pub(super) fn is_to_be_opened(&mut self) {
        match self.inbox {
            Inbox::Quiet(opened) => self.inbox = Inbox::Listed(opened),
            Inbox::Fresh(_) | Inbox::Listed(_) => {}
        }
    }

    /// Drives an IDLE to its end, whatever ends the wait.
    pub(super) async fn idle(&mut self, stop: &CancellationToken, limit: Duration) -> Result<Wake, Cause> {
        let Session { connection, tags, timeout, numbering: _ } = &mut self.session;
        let mut idle = imap::idle(tags.next_tag());
        connection.drive(&mut idle, *timeout).await?;
        let woken = tokio::select! {
            told = connection.drive(&mut idle, limit + *timeout) => told.map(|_| Wake::News),
            () = stop.cancelled() => Ok(Wake::Stopped),
            () = tokio::time::sleep(limit) => Ok(Wake::LimitReached),
        }?;
        idle.end();
        let over = connection.drive(&mut idle, *timeout).await?;
        if woken == Wake::News || over == (Idled::Over { changed: true }) {
            self.is_to_be_opened();
            return Ok(Wake::News);
        }
        Ok(woken)
    }
}
