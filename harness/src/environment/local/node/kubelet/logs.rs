//! `containerLogs`: what of a log is asked for, and the answer, which grows where it is followed.

use std::time::Duration;

use futures::stream::try_unfold;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::super::logs::{LogOptions, Logs};
use super::{Body, refusal};

pub(super) fn answer(
    logs: &Logs,
    namespace: &str,
    pod: &str,
    container: &str,
    query: Option<&str>,
) -> Response<Body> {
    let options = match options(query.unwrap_or_default(), Timestamp::now()) {
        Ok(options) => options,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, &why),
    };
    let reading = match logs.read(namespace, pod, container, &options) {
        Ok(reading) => reading,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let frames = try_unfold(reading, async |mut reading| {
        Ok(reading.next().await?.map(|text| (Frame::data(text), reading)))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// What the API server writes for a `PodLogOptions`.
fn options(query: &str, now: Timestamp) -> Result<LogOptions, String> {
    let mut options = LogOptions::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8_lossy();
        let wrong = |why: &dyn std::fmt::Display| format!("{name} is {value:?}: {why}");
        let flag = || value.parse::<bool>().map_err(|error| wrong(&error));
        let number = || value.parse::<u64>().map_err(|error| wrong(&error));
        match name {
            "follow" => options.follow = flag()?,
            "previous" => options.previous = flag()?,
            "timestamps" => options.timestamps = flag()?,
            "tailLines" => options.tail_lines = Some(usize::try_from(number()?).unwrap_or(usize::MAX)),
            "limitBytes" => options.limit_bytes = Some(number()?),
            "sinceTime" => options.since = Some(value.parse().map_err(|error: jiff::Error| wrong(&error))?),
            "sinceSeconds" => {
                let since = now.checked_sub(Duration::from_secs(number()?));
                options.since = Some(since.map_err(|error| wrong(&error))?);
            }
            // Both streams are one here.
            "stream" if value == "All" => {}
            _ => return Err(format!("{name}={value} is not served by the local environment's node")),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_asks_for_is_understood_and_nothing_else_is_passed_over() {
        let now: Timestamp = "2026-11-24T10:15:00Z".parse().unwrap();
        let all = "follow=true&limitBytes=7&previous=true&sinceSeconds=60&tailLines=5&timestamps=true";
        let expected = LogOptions {
            follow: true,
            previous: true,
            timestamps: true,
            tail_lines: Some(5),
            since: Some("2026-11-24T10:14:00Z".parse().unwrap()),
            limit_bytes: Some(7),
        };
        assert_eq!(options(all, now).unwrap(), expected);
        let since = options("sinceTime=2026-11-24T11%3A14%3A00%2B01%3A00", now).unwrap();
        assert_eq!(since.since, expected.since);
        assert_eq!(options("", now).unwrap(), LogOptions::default());
        assert!(options("stream=Stderr", now).unwrap_err().contains("stream=Stderr"));
        assert!(options("tailLines=-1", now).unwrap_err().contains("tailLines"));
    }
}
