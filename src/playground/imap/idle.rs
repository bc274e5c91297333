//! IDLE: tells what changes in the selected mailbox until the client says DONE (RFC 2177).

use std::time::Duration;

use tokio::time::timeout;

use super::{Closed, Line, Outcome, Phase, Session, Step, Telling, ok};

/// How often an idling session looks at its mailbox.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Session {
    pub(super) async fn idle(&mut self) -> Step {
        match self.phase {
            Phase::Selected { .. } | Phase::Authenticated { .. } => {}
            Phase::NotAuthenticated => return Ok(Outcome::Bad("not before login")),
        }
        self.wire.send_line("+ idling").await?;
        self.wire.flush().await?;
        // A fault that withholds the answer to IDLE withholds all that follows.
        self.wire.settle()?;
        loop {
            match timeout(LOOK_EVERY, self.wire.line()).await {
                Err(_) => {
                    self.tell(Telling::Everything).await?;
                    self.wire.flush().await?;
                }
                Ok(line) => return self.end_of_idle(line?).await,
            }
        }
    }

    async fn end_of_idle(&mut self, line: Line) -> Step {
        let Line::Whole(line) = line else { return Ok(Outcome::Bad("DONE is expected")) };
        if !line.eq_ignore_ascii_case(b"DONE") {
            return Ok(Outcome::Bad("DONE is expected"));
        }
        match self.wire.arrived("DONE").await? {
            Some(_) => Err(Closed),
            None => ok("idle ended"),
        }
    }
}
