//! Files beside a draft: small ones in one request, large ones range by range. Nothing is sent before all are there, so a file
//! that cannot be attached is a message that was certainly not sent.

use super::line::Line;
use super::session::{GraphFailure, Session};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::profile::Cloud;
use crate::protocol::graph::{
    Attached, CreateAttachment, CreateUploadSession, File, ListAttachments, Pictures, Refusal, UploadRange,
    Uploaded,
};

pub(super) async fn attach(session: &mut Session, draft: &str, files: &[File]) -> Result<(), Cause> {
    for file in files {
        if file.content.len() < limits::GRAPH_UPLOAD_BYTES_MIN {
            let attached = session.call(&CreateAttachment { message: draft, file }).await;
            attached.map_err(GraphFailure::cause)?;
        } else {
            upload(session, draft, file).await?;
        }
    }
    Ok(())
}

/// Whether all files are attached already, by an attempt before this one.
pub(super) async fn has_all(session: &mut Session, draft: &str, files: &[File]) -> Result<bool, Cause> {
    if files.is_empty() {
        return Ok(true);
    }
    let attached = session
        .call(&ListAttachments { message: draft, pictures: Pictures::NotAsked })
        .await
        .map_err(GraphFailure::cause)?;
    let count = |is_it: &dyn Fn(&Attached) -> bool| attached.iter().filter(|one| is_it(one)).count();
    Ok(files.iter().all(|file| {
        let wanted = files.iter().filter(|other| is_same(other, file)).count();
        count(&|one| is_there(one, file)) >= wanted
    }))
}

fn is_same(one: &File, other: &File) -> bool {
    one.name == other.name && one.content.len() == other.content.len()
}

/// The size that the service tells is that of the file or a little more.
fn is_there(attached: &Attached, file: &File) -> bool {
    let is_large_enough = attached.size.is_some_and(|size| size >= file.content.len() as u64);
    attached.name.as_deref() == Some(file.name.as_str()) && is_large_enough
}

async fn upload(session: &mut Session, draft: &str, file: &File) -> Result<(), Cause> {
    if file.content.len() > limits::GRAPH_FILE_BYTES_MAX {
        let (size, limit) = (file.content.len(), limits::GRAPH_FILE_BYTES_MAX);
        return Err(super::sending::too_large(format!(
            "the attachment has {size} bytes; Microsoft Graph takes files of up to {limit} bytes"
        )));
    }
    let cloud = Cloud::of_graph(session.host()).map(Cloud::hosts);
    let own = session.host().to_owned();
    let mut hosts = vec![own.as_str()];
    hosts.extend(cloud.map_or(&[][..], |hosts| hosts.uploads));
    let opened = session.call(&CreateUploadSession { message: draft, file, hosts: &hosts }).await;
    let opened = opened.map_err(GraphFailure::cause)?;
    let mut line = session.line(opened.place);
    match put_all(session, &mut line, file, opened.expected).await? {
        End::Told => Ok(()),
        End::Guessed(cause) => match has_all(session, draft, std::slice::from_ref(file)).await? {
            true => Ok(()),
            false => Err(cause),
        },
    }
}

/// How an upload ended.
enum End {
    /// The service said that the file is attached.
    Told,
    /// An answer was lost, and the place knows of no upload any more: either the file is attached, or it never will be.
    Guessed(Cause),
}

/// Puts what the service expects next until there is nothing more, and goes on where it stands after an answer was lost.
async fn put_all(session: &Session, line: &mut Line, file: &File, expected: u64) -> Result<End, Cause> {
    let ranges = file.content.len() / limits::GRAPH_RANGE_BYTES + 1;
    let (mut at, mut resumes) = (expected, 0);
    for _ in 0..2 * ranges + limits::GRAPH_UPLOAD_RESUMES_MAX {
        let range = UploadRange::of(&file.content, at).ok_or_else(|| Cause::Garbage {
            detail: "it expects octets that are behind the end of the attachment".to_owned(),
        })?;
        match line.put(&range).await {
            Ok(Uploaded::Whole) => return Ok(End::Told),
            Ok(Uploaded::UpTo(next)) => at = next,
            Ok(Uploaded::Unclear) => return Ok(End::Guessed(unclear())),
            Err(failure) => {
                resumes += 1;
                let cause = resumable(session, failure).await?;
                if resumes > limits::GRAPH_UPLOAD_RESUMES_MAX {
                    return Err(cause);
                }
                match line.progress().await {
                    Ok(Uploaded::UpTo(next)) => at = next,
                    Ok(Uploaded::Whole | Uploaded::Unclear) => return Ok(End::Guessed(cause)),
                    Err(GraphFailure::Refused(refusal)) if refusal.status < 500 => {
                        return Ok(End::Guessed(cause));
                    }
                    // The next range will tell.
                    Err(_) => {}
                }
            }
        }
    }
    Err(Cause::Garbage { detail: "the upload of an attachment does not get on".to_owned() })
}

fn unclear() -> Cause {
    let detail = "it wants nothing more of an attachment, and does not say that it has it".to_owned();
    Cause::Garbage { detail }
}

/// Whether it is worth while to go on, after a wait where one is asked for. Returns why it had stopped.
async fn resumable(session: &Session, failure: GraphFailure) -> Result<Cause, Cause> {
    match failure {
        GraphFailure::Unanswered(cause)
        | GraphFailure::Conversation(cause @ (Cause::ConnectionLost { .. } | Cause::TimedOut { .. })) => {
            Ok(cause)
        }
        GraphFailure::Conversation(cause) | GraphFailure::Undone(cause) => Err(cause),
        GraphFailure::Refused(refusal) if refusal.is_throttled() => waited(session, refusal).await,
        GraphFailure::Refused(refusal) if refusal.status >= 500 || matches!(refusal.status, 408 | 416) => {
            Ok(refusal.cause())
        }
        GraphFailure::Refused(refusal) => Err(refusal.cause()),
    }
}

async fn waited(session: &Session, refusal: Refusal) -> Result<Cause, Cause> {
    match refusal.retry_after {
        Some(wait) if wait <= limits::GRAPH_WAIT_MAX => {
            tokio::time::sleep(wait).await;
            Ok(refusal.cause())
        }
        Some(_) | None => Err(session.throttled(refusal)),
    }
}
