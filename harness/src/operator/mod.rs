//! The operator: install, configure, upgrade, follow its log.
