//! The environments that are made for drills: a line each in every function here, and none anywhere else.

use serde::{Deserialize, Serialize};

use super::kind::KindEnvironment;
use super::local::LocalEnvironment;
use super::{Description, Environment, EnvironmentError};
use crate::toolchain::Tools;

/// One of the environments that are made for drills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The control plane's programs and a node of our own, in namespaces of an ordinary user.
    Local,
    /// A cluster that the kind program makes in Docker.
    Kind,
}

/// Who does something in an environment, whichever it is.
#[allow(async_fn_in_trait)]
pub trait Guest {
    /// What comes of the stay.
    type Output;

    /// Does its work in the environment.
    async fn stay<E: Environment>(self, environment: &E) -> Self::Output;
}

impl Which {
    /// All that there are.
    pub const ALL: [Which; 2] = [Which::Local, Which::Kind];

    /// What is to be known of it before there is one.
    pub fn description(self) -> &'static Description {
        match self {
            Which::Local => LocalEnvironment::DESCRIPTION,
            Which::Kind => KindEnvironment::DESCRIPTION,
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Which> {
        Which::ALL.into_iter().find(|which| which.description().name == name)
    }

    /// Takes a place in the environment called `name`, for as long as `guest` stays.
    ///
    /// # Errors
    /// As [`Environment::take_place`].
    pub async fn host<G: Guest>(
        self,
        name: &str,
        tools: &Tools,
        guest: G,
    ) -> Result<G::Output, EnvironmentError> {
        match self {
            Which::Local => host_in::<LocalEnvironment, G>(name, tools, guest).await,
            Which::Kind => host_in::<KindEnvironment, G>(name, tools, guest).await,
        }
    }
}

async fn host_in<E: Environment, G: Guest>(
    name: &str,
    tools: &Tools,
    guest: G,
) -> Result<G::Output, EnvironmentError> {
    let environment = E::take_place(name, tools).await?;
    Ok(guest.stay(&environment).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_are_told_apart_by_all_that_others_know_them_by() {
        for one in Which::ALL {
            let described = one.description();
            assert_eq!(Which::named(described.name), Some(one));
            for other in Which::ALL.into_iter().filter(|other| *other != one).map(Which::description) {
                assert_ne!(described.process, other.process);
                assert_ne!(described.prefix, other.prefix, "one share may have both");
                assert_ne!(described.variant, other.variant, "snapshots of one would be the other's");
            }
        }
        let measure = Which::ALL.into_iter().filter(|which| which.description().variant.is_none());
        assert_eq!(measure.count(), 1, "all others are measured by one");
    }
}
