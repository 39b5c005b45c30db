//! Server-Sent Events (HTML standard, section 9.2).

use super::{Broken, Hear};
use crate::cli::response::take_line;

/// Tells the data of whole events and returns their length.
///
/// Fields that the standard does not name are an error here, though a browser ignores them.
pub(super) fn take(bytes: &[u8], hear: &mut impl Hear) -> Result<usize, Broken> {
    let (mut at, mut whole) = (0, 0);
    let mut data: Option<&[u8]> = None;
    while let Some((line, length)) = take_line(&bytes[at..]) {
        at += length;
        if line.is_empty() {
            if let Some(data) = data.take() {
                hear.message(data);
            }
            whole = at;
        } else if let Some(value) = field(line)?
            && data.replace(value).is_some()
        {
            return Err(Broken::framing("an event of several lines"));
        }
    }
    Ok(whole)
}

/// The value of a line of data.
fn field(line: &[u8]) -> Result<Option<&[u8]>, Broken> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.unwrap_or(line.len()));
    match name {
        b"data" => {
            let value = value.strip_prefix(b":").unwrap_or_default();
            Ok(Some(value.strip_prefix(b" ").unwrap_or(value)))
        }
        b"" | b"id" | b"event" | b"retry" => Ok(None),
        other => {
            let other = String::from_utf8_lossy(&other[..other.len().min(20)]).into_owned();
            Err(Broken::framing(format!("the field {other:?} in an event stream")))
        }
    }
}
