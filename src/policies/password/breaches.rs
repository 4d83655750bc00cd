//! Whether a password is known from leaks: by a file of hashes, or by asking the public service.
//!
//! The service is told the first five hex digits of the password's SHA-1 and answers with all hashes that begin so; padding
//! keeps the length of the answer from telling more.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

use reqwest::{ClientBuilder, Url};
use sha1::{Digest, Sha1};

use crate::{base::egress::Redirects, identity::world::World};

/// Where ranges of hashes are given out.
const SERVICE: &str = "https://api.pwnedpasswords.com/range/";
/// How long the service may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer of the service, in bytes; a range has some 1000 lines of 40 bytes.
const LONGEST: usize = 1 << 20;

/// In how many leaks a password occurs.
///
/// # Errors
/// Why that cannot be told.
pub async fn count(world: &World, password: &str) -> Result<u64, String> {
    let hash = data_encoding::HEXUPPER.encode(&Sha1::digest(password.as_bytes()));
    match world.means().breaches.clone() {
        Some(path) => {
            let looked_up = tokio::task::spawn_blocking(move || find(&path, &hash)).await;
            looked_up.map_err(|error| error.to_string())?.map_err(|error| format!("the list of leaks: {error}"))
        }
        None => ask(world, &hash).await,
    }
}

async fn ask(world: &World, hash: &str) -> Result<u64, String> {
    let said = |error: reqwest::Error| format!("the service for leaked passwords does not answer: {error}");
    let (range, rest) = hash.split_at(5);
    let url = Url::parse(&format!("{SERVICE}{range}")).map_err(|error| error.to_string())?;
    let set = |client: ClientBuilder| client.timeout(PATIENCE).user_agent(crate::policies::USER_AGENT);
    let client = world.means().egress.client(Redirects::SameOrigin, set).map_err(said)?;
    let request = client.get(url).map_err(|error| error.to_string())?.header("Add-Padding", "true");
    let mut answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(said)?;
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(said)? {
        if text.len() + chunk.len() > LONGEST {
            return Err("the service for leaked passwords answers more than it should".to_owned());
        }
        text.extend_from_slice(&chunk);
    }
    Ok(in_range(&String::from_utf8_lossy(&text), rest))
}

/// The count of the hash of which an answer holds the rest.
fn in_range(answer: &str, rest: &str) -> u64 {
    let found = answer.lines().find_map(|line| {
        let (hash, count) = line.trim().split_once(':')?;
        hash.eq_ignore_ascii_case(rest).then(|| count.trim().parse().ok())?
    });
    found.unwrap_or(0)
}

/// Looks a hash up in a file of lines `SHA1:COUNT` that is ordered by hash, in as many steps as its size has binary digits.
fn find(path: &Path, hash: &str) -> std::io::Result<u64> {
    let mut file = BufReader::with_capacity(256, File::open(path)?);
    let (mut from, mut to) = (0, file.get_ref().metadata()?.len());
    // The line of the hash begins at or after `from`, and before `to`.
    while from < to {
        let middle = from + (to - from) / 2;
        let (start, line) = line_after(&mut file, middle)?;
        let text = String::from_utf8_lossy(&line).trim().to_ascii_uppercase();
        if text.is_empty() || start >= to {
            // No line begins between the middle and the end.
            to = middle;
            continue;
        }
        let (found, count) = text.split_once(':').unwrap_or((&text, "1"));
        match found.cmp(hash) {
            std::cmp::Ordering::Equal => return Ok(count.trim().parse().unwrap_or(1)),
            std::cmp::Ordering::Less => from = start + line.len() as u64,
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    Ok(0)
}

/// The first line that begins at or after a place, and where it begins; empty at the end.
fn line_after(file: &mut BufReader<File>, place: u64) -> std::io::Result<(u64, Vec<u8>)> {
    /// Longer lines are none of this file's.
    const LONGEST_LINE: u64 = 256;
    let mut start = place;
    let mut line = Vec::new();
    if place > 0 {
        file.seek(SeekFrom::Start(place - 1))?;
        start = place - 1 + file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? as u64;
        line.clear();
    } else {
        file.seek(SeekFrom::Start(0))?;
    }
    file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    Ok((start, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_list_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        for (lines, end) in [(0, "\n"), (1, "\n"), (2, "\r\n"), (3, ""), (200, "\r\n"), (257, "\n")] {
            let mut hashes: Vec<String> = (0..lines)
                .map(|number: u32| data_encoding::HEXUPPER.encode(&Sha1::digest(number.to_string().as_bytes())))
                .collect();
            hashes.sort();
            let text: Vec<String> = hashes.iter().enumerate().map(|(at, hash)| format!("{hash}:{}", at + 1)).collect();
            let path = folder.path().join(format!("{lines}.txt"));
            let newline = if end.is_empty() { "\n" } else { end };
            std::fs::write(&path, text.join(newline) + end).expect("written");
            for (at, hash) in hashes.iter().enumerate() {
                assert_eq!(find(&path, hash).expect("read"), at as u64 + 1, "{lines} lines, {hash}");
            }
            for other in ["0", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8", "G"] {
                assert_eq!(find(&path, other).expect("read"), 0, "{lines} lines, {other}");
            }
        }
    }

    #[test]
    fn an_answer_of_the_service_is_read() {
        let answer = "0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:3730471\r\nAB:0";
        let table =
            [("1E4C9B93F3F0682250B6CF8331B7EE68FD8", 3_730_471), ("0018A45C4D1DEF81644B54AB7F969B88D66", 0), ("AB", 0)];
        for (rest, count) in table {
            assert_eq!(in_range(answer, rest), count, "{rest}");
        }
    }
}
