//! A fault of blobs, where they lie.

use super::blobs::Chosen;
use crate::drill::error::DrillError;
use crate::drill::faults::Before;
use crate::scenario::{BlobsAct, BlobsFault};
use crate::storage::Blobs;

/// Damages what the fault is about, in this account; gives what each of these blobs was before.
///
/// # Errors
/// When there is no such blob, or it would stay as it is, or the account does not answer.
pub(in crate::drill) async fn damage(
    name: &str,
    fault: &BlobsFault,
    blobs: &Blobs,
) -> Result<Vec<Before>, DrillError> {
    let what = format!("begin fault {name}");
    let all = Chosen::of(blobs).await?;
    let chosen = all.in_backup(fault.of_backup, &fault.blobs);
    if chosen.is_empty() {
        return Err(DrillError::step(what, format!("{} holds no such blob", fault.account)));
    }
    let mut before = Vec::new();
    for blob in &chosen {
        let (container, name) = (blob.container.as_str(), blob.name.as_str());
        let (content, kind) = (blobs.read(container, name).await?, blobs.kind(container, name).await?);
        let damaged = match &fault.act {
            BlobsAct::Delete => None,
            BlobsAct::Empty => Some(Vec::new()),
            BlobsAct::Halve => Some(content[..content.len() / 2].to_vec()),
            BlobsAct::Flip => {
                let mut flipped = content.clone();
                let middle = flipped.len() / 2;
                if let Some(byte) = flipped.get_mut(middle) {
                    *byte = !*byte;
                }
                Some(flipped)
            }
            BlobsAct::ContentOf(other) => {
                let others = all.meant(other);
                let other = others.iter().find(|other| other.name != name);
                let other = other.ok_or_else(|| DrillError::step(&what, "there is no other such blob"))?;
                Some(blobs.read(&other.container, &other.name).await?)
            }
            BlobsAct::Reword(words) => {
                let text = String::from_utf8_lossy(&content);
                Some(text.replace(&words.from, &words.to).into_bytes())
            }
        };
        if damaged.as_ref() == Some(&content) {
            return Err(DrillError::step(what, format!("it would leave {name} as it is")));
        }
        match damaged {
            None => blobs.delete(container, name).await?,
            Some(damaged) => blobs.write(container, name, damaged, &kind).await?,
        }
        before.push(Before {
            account: fault.account.clone(),
            container: container.to_owned(),
            name: name.to_owned(),
            content,
            kind,
        });
    }
    Ok(before)
}
