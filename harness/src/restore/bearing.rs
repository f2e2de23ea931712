//! An API server that does not answer for a while ends no drill that runs for hours.

use std::time::{Duration, Instant};

use super::error::RestoreError;

/// As long as a control plane may take to be replaced.
const PATIENCE: Duration = Duration::from_secs(300);

/// Bears errors that may pass, one after the other, until they have lasted too long.
#[derive(Debug, Default)]
pub(super) struct Bearing {
    since: Option<Instant>,
}

impl Bearing {
    /// The value; or what to say while an error is borne.
    ///
    /// # Errors
    /// One that does not pass by itself, or that has lasted for [`PATIENCE`].
    pub(super) fn bear<T, E: Into<RestoreError>>(
        &mut self,
        result: Result<T, E>,
    ) -> Result<Result<T, String>, RestoreError> {
        let error = match result {
            Ok(value) => {
                self.since = None;
                return Ok(Ok(value));
            }
            Err(error) => error.into(),
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        let may_pass = matches!(&error, RestoreError::Cluster(error) if error.may_pass());
        match may_pass && since.elapsed() < PATIENCE {
            true => Ok(Err(format!("failed to {error}"))),
            false => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::cluster::ClusterError;

    fn refused(code: u16) -> Result<(), ClusterError> {
        let status = kube::core::Status { code, ..kube::core::Status::default() };
        Err(ClusterError::api("look")(kube::Error::Api(Box::new(status))))
    }

    #[test]
    fn only_what_may_pass_is_borne_and_not_for_ever() {
        let mut bearing = Bearing::default();
        assert!(bearing.bear(refused(500)).unwrap().unwrap_err().starts_with("failed to look"));
        assert!(bearing.bear(refused(403)).is_err());
        assert!(bearing.bear(Ok::<_, RestoreError>(1)).unwrap().is_ok());
        bearing.since = Instant::now().checked_sub(PATIENCE);
        assert!(bearing.bear(refused(500)).is_err());
    }
}
