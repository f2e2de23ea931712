//! What people and machines read afterwards: terminal, JUnit, JSON.
